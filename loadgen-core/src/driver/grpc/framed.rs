//! The one message of a unary call, with its prefix.

use std::borrow::Cow;

use bytes::Bytes;

use super::template::MessageTemplate;
use super::{compression, framing};
use crate::expression::{ExpressionError, Scope};
use crate::scenario::Compression;

/// A message that goes out with its prefix in front.
#[derive(Debug)]
pub(super) enum Framed {
    /// It is always the same, and has its prefix, and was compressed.
    Constant(Bytes),
    /// It is evaluated each time.
    Template(MessageTemplate),
}

impl Framed {
    /// What goes out at the moment, compressed like this.
    ///
    /// # Errors
    /// The place of what came to nothing that can be sent, and why.
    #[inline]
    pub(super) fn now(
        &self,
        compression: Option<Compression>,
        scope: &Scope,
    ) -> Result<Cow<'_, Bytes>, ExpressionError> {
        match self {
            Self::Constant(framed) => Ok(Cow::Borrowed(framed)),
            Self::Template(message) => made(message, compression, scope).map(Cow::Owned),
        }
    }
}

fn made(
    message: &MessageTemplate,
    compression: Option<Compression>,
    scope: &Scope,
) -> Result<Bytes, ExpressionError> {
    let too_long =
        || ExpressionError::new("the message is longer than 4 GiB, which gRPC cannot carry");
    if let Some(how) = compression {
        let packed = compression::packed(how, &message.encode(scope)?)?;
        return framing::with_prefix(true, &packed).ok_or_else(too_long);
    }
    let mut encoded = Vec::with_capacity(framing::PREFIX_LEN + message.usual_len());
    encoded.extend_from_slice(&[0; framing::PREFIX_LEN]);
    message.encode_into(scope, &mut encoded)?;
    framing::put_prefix(&mut encoded).ok_or_else(too_long)?;
    Ok(encoded.into())
}
