//! What is sent, made ready once.

use bytes::Bytes;

use crate::driver::steps::At;
use crate::expression::{ExpressionError, Scope, Text};
use crate::scenario::{TcpPayload, from_base64, from_hex};

/// Something that is sent again and again.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Always the same.
    Constant(Bytes),
    /// Filled in each time; and its place in the scenario.
    Template(Box<(Template, String)>),
}

/// Something that is filled in.
#[derive(Debug)]
pub(super) enum Template {
    Text(Text),
    /// Hexadecimal of what is sent.
    Hex(Text),
    /// Base64 of what is sent.
    Base64(Text),
}

impl Template {
    fn bytes(&self, scope: &Scope) -> Result<Bytes, ExpressionError> {
        let (Self::Text(template) | Self::Hex(template) | Self::Base64(template)) = self;
        let text = template.render(scope)?;
        let (bytes, name) = match self {
            Self::Text(_) => (Some(text.as_bytes().to_vec()), "text"),
            Self::Hex(_) => (from_hex(&text), "hexadecimal"),
            Self::Base64(_) => (from_base64(&text), "base64"),
        };
        let bytes = bytes.ok_or_else(|| {
            ExpressionError::new(format!("{} is not {name}", crate::text::short(&text)))
        })?;
        if bytes.is_empty() {
            // Nothing is sent of it, and no answer could be told to be its.
            return Err(ExpressionError::new("it came to nothing that can be sent"));
        }
        Ok(bytes.into())
    }
}

impl Outgoing {
    /// What is wrong with it is noted.
    pub(super) fn new(payload: &TcpPayload, at: &At<'_>) -> Self {
        let path = format!("{}.tcp.send", at.path);
        let filled_in = |text: &str, field: &str, of: fn(Text) -> Template| {
            let path = format!("{path}.{field}");
            let text = at.lexicon.template(text, &path)?;
            let names = text.names();
            let template = of(text);
            at.lexicon.try_out(&names, |scope| {
                let tried = template.bytes(scope).map(drop);
                tried.map_err(|error| ExpressionError::new(format!("{path}: {error}")))
            });
            Some(Self::Template(Box::new((template, path))))
        };
        let template = match payload {
            TcpPayload::Text(text) => filled_in(text, "text", Template::Text),
            TcpPayload::HexTemplate(text) => filled_in(text, "hex", Template::Hex),
            TcpPayload::Base64Template(text) => filled_in(text, "base64", Template::Base64),
            TcpPayload::Bytes(_) | TcpPayload::Sized(_) => None,
        };
        template.unwrap_or_else(|| {
            Self::Constant(match payload {
                TcpPayload::Text(text)
                | TcpPayload::HexTemplate(text)
                | TcpPayload::Base64Template(text) => Bytes::copy_from_slice(text.as_bytes()),
                TcpPayload::Bytes(bytes) => Bytes::copy_from_slice(bytes),
                TcpPayload::Sized(bytes) => filler(*bytes as usize),
            })
        })
    }

    /// The bytes of the next message.
    ///
    /// # Errors
    /// Why what is filled in comes to nothing.
    #[inline]
    pub(super) fn bytes(&self, scope: &Scope) -> Result<Bytes, ExpressionError> {
        match self {
            // Counts a reference; the bytes are shared.
            Self::Constant(bytes) => Ok(bytes.clone()),
            Self::Template(template) => {
                let (template, path) = &**template;
                let bytes = template.bytes(scope);
                bytes.map_err(|error| ExpressionError::new(format!("{path}: {error}")))
            }
        }
    }
}

/// Bytes that look like nothing in particular: what compresses on the way would measure little. The same
/// in each run.
fn filler(len: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(0);
    let bytes = std::iter::repeat_with(|| random.u8(..)).take(len);
    bytes.collect::<Vec<u8>>().into()
}
