//! The PROXY protocol's header, by which a backend learns who the client is.
//!
//! As in the specification of HAProxy, `doc/proxy-protocol.txt`, sections 2.1 and 2.2.

use std::net::{IpAddr, SocketAddr};

/// Which form of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl ProxyProtocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Its name in configurations and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// The header for a connection from `client` that was accepted at `here`.
    pub(crate) fn header(self, client: SocketAddr, here: SocketAddr) -> Vec<u8> {
        // A listener for both families calls IPv4 addresses by their IPv6 names.
        let from = client.ip().to_canonical();
        let to = here.ip().to_canonical();
        match self {
            Self::V1 => line(from, client.port(), to, here.port()).into_bytes(),
            Self::V2 => block(from, client.port(), to, here.port()),
        }
    }
}

fn line(from: IpAddr, from_port: u16, to: IpAddr, to_port: u16) -> String {
    let family = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        _ => return "PROXY UNKNOWN\r\n".to_owned(),
    };
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n")
}

fn block(from: IpAddr, from_port: u16, to: IpAddr, to_port: u16) -> Vec<u8> {
    const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
    /// Version 2, on behalf of somebody.
    const PROXY: u8 = 0x21;
    let mut addresses = Vec::with_capacity(36);
    // Family and, in the lower half, that it is a stream.
    let family: u8 = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            addresses.extend(from.octets());
            addresses.extend(to.octets());
            0x11
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            addresses.extend(from.octets());
            addresses.extend(to.octets());
            0x21
        }
        _ => 0x00,
    };
    if family != 0 {
        addresses.extend(from_port.to_be_bytes());
        addresses.extend(to_port.to_be_bytes());
    }
    let mut header = SIGNATURE.to_vec();
    header.extend([
        PROXY,
        family,
        0,
        if family == 0 {
            0
        } else {
            addresses.len() as u8
        },
    ]);
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("192.0.2.1:5000", "198.51.100.2:80" => "PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\n")]
    #[test_case("[2001:db8::1]:5000", "[2001:db8::2]:80" => "PROXY TCP6 2001:db8::1 2001:db8::2 5000 80\r\n")]
    #[test_case("[::ffff:192.0.2.1]:5000", "[::ffff:198.51.100.2]:80" => "PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\n"; "mapped")]
    #[test_case("[2001:db8::1]:5000", "198.51.100.2:80" => "PROXY UNKNOWN\r\n"; "mixed")]
    fn version_1(client: &str, here: &str) -> String {
        let header = ProxyProtocol::V1.header(client.parse().unwrap(), here.parse().unwrap());
        String::from_utf8(header).unwrap()
    }

    #[test]
    fn version_2() {
        let header = |client: &str, here: &str| {
            ProxyProtocol::V2.header(client.parse().unwrap(), here.parse().unwrap())
        };
        let mut wanted =
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c".to_vec();
        wanted.extend([192, 0, 2, 1, 198, 51, 100, 2, 0x13, 0x88, 0, 80]);
        assert_eq!(header("192.0.2.1:5000", "198.51.100.2:80"), wanted);
        let six = header("[2001:db8::1]:5000", "[2001:db8::2]:80");
        assert_eq!(six[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!(six.len(), 16 + 36);
        let mixed = header("[2001:db8::1]:5000", "198.51.100.2:80");
        assert_eq!(mixed[12..], [0x21, 0, 0, 0]);
    }
}
