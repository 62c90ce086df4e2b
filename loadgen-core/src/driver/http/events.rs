//! Server-sent events as they come, cut out of a body in any pieces.
//!
//! Owns the form of <https://html.spec.whatwg.org/multipage/server-sent-events.html>. Knows no time.

/// Finds events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// Whether the last line ended with a CR, whose LF may follow.
    after_cr: bool,
    is_begun: bool,
}

/// An event, or comments between them, with more than so many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes a piece. `event` is told the data of each event that ends in it; it says whether to go on.
    ///
    /// # Errors
    /// [`TooLong`] where an event has more bytes than `most`.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        most: usize,
        mut event: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), TooLong> {
        for &byte in piece {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                continue;
            }
            if byte != b'\n' && byte != b'\r' {
                if self.line.len() + self.data.len() >= most {
                    return Err(TooLong);
                }
                self.line.push(byte);
                continue;
            }
            self.after_cr = byte == b'\r';
            if self.end_of_line() {
                let go_on = event(&self.data);
                self.data.clear();
                self.has_data = false;
                if !go_on {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A line is whole. Whether it ends an event.
    fn end_of_line(&mut self) -> bool {
        let mut line = self.line.as_slice();
        if !std::mem::replace(&mut self.is_begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let is_end = line.is_empty() && self.has_data;
        if let Some(value) = field(line, b"data") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value);
        }
        self.line.clear();
        is_end
    }
}

/// The value of a line that is this field's.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn data_of(pieces: &[&[u8]]) -> Vec<String> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            let kept = events.push(piece, 1_000, |data| {
                found.push(String::from_utf8_lossy(data).into_owned());
                true
            });
            kept.expect("short");
        }
        found
    }

    #[test_case("data: a\n\ndata: b\n\n" => vec!["a", "b"])]
    #[test_case("data:a\r\n\r\ndata:b\r\rdata: c" => vec!["a", "b"]; "line ends, and one that is not over")]
    #[test_case(": hello\nid: 7\nevent: x\ndata: a\ndata: b\n\n" => vec!["a\nb"]; "several lines")]
    #[test_case("\u{feff}data\n\n" => vec![""]; "nothing in it")]
    #[test_case("id: 1\n\n: x\n\n" => Vec::<String>::new(); "none without data")]
    #[test_case("data:  a\ndatabase: b\n\n" => vec![" a"]; "one blank belongs to the colon")]
    fn finds(text: &str) -> Vec<String> {
        data_of(&[text.as_bytes()])
    }

    #[test]
    fn one_that_does_not_end_is_refused() {
        let mut events = Events::default();
        assert_eq!(events.push(&[b'x'; 20], 10, |_| true), Err(TooLong));
    }

    proptest! {
        /// However a body comes in pieces, its events are the same.
        #[test]
        fn any_pieces_give_the_same_events(text in "(data: [ab]{0,3}|\n|\r|\r\n|:|id: 1){0,20}", at in 0_usize..60) {
            let at = at.min(text.len());
            let (one, two) = text.as_bytes().split_at(at);
            prop_assert_eq!(data_of(&[one, two]), data_of(&[text.as_bytes()]));
        }
    }
}
