//! A whole answer out of bytes that come in any pieces: what tests and a fuzzer compare.

use http::{HeaderMap, StatusCode};

use super::{Asked, Body, Inbox, Part, Wrong};

/// What was read of some bytes, after which the connection ended.
#[derive(Debug, Default, PartialEq)]
pub(in crate::driver::http) struct Whole {
    /// Once there was a head.
    pub(in crate::driver::http) head: Option<(StatusCode, HeaderMap)>,
    pub(in crate::driver::http) is_kept: bool,
    pub(in crate::driver::http) identity: Option<Vec<u8>>,
    pub(in crate::driver::http) body: Vec<u8>,
    pub(in crate::driver::http) trailers: Option<HeaderMap>,
    /// Whether all of the answer was there.
    pub(in crate::driver::http) is_complete: bool,
    /// What was wrong with it.
    pub(in crate::driver::http) wrong: Option<Wrong>,
    /// What came behind it.
    pub(in crate::driver::http) left: Vec<u8>,
}

/// Reads an answer from bytes that come in pieces of these lengths, in turns, and of any length where there
/// are none.
pub(in crate::driver::http) fn read(bytes: &[u8], pieces: &[usize], asked: Asked<'_>) -> Whole {
    let mut whole = Whole::default();
    let mut coming = Coming {
        inbox: Inbox::new(),
        bytes,
        pieces: pieces.to_vec(),
        turn: 0,
    };
    match all(&mut coming, asked, &mut whole) {
        Ok(is_complete) => whole.is_complete = is_complete,
        Err(wrong) => whole.wrong = Some(wrong),
    }
    if whole.is_complete {
        while coming.comes() {
            let mut rest = Body::new(super::Extent::UntilTheEnd).expect("it is read");
            while let Ok(Some(_)) = coming.inbox.part(&mut rest) {
                whole.left.extend_from_slice(coming.inbox.data());
            }
        }
    }
    whole
}

struct Coming<'a> {
    inbox: Inbox,
    bytes: &'a [u8],
    pieces: Vec<usize>,
    turn: usize,
}

impl Coming<'_> {
    /// The next piece comes. Whether there was one, or there is what was not read.
    fn comes(&mut self) -> bool {
        let piece = match self.pieces.is_empty() {
            true => usize::MAX,
            false => self.pieces[self.turn % self.pieces.len()].max(1),
        };
        self.turn += 1;
        if self.bytes.is_empty() {
            return !self.inbox.is_empty();
        }
        let room = self.inbox.room();
        let piece = piece.min(room.len()).min(self.bytes.len());
        assert!(piece > 0, "there is always room");
        let (now, later) = self.bytes.split_at(piece);
        room[..piece].copy_from_slice(now);
        self.inbox.came(piece);
        self.bytes = later;
        true
    }
}

/// Whether all of the answer was there.
fn all(coming: &mut Coming<'_>, asked: Asked<'_>, whole: &mut Whole) -> Result<bool, Wrong> {
    let head = loop {
        if let Some(head) = coming.inbox.head(asked)? {
            if head.is_on_the_way() {
                continue;
            }
            break head;
        }
        if coming.bytes.is_empty() {
            coming.inbox.ended(asked)?;
            return Ok(false);
        }
        coming.comes();
    };
    whole.identity = coming.inbox.identity(&head).map(<[u8]>::to_vec);
    whole.head = Some((head.status, head.fields));
    whole.is_kept = head.is_kept;
    let mut body = Body::new(head.extent)?;
    loop {
        match coming.inbox.part(&mut body)? {
            Some(Part::Data) => whole.body.extend_from_slice(coming.inbox.data()),
            Some(Part::Trailers(trailers)) => whole.trailers = Some(trailers),
            None if body.is_over() => return Ok(true),
            None if coming.bytes.is_empty() => return Ok(body.ends_with_connection()),
            None => {
                coming.comes();
            }
        }
    }
}
