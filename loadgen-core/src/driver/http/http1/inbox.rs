//! What came on a connection and was not taken yet.

use std::ops::Range;

use http::HeaderMap;

use super::body::{Body, Piece};
use super::head::{self, Asked, Head};
use super::{MOST_HEAD, Wrong};

/// What there is room for at first. Most answers to small requests fit, and each user has a connection.
const ROOM: usize = 4 * 1024;
/// As much as one read brings: more room would bring no more.
const MOST_ROOM_FOR_BODIES: usize = 16 * 1024;
/// A head is looked at with each piece of it that comes up to here, so that what is none is refused at once.
/// From here on only when a line has ended: else one that comes byte by byte would be read as often.
const EAGER: usize = 256;

/// What came and was not taken yet. Its memory is asked for once, and again only for what is longer than
/// anything before.
#[derive(Debug)]
pub(in crate::driver::http) struct Inbox {
    room: Vec<u8>,
    /// What is not taken yet.
    unread: Range<usize>,
    /// What of the body was taken last.
    data: Range<usize>,
    /// How much of the unread is a head that was looked at and is not all there.
    looked_at: usize,
}

/// A part of an answer's body.
#[derive(Debug, PartialEq)]
pub(in crate::driver::http) enum Part {
    /// Bytes, which whoever read them has.
    Data,
    /// The fields behind it.
    Trailers(HeaderMap),
}

impl Inbox {
    pub(in crate::driver::http) fn new() -> Self {
        Self {
            room: vec![0; ROOM],
            unread: 0..0,
            data: 0..0,
            looked_at: 0,
        }
    }

    /// Whether everything that came was taken.
    #[inline]
    pub(in crate::driver::http) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Room for what comes next, which is there always. What was handed out before is gone.
    #[inline]
    pub(in crate::driver::http) fn room(&mut self) -> &mut [u8] {
        self.data = 0..0;
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.room.len() {
            self.make_room();
        }
        &mut self.room[self.unread.end..]
    }

    #[cold]
    fn make_room(&mut self) {
        self.room.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.room.len() {
            // Only a head is not taken as it comes, and one that is longer than may be is refused.
            debug_assert!(self.room.len() < MOST_HEAD, "no head");
            self.room.resize(self.room.len() * 2, 0);
        }
    }

    /// So many bytes came into the room.
    #[inline]
    pub(in crate::driver::http) fn came(&mut self, bytes: usize) {
        self.unread.end += bytes;
        if self.unread.end == self.room.len() && self.room.len() < MOST_ROOM_FOR_BODIES {
            // There is more where this came from.
            self.room.resize(self.room.len() * 2, 0);
        }
    }

    /// The next head, once all of it is there: an answer's, or one before it that says that one is on its way.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub(in crate::driver::http) fn head(
        &mut self,
        asked: Asked<'_>,
    ) -> Result<Option<Head>, Wrong> {
        let unread = &self.room[self.unread.clone()];
        let is_worth_a_look = !unread.is_empty()
            && (self.looked_at < EAGER
                || unread.len() >= MOST_HEAD
                || unread[self.looked_at..].contains(&b'\n'));
        if !is_worth_a_look {
            return Ok(None);
        }
        let Some(mut head) = head::read(unread, asked)? else {
            self.looked_at = unread.len();
            return Ok(None);
        };
        self.looked_at = 0;
        let start = self.unread.start;
        self.unread.start += head.len;
        if let Some(identity) = &mut head.identity {
            *identity = identity.start + start..identity.end + start;
        }
        Ok(Some(head))
    }

    /// With which name the server of this head has signed, until more comes.
    #[inline]
    pub(in crate::driver::http) fn identity(&self, head: &Head) -> Option<&[u8]> {
        self.room.get(head.identity.clone()?)
    }

    /// The next part of this body. None where more has to come, and at its end.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub(in crate::driver::http) fn part(&mut self, body: &mut Body) -> Result<Option<Part>, Wrong> {
        let Piece {
            skipped,
            data,
            trailers,
        } = body.next(&self.room[self.unread.clone()])?;
        let start = self.unread.start + skipped;
        self.data = start..start + data;
        self.unread.start = self.data.end;
        Ok(match trailers {
            Some(trailers) => Some(Part::Trailers(trailers)),
            None => (data > 0).then_some(Part::Data),
        })
    }

    /// The bytes of the last part, until there is another or more comes.
    #[inline]
    pub(in crate::driver::http) fn data(&self) -> &[u8] {
        &self.room[self.data.clone()]
    }

    /// Nothing more comes, and a head is not all there: what is wrong with what there is, if that is known.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::driver::http) fn ended(&self, asked: Asked<'_>) -> Result<(), Wrong> {
        let unread = &self.room[self.unread.clone()];
        match unread.is_empty() {
            true => Ok(()),
            false => head::read(unread, asked).map(drop),
        }
    }
}
