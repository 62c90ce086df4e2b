//! The headers of a call: what gRPC wants, and the scenario's metadata.
//!
//! Owns their order and checks them before the run. They are built once, and every call of a step
//! sends the same, so that HPACK sends an index for each.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};

use super::compression;
use super::error::DriverError;
use crate::driver::header_fields::{Fields, Form, Sent, Sources};
use crate::driver::mistake::Mistake;
use crate::driver::sources::SourceError;
use crate::expression::{ExpressionError, Names, Scope, Text};
use crate::scenario::{Compression, Source, is_base64, join};

const AGENT: &str = concat!("loadgen/", env!("CARGO_PKG_VERSION"));

/// What is wrong with a piece of metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not a legal name.
    #[error("`{0}` is not a metadata key; letters, digits, `-`, `_` and `.` make one")]
    Key(String),
    /// A name that gRPC or HTTP/2 keeps for itself.
    #[error("`{0}` is set by the protocol and cannot be given")]
    Reserved(String),
    /// Not a legal value.
    #[error("the value of `{0}` has characters that metadata cannot carry")]
    Value(String),
    /// There is no value to send.
    #[error("`{key}`: {problem}")]
    Source {
        /// The key.
        key: String,
        /// Why there is none.
        problem: SourceError,
    },
}

/// The headers of a call.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// Those that are always the same.
    pub(super) constant: Arc<Fields>,
    /// Those that are evaluated each time.
    pub(super) templates: Vec<Template>,
}

/// A header whose value is evaluated each time.
#[derive(Debug, Clone)]
pub(super) struct Template {
    name: HeaderName,
    value: Text,
    /// Its place in the scenario.
    path: String,
}

impl Metadata {
    /// These headers, always.
    pub(super) fn constant(headers: HeaderMap) -> Self {
        Self {
            constant: Arc::new(headers.into()),
            templates: Vec::new(),
        }
    }

    /// Whether nothing of them is templated.
    pub(super) fn is_constant(&self) -> bool {
        self.templates.is_empty()
    }

    /// The headers as they are at the moment.
    ///
    /// # Errors
    /// The place of a value that came to nothing, or cannot be sent.
    pub(super) fn filled(&self, scope: &Scope) -> Result<Arc<Fields>, ExpressionError> {
        if self.templates.is_empty() {
            return Ok(Arc::clone(&self.constant));
        }
        let mut headers = Fields::clone(&self.constant);
        for template in &self.templates {
            let value = Sent::Fixed(template.filled(scope)?);
            put(&mut headers, template.name.clone(), value);
        }
        Ok(Arc::new(headers))
    }
}

impl Template {
    /// Its place in the scenario.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The names that it uses.
    pub(super) fn names(&self) -> Names {
        self.value.names()
    }

    /// Its value at the moment.
    ///
    /// # Errors
    /// Its place, and why it came to nothing that can be sent.
    pub(super) fn filled(&self, scope: &Scope) -> Result<HeaderValue, ExpressionError> {
        let wrong = |problem: String| ExpressionError::new(format!("{}: {problem}", self.path));
        let value = self.value.render(scope);
        let value = value.map_err(|error| wrong(error.to_string()))?;
        let sent = HeaderValue::from_str(&value).ok();
        let is_binary = self.name.as_str().ends_with("-bin");
        sent.filter(|_| !is_binary || is_base64(&value))
            .ok_or_else(|| {
                let expected = match is_binary {
                    true => "base64, as the name asks for that ends in `-bin`",
                    false => "one line of printable ASCII",
                };
                let value = crate::text::short(&value);
                wrong(format!("it came to `{value}`; expected {expected}"))
            })
    }
}

fn put(headers: &mut Fields, name: HeaderName, value: Sent) {
    if name == USER_AGENT {
        headers.insert(name, value);
    } else {
        headers.append(name, value);
    }
}

/// Headers of a call, in the order of the gRPC specification: `te`, `grpc-timeout` where there is one, `content-type`,
/// `grpc-encoding` and `grpc-accept-encoding` where it compresses, `user-agent`, then the metadata,
/// scenario's first; what is templated comes last.
///
/// Each list of metadata comes with its place in the scenario. The value of a `-bin` key is sent as it is given: base64, as it goes on the wire.
pub(super) fn headers(
    timeout: Option<Duration>,
    compression: Option<Compression>,
    metadata: &[(&str, &[(String, Source)])],
    sources: &mut Sources,
) -> Result<Metadata, DriverError> {
    let (mut headers, mut templates) = (Fields::default(), Vec::new());
    let mut fixed = |name, value| headers.append(name, Sent::Fixed(value));
    fixed(TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = timeout {
        fixed(
            HeaderName::from_static("grpc-timeout"),
            timeout_value(timeout),
        );
    }
    fixed(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(compression) = compression {
        for (name, value) in [
            ("grpc-encoding", compression::name(compression)),
            ("grpc-accept-encoding", compression::accepted(compression)),
        ] {
            fixed(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
    }
    fixed(USER_AGENT, HeaderValue::from_static(AGENT));
    for (place, pairs) in metadata {
        for (key, value) in *pairs {
            let wrong = |problem| DriverError::Metadata {
                path: (*place).to_owned(),
                problem,
            };
            if let Source::Literal(text) = value
                && Text::is_template(text)
            {
                let name = name_of(key).map_err(wrong)?;
                let path = format!("{place}{}", join(place, key));
                let value = Text::parse(text)
                    .map_err(|error| vec![Mistake::new(&path, error.to_string())])?;
                templates.push(Template { name, value, path });
                continue;
            }
            let (name, value) = field(place, key, value, sources).map_err(wrong)?;
            put(&mut headers, name, value);
        }
    }
    Ok(Metadata {
        constant: Arc::new(headers),
        templates,
    })
}

/// A key as it is sent.
fn name_of(key: &str) -> Result<HeaderName, MetadataError> {
    let name = HeaderName::from_bytes(key.as_bytes());
    let name = name.map_err(|_| MetadataError::Key(key.to_owned()))?;
    match is_reserved(name.as_str()) {
        true => Err(MetadataError::Reserved(key.to_owned())),
        false => Ok(name),
    }
}

/// A piece of metadata as it is sent.
fn field(
    place: &str,
    key: &str,
    value: &Source,
    sources: &mut Sources,
) -> Result<(HeaderName, Sent), MetadataError> {
    let key = || key.to_owned();
    let name = name_of(&key())?;
    let form = match name.as_str().ends_with("-bin") {
        true => Form::Base64,
        false => Form::Text,
    };
    let value = sources.value(value, &format!("{place}.{}", key()), form);
    match value {
        Ok(value) => Ok((name, value)),
        Err(problem) => Err(MetadataError::Source {
            key: key(),
            problem,
        }),
    }
}

pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with("grpc-")
        || matches!(
            name,
            "te" | "content-type"
                | "content-length"
                | "host"
                | "connection"
                | "keep-alive"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// A deadline as `grpc-timeout` writes it: at most eight digits and a unit, the finest that fits,
/// rounded up so that the server never gives up before we do.
pub(super) fn timeout_value(timeout: Duration) -> HeaderValue {
    let text = timeout_text(timeout);
    HeaderValue::from_str(&text).expect("digits and a letter")
}

fn timeout_text(timeout: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let nanos = timeout.as_nanos();
    for (unit, size) in [
        ('n', 1_u128),
        ('u', 1_000),
        ('m', 1_000_000),
        ('S', 1_000_000_000),
        ('M', 60_000_000_000),
    ] {
        let count = nanos.div_ceil(size);
        if count <= MOST {
            return format!("{count}{unit}");
        }
    }
    format!("{}H", nanos.div_ceil(3_600_000_000_000).min(MOST))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Duration::from_millis(50) => "50000000n")]
    #[test_case(Duration::from_millis(100) => "100000u")]
    #[test_case(Duration::from_nanos(100_000_001) => "100001u"; "rounded up")]
    #[test_case(Duration::from_secs(30) => "30000000u")]
    #[test_case(Duration::from_secs(100) => "100000m")]
    #[test_case(Duration::from_secs(200_000) => "200000S")]
    #[test_case(Duration::from_secs(100_000_000) => "1666667M")]
    #[test_case(Duration::MAX => "99999999H")]
    fn timeouts(timeout: Duration) -> String {
        timeout_text(timeout)
    }

    fn pair(key: &str, value: &str) -> Vec<(String, Source)> {
        vec![(key.to_owned(), value.into())]
    }

    #[test_case("no spaces", "x" => MetadataError::Key("no spaces".to_owned()))]
    #[test_case("grpc-timeout", "1S" => MetadataError::Reserved("grpc-timeout".to_owned()))]
    #[test_case("Content-Type", "x" => MetadataError::Reserved("Content-Type".to_owned()))]
    #[test_case("x-bin", "?" => MetadataError::Source {
        key: "x-bin".to_owned(),
        problem: SourceError::NotBase64 { place: "the value".to_owned() },
    })]
    #[test_case("x-a", "line\nbreak" => MetadataError::Source {
        key: "x-a".to_owned(),
        problem: SourceError::Unfit { place: "the value".to_owned() },
    })]
    fn refused(key: &str, value: &str) -> MetadataError {
        field("metadata", key, &value.into(), &mut Sources::default()).expect_err("refused")
    }

    #[test]
    fn keeps_order_and_repeats() {
        let built = headers(
            Some(Duration::from_secs(1)),
            None,
            &[
                ("metadata", &pair("X-Tenant", "a")),
                ("steps[0].grpc.metadata", &pair("x-tenant", "b")),
            ],
            &mut Sources::default(),
        )
        .expect("valid")
        .constant
        .now();
        let names: Vec<_> = built.keys().map(HeaderName::as_str).collect();
        assert_eq!(
            names,
            [
                "te",
                "grpc-timeout",
                "content-type",
                "user-agent",
                "x-tenant"
            ]
        );
        let tenants: Vec<_> = built.get_all("x-tenant").iter().collect();
        assert_eq!(tenants, ["a", "b"]);
    }
}
