//! The streams of a connection (RFC 9113, section 5).
//!
//! Owns what is known of each, and where it is found: its number says, modulo the places there are. A stream
//! that lasts keeps its place, and the number that would have had it next is left out. The room for data is
//! nobody's own: streams have it as long as they have data.

use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use http::Request;

use super::blocks::Block;
use super::fault::Fault;
use super::frame::PROTOCOL_ERROR;
use crate::clock::Nanos;
use crate::workload::Receipt;

/// What has come of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Came {
    /// Its head is to come.
    #[default]
    Nothing,
    /// Its head; data and trailers may follow.
    Head,
    /// All of it.
    All,
}

/// When a request left and its answer came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moments {
    /// In which turn its head left, and when.
    pub(super) began: Option<(u64, Nanos)>,
    /// When the kernel took its last byte. Where it held the request back over a turn, when it took the head.
    pub(crate) sent_at: Option<Nanos>,
    /// When the kernel received the answer's last byte.
    pub(crate) received: Option<Receipt>,
}

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// 0 where there is none.
    pub(super) id: u32,
    /// A head that waits until the server allows one more stream.
    pub(super) waiting: Option<Box<Request<()>>>,
    /// Where in all that is ever written its head ends; 0 as long as it was not sent.
    pub(super) head_end: u64,
    /// What of the message has not been sent; `None` where nobody has handed it over, or all of it was.
    pub(super) unsent: Option<Bytes>,
    /// Whether it stands in line for the connection's window.
    pub(super) is_held: bool,
    /// Whether nothing more is sent: it was, or the stream has failed.
    pub(super) is_sent: bool,
    /// How much the server takes.
    pub(super) window: i64,
    pub(super) came: Came,
    pub(super) fault: Option<Fault>,
    pub(super) head: Option<Rc<Block>>,
    /// Data that nobody has read.
    pub(super) data: Vec<u8>,
    pub(super) trailers: Option<Rc<Block>>,
    /// How much the server may still send.
    pub(super) room: i64,
    /// How much was read that it was not told of.
    pub(super) untold: u32,
    /// How much data there is to come, where the head says so.
    pub(super) content_left: Option<u64>,
    pub(super) waker: Option<Waker>,
    pub(super) moments: Moments,
}

impl Stream {
    /// Whether both sides are done with it.
    pub(super) fn is_over(&self) -> bool {
        self.fault.is_some() || (self.is_sent && self.came == Came::All)
    }

    /// Whether it can fail: not once all of the answer is here.
    pub(super) fn fails(&mut self, fault: Fault) {
        if self.fault.is_some() {
            return;
        }
        self.is_sent = true;
        self.unsent = None;
        self.waiting = None;
        if self.came == Came::All {
            return;
        }
        self.fault = Some(fault);
        self.wake();
    }

    /// Whether there is something that may be sent, and that does not stand in line for it.
    pub(super) fn can_go_on(&self) -> bool {
        self.unsent.is_some() && self.head_end > 0 && self.window > 0 && !self.is_held
    }

    #[inline]
    pub(super) fn wake(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Has this one woken by what comes.
    #[inline]
    pub(super) fn wakes(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

/// A connection keeps so much room for data that nobody has. There may be tens of thousands of them.
const MOST_SPARE_BYTES: usize = 16 << 10;

/// The room for data that no stream has.
#[derive(Debug, Default)]
pub(super) struct Spare {
    rooms: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    /// Room that is empty, and of any size.
    #[inline]
    pub(super) fn take(&mut self) -> Vec<u8> {
        let room = self.rooms.pop().unwrap_or_default();
        self.bytes -= room.capacity();
        room
    }

    #[inline]
    pub(super) fn give(&mut self, mut room: Vec<u8>) {
        if room.capacity() > 0 && self.bytes + room.capacity() <= MOST_SPARE_BYTES {
            room.clear();
            self.bytes += room.capacity();
            self.rooms.push(room);
        }
    }

    /// How many bytes there is room for.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Half of them are used at the most: enough for one stream.
const FEWEST_PLACES: usize = 2;

/// A connection's streams.
#[derive(Debug)]
pub(super) struct Streams {
    /// A power of two of them.
    places: Vec<Stream>,
    /// How many there are.
    len: usize,
    /// The number of the next one.
    next_id: u32,
    last_id: u32,
}

impl Streams {
    /// None, of which the last one may have this number.
    pub(super) fn up_to(last_id: u32) -> Self {
        Self {
            places: Vec::new(),
            len: 0,
            next_id: 1,
            last_id,
        }
    }

    #[inline]
    fn place(&self, id: u32) -> usize {
        // With no places there is none to be found, whatever the number.
        (id >> 1) as usize & self.places.len().wrapping_sub(1)
    }

    /// How many there are, those included that are over and that somebody holds.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there can be no more.
    pub(super) fn are_used_up(&self) -> bool {
        self.next_id > self.last_id
    }

    /// Whether there was one with this number.
    fn was(&self, id: u32) -> bool {
        id % 2 == 1 && id < self.next_id
    }

    #[inline]
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id);
        self.places
            .get_mut(place)
            .filter(|it| it.id == id && id != 0)
    }

    /// The one that a frame is on; `None` where it is gone, and none of our business any more. A frame on one that
    /// the server cannot know of ends the connection (section 5.1, "idle").
    #[inline]
    pub(super) fn known(&mut self, id: u32) -> Result<Option<&mut Stream>, Fault> {
        let was = self.was(id);
        match self.get(id) {
            Some(stream) if stream.head_end > 0 => Ok(Some(stream)),
            None if was => Ok(None),
            _ => Err(Fault::of_connection(PROTOCOL_ERROR)),
        }
    }

    /// Begins the next one.
    #[inline]
    pub(super) fn begin(&mut self) -> Option<&mut Stream> {
        if self.len * 2 >= self.places.len() {
            self.grow();
        }
        let mut id = self.next_id;
        while self.places[self.place(id)].id != 0 {
            id += 2;
        }
        if id > self.last_id {
            self.next_id = id;
            return None;
        }
        self.next_id = id + 2;
        self.len += 1;
        let place = self.place(id);
        let stream = &mut self.places[place];
        stream.id = id;
        Some(stream)
    }

    /// Two whose places are different are in different places of more, too.
    #[cold]
    fn grow(&mut self) {
        let len = (self.places.len() * 2).max(FEWEST_PLACES);
        let mut places = Vec::new();
        places.resize_with(len, Stream::default);
        let before = std::mem::replace(&mut self.places, places);
        for stream in before {
            if stream.id != 0 {
                let place = self.place(stream.id);
                self.places[place] = stream;
            }
        }
    }

    /// Forgets one. Whom it wakes stays for the next.
    #[inline]
    pub(super) fn forget(&mut self, id: u32) {
        let Some(stream) = self.get(id) else { return };
        *stream = Stream {
            waker: stream.waker.take(),
            ..Stream::default()
        };
        self.len -= 1;
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|it| it.id != 0)
    }
}
