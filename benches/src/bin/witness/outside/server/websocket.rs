//! As much of WebSocket (RFC 6455) as an echo needs: the upgrade, frames that are whole messages,
//! pings, and the close.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::protocol::{HEAD_BYTES, Parsed, Piece, Protocol, Request, head_len};

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// The bit of the first byte that says that a message ends with this frame.
const FIN: u8 = 0x80;
/// The bit of the second byte that says that the payload is masked.
const MASKED: u8 = 0x80;

/// Sends each message back.
#[derive(Debug, Default)]
pub(super) struct Echo {
    is_upgraded: bool,
}

impl Protocol for Echo {
    fn parse(&mut self, unread: &[u8]) -> Result<Parsed, String> {
        if self.is_upgraded {
            return frame(unread);
        }
        let Some(bytes) = head_len(unread) else {
            return Ok(Parsed::Needs(unread.len() + HEAD_BYTES));
        };
        let head = String::from_utf8_lossy(&unread[..bytes]);
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then(|| value.trim())
        });
        let key =
            key.ok_or("a request without sec-websocket-key, where an upgrade was expected")?;
        self.is_upgraded = true;
        let say = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        Ok(Parsed::Piece(Piece {
            bytes,
            say: say.into_bytes(),
            ..Piece::default()
        }))
    }
}

/// One frame of a client.
fn frame(unread: &[u8]) -> Result<Parsed, String> {
    const LEAST: usize = 6;
    let &[first, second, ..] = unread else {
        return Ok(Parsed::Needs(LEAST));
    };
    if second & MASKED == 0 {
        return Err("a frame without a mask, which every client's has".to_owned());
    }
    let opcode = first & 0x0f;
    if first & FIN == 0 || opcode == 0 {
        return Err("a message in several frames, which this server does not read".to_owned());
    }
    let (len_bytes, short) = match second & !MASKED {
        126 => (2, None),
        127 => (8, None),
        len => (0, Some(usize::from(len))),
    };
    let Some(head) = unread.get(..2 + len_bytes + 4) else {
        return Ok(Parsed::Needs(2 + len_bytes + 4));
    };
    let (len, mask) = head[2..].split_at(len_bytes);
    let long = || {
        len.iter()
            .fold(0, |all, &byte| all << 8 | usize::from(byte))
    };
    let bytes = head.len() + short.unwrap_or_else(long);
    let Some(payload) = unread.get(head.len()..bytes) else {
        return Ok(Parsed::Needs(bytes));
    };
    let payload: Vec<u8> = payload
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    let mut piece = Piece {
        bytes,
        ..Piece::default()
    };
    match opcode {
        PING => piece.say = answer(PONG, &payload),
        PONG => {}
        CLOSE => {
            piece.say = answer(CLOSE, &payload);
            piece.closes = true;
        }
        _ => {
            piece.of_request = true;
            piece.serve = vec![Request {
                lane: 0,
                ends: false,
                is_end: false,
                replies: vec![answer(opcode, &payload)],
            }];
        }
    }
    Ok(Parsed::Piece(piece))
}

/// One frame of a server: not masked.
fn answer(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// A client's frame.
    fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = answer(opcode, &[]);
        frame[1] = MASKED;
        match payload.len() {
            len @ 0..126 => frame[1] |= len as u8,
            len => {
                frame[1] |= 126;
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        frame
    }

    #[test_case(5)]
    #[test_case(125)]
    #[test_case(126)]
    #[test_case(3000)]
    fn asks_for_no_byte_beyond_the_frame(len: usize) {
        let payload = vec![b'x'; len];
        let sent = masked(0x1, &payload);
        let mut have = 0;
        let piece = loop {
            match frame(&sent[..have]).unwrap() {
                Parsed::Needs(more) => {
                    assert!(
                        more > have && more <= sent.len(),
                        "{more} of {}",
                        sent.len()
                    );
                    have = more;
                }
                Parsed::Piece(piece) => break piece,
            }
        };
        assert_eq!(piece.bytes, sent.len());
        assert!(piece.of_request);
        assert_eq!(piece.serve[0].replies, [answer(0x1, &payload)]);
    }

    #[test]
    fn pings_and_closes_are_answered_and_are_no_requests() {
        let Parsed::Piece(ping) = frame(&masked(PING, b"7")).unwrap() else {
            panic!("a whole frame");
        };
        assert_eq!((ping.say, ping.of_request), (answer(PONG, b"7"), false));
        let Parsed::Piece(close) = frame(&masked(CLOSE, &[3, 232])).unwrap() else {
            panic!("a whole frame");
        };
        assert!(close.closes && close.serve.is_empty());
    }

    #[test]
    fn upgrades_as_the_rfc_has_it() {
        // The example of RFC 6455, section 1.3.
        let request = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let Parsed::Piece(piece) = Echo::default().parse(request).unwrap() else {
            panic!("a whole head");
        };
        let say = String::from_utf8(piece.say).unwrap();
        assert!(
            say.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{say}"
        );
    }
}
