//! The line by which a server says that it listens.

use std::fmt;
use std::net::SocketAddr;

/// The line on stdout that says that a server listens. Programs read it, so its form is promised:
/// `PROTOCOL listening on HOST:PORT id=NAME`, blanks between, further `key=value` pairs after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listening {
    /// What it speaks.
    pub(crate) protocol: String,
    /// Where it listens, with the port it got.
    pub(crate) address: SocketAddr,
    /// What it calls itself.
    pub(crate) id: String,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            address,
            id,
        } = self;
        write!(f, "{protocol} listening on {address} id={id}")
    }
}

impl Listening {
    /// Reads the line back.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let protocol = words.next()?.to_owned();
        if (words.next(), words.next()) != (Some("listening"), Some("on")) {
            return None;
        }
        let address = words.next()?.parse().ok()?;
        let id = words.find_map(|word| word.strip_prefix("id="))?.to_owned();
        Some(Self {
            protocol,
            address,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn the_line_reads_back() {
        let listening = Listening {
            protocol: "grpc".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 50051)),
            id: "a=b".to_owned(),
        };
        let line = listening.to_string();
        assert_eq!(line, "grpc listening on 127.0.0.1:50051 id=a=b");
        assert_eq!(Listening::parse(&line), Some(listening.clone()));
        assert_eq!(
            Listening::parse(&format!("{line} more=1\n")),
            Some(listening)
        );
    }

    #[test_case(""; "empty")]
    #[test_case("grpc listening on here id=x"; "no address")]
    #[test_case("grpc listening on 127.0.0.1:1"; "no id")]
    #[test_case("error: in use"; "something else")]
    fn other_lines_do_not(line: &str) {
        assert_eq!(Listening::parse(line), None);
    }
}
