//! The single values of what is said of a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Serialize, Serializer};

use crate::nearest::did_you_mean;
use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
use crate::scenario::value::{MAX_NAME, checked_text, text_schema};
use crate::units::{format_duration, parse_duration};

checked_text! {
    /// The name of a server.
    BackendName, "BackendName",
    "the name of a server: 1 to 100 letters, digits, `_` and `-`, beginning with a letter",
    is_backend_name, "^[A-Za-z][A-Za-z0-9_-]{0,99}$"
}

/// A name that begins with a digit could be a port: `backend:8080` is a target, too.
pub(in crate::scenario) fn is_backend_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Where a server listens. Port 0 is any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct ListenText(pub(in crate::scenario) SocketAddr);

impl ListenText {
    pub(in crate::scenario) const EXPECTED: &str = "an address to listen on, such as \"127.0.0.1:28001\" or \":28001\"; without a port, or with \
         port 0, any free one";
    /// Any free port, for this machine alone.
    pub(in crate::scenario) const ANY: Self =
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
}

fn listen(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix(':') {
        return Some(SocketAddr::new(
            Ipv4Addr::LOCALHOST.into(),
            port.parse().ok()?,
        ));
    }
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if let Some(ip) = bare {
        return Some(SocketAddr::new(ip.parse::<Ipv6Addr>().ok()?.into(), 0));
    }
    let alone = text.parse::<Ipv4Addr>().ok();
    alone.map_or_else(
        || text.parse().ok(),
        |ip| Some(SocketAddr::new(ip.into(), 0)),
    )
}

impl Decode for ListenText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text(Self::EXPECTED)?;
        let help = (text.starts_with("localhost")).then(|| "this machine is 127.0.0.1".to_owned());
        match listen(text) {
            Some(address) => Some(Self(address)),
            None => reader.refuse(Self::EXPECTED, help),
        }
    }
}

impl Rule for ListenText {}

impl Serialize for ListenText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

text_schema!(ListenText, "ListenAddress", {
    "description": "An IP address and a port to listen on; without the address this machine alone, without a port any free one.",
    "examples": ["127.0.0.1:28001", ":28001", ":0"],
});

checked_text! {
    /// A time to wait, or two to draw from.
    DelayText, "Delay",
    "a time such as \"20ms\", or two to draw from, such as \"10ms..50ms\"",
    is_delay, "^[0-9a-z.]+$"
}

checked_text! {
    /// The version that a server says of itself.
    VersionText, "ServerVersion",
    "a version: 1 to 128 visible ASCII characters without blanks",
    is_version, "^[!-~]{1,128}$"
}

fn is_version(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_delay(text: &str) -> bool {
    match text.split_once("..") {
        None => parse_duration(text).is_ok(),
        Some((least, most)) => match (parse_duration(least), parse_duration(most)) {
            (Ok(least), Ok(most)) => least <= most,
            _ => false,
        },
    }
}

checked_text! {
    /// A share of all.
    ShareText, "Share",
    "a share such as \"5%\" or \"0.05\", from 0 to 1",
    is_share, "^[0-9.]+%?$"
}

fn is_share(text: &str) -> bool {
    let (digits, most) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (text, 1.0),
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    is_plain && digits.parse::<f64>().is_ok_and(|it| it <= most)
}

/// The name of a gRPC status that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct ErrorCode(pub(in crate::scenario) String);

const CODES: [&str; 16] = [
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Decode for ErrorCode {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(
            reader.text("a status such as \"UNAVAILABLE\"")?.to_owned(),
        ))
    }
}

impl Rule for ErrorCode {
    fn rule(&self) -> Result<(), Refusal> {
        if CODES.contains(&self.0.as_str()) {
            return Ok(());
        }
        Refusal::with_help(
            "a gRPC status that is an error, such as \"UNAVAILABLE\"",
            did_you_mean(&self.0, CODES),
        )
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl schemars::JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": CODES })
    }
}

/// A duration in a range.
macro_rules! span_between {
    ($(#[$meta:meta])* $name:ident, $schema_name:literal, $least:expr, $most:expr, $expected:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::scenario) struct $name(pub(in crate::scenario) std::time::Duration);

        impl Decode for $name {
            fn decode(reader: &Reader<'_>) -> Option<Self> {
                let read = parse_duration(reader.text($expected)?);
                let read = crate::scenario::value::unit(reader, read)?;
                reader.keep(Self(read))
            }
        }

        impl Rule for $name {
            fn rule(&self) -> Result<(), Refusal> {
                match ($least..=$most).contains(&self.0) {
                    true => Ok(()),
                    false => Refusal::new($expected),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&format_duration(self.0))
            }
        }

        text_schema!($name, $schema_name, {
            "description": $expected,
            "pattern": crate::units::DURATION_PATTERN,
        });
    };
}

pub(in crate::scenario) use span_between;

span_between! {
    /// A time that balancers take.
    BalancerSpan, "BalancerDuration",
    std::time::Duration::from_millis(1), std::time::Duration::from_secs(3600),
    "a duration from 1ms to 1h"
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:28001" => Some("127.0.0.1:28001".to_owned()))]
    #[test_case(":28001" => Some("127.0.0.1:28001".to_owned()))]
    #[test_case(":0" => Some("127.0.0.1:0".to_owned()))]
    #[test_case("127.0.0.2" => Some("127.0.0.2:0".to_owned()))]
    #[test_case("[::1]:5" => Some("[::1]:5".to_owned()))]
    #[test_case("[::1]" => Some("[::1]:0".to_owned()))]
    #[test_case("" => None)]
    #[test_case(":" => None; "a colon")]
    #[test_case(":65536" => None)]
    #[test_case("28001" => None)]
    #[test_case("localhost:1" => None)]
    #[test_case("300.0.0.1:1" => None)]
    fn addresses(text: &str) -> Option<String> {
        listen(text).map(|it| it.to_string())
    }

    #[test_case("20ms" => true)]
    #[test_case("10ms..50ms" => true)]
    #[test_case("50ms..10ms" => false)]
    #[test_case("20" => false)]
    fn delays(text: &str) -> bool {
        is_delay(text)
    }

    #[test_case("5%" => true)]
    #[test_case("0.05" => true)]
    #[test_case("1" => true)]
    #[test_case("101%" => false)]
    #[test_case("1.1" => false)]
    #[test_case("-1" => false)]
    #[test_case("1e-2" => false)]
    #[test_case("%" => false)]
    fn shares(text: &str) -> bool {
        is_share(text)
    }
}
