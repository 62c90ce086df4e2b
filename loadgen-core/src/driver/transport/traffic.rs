//! What went over one connection, and when.
//!
//! Owns what is known of the moments: which of a read's bytes the kernel's stamp is true for, and how
//! far it may be off for the others. Moves nothing itself.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;

use crate::clock::{Nanos, StampClock};
use crate::workload::{ConnectionId, Observer, Receipt, TargetIndex};

/// How many of the first received bytes are kept to tell what the other side is.
const FIRST_BYTES: usize = 16;

/// What went over one connection since it was last asked, when, and whether more of it can.
#[derive(Debug)]
pub(crate) struct Traffic {
    stamps: Rc<StampClock>,
    /// The address of a target's that it goes to, where it has one.
    to: RefCell<Option<String>>,
    /// Until which change of a list it is known that the address is on it.
    listed_until: Cell<Option<u64>>,
    sent: Cell<u64>,
    bytes_received: Cell<u64>,
    /// Of those, what `take` told of.
    told: Cell<u64>,
    /// How often something came.
    reads: Cell<u64>,
    first: Cell<[u8; FIRST_BYTES]>,
    first_len: Cell<usize>,
    sent_at: Cell<Nanos>,
    /// Which address of ours it comes from.
    source: Cell<Option<IpAddr>>,
    /// How long the TLS handshake took, where there was one.
    tls_time: Cell<Option<Nanos>>,
    /// What time it is, where whoever writes has just looked.
    now: Cell<Option<Nanos>>,
    /// Since when a write waits for room.
    stuck_since: Cell<Option<Nanos>>,
    /// The last byte of the last read.
    received: Cell<Option<Receipt>>,
    /// Whether that was all there was.
    is_all: Cell<bool>,
    /// Whether more of it is held by what decrypts it.
    holds_more: Cell<bool>,
    /// What comes next has not come before.
    not_before: Cell<Nanos>,
    /// Whether the last read found nothing, so that whatever comes wakes the thread.
    is_awaited: Cell<bool>,
}

impl Traffic {
    /// That of a connection whose moments are on this clock.
    pub(crate) fn new(stamps: &Rc<StampClock>) -> Self {
        Self {
            stamps: Rc::clone(stamps),
            to: RefCell::new(None),
            listed_until: Cell::new(None),
            sent: Cell::new(0),
            bytes_received: Cell::new(0),
            told: Cell::new(0),
            reads: Cell::new(0),
            first: Cell::default(),
            first_len: Cell::new(0),
            sent_at: Cell::new(0),
            source: Cell::new(None),
            tls_time: Cell::new(None),
            now: Cell::new(None),
            stuck_since: Cell::new(None),
            received: Cell::new(None),
            is_all: Cell::new(true),
            holds_more: Cell::new(false),
            not_before: Cell::new(0),
            is_awaited: Cell::new(false),
        }
    }

    /// The clock that its moments are on.
    #[inline]
    pub(super) fn stamps(&self) -> &StampClock {
        &self.stamps
    }

    /// Says which address of ours it comes from.
    pub(super) fn comes_from(&self, source: Option<IpAddr>) {
        self.source.set(source);
    }

    /// Which address of ours it comes from, where it has one.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.source.get()
    }

    /// The connection is one to this address.
    pub(super) fn goes_to(&self, address: String) {
        self.to.replace(Some(address));
    }

    /// Whether the address that it goes to is there still, where it has one, as `is_there` says; which is asked
    /// once for each change of a list.
    #[inline]
    pub(super) fn is_to_any(&self, changes: u64, is_there: impl Fn(&str) -> bool) -> bool {
        if self.listed_until.get() == Some(changes) {
            return true;
        }
        let is_to_any = self.to.borrow().as_deref().is_none_or(is_there);
        self.listed_until.set(is_to_any.then_some(changes));
        is_to_any
    }

    /// A number for the connection, which is one to this target.
    pub(crate) fn connection_id(
        &self,
        target: TargetIndex,
        observer: &dyn Observer,
    ) -> ConnectionId {
        let to = self.to.borrow();
        let address = to.as_deref().and_then(|to| observer.connected(target, to));
        ConnectionId::to(address).from_source(self.source.get())
    }

    /// How long the TLS handshake took; `None` where the connection is not encrypted.
    pub(crate) fn tls_time(&self) -> Option<Nanos> {
        self.tls_time.get()
    }

    /// The TLS handshake that began at `from` has succeeded.
    pub(super) fn is_encrypted_since(&self, from: Nanos) {
        let took = self.stamps.clock().now().saturating_sub(from);
        self.tls_time.set(Some(took));
    }

    /// The moment of the next write, where whoever writes has looked at the clock already.
    #[inline]
    pub(super) fn write_at(&self) -> Nanos {
        let at = self.now.take();
        at.unwrap_or_else(|| self.stamps.clock().now())
    }

    /// Bytes sent and received since the last call.
    #[inline]
    pub(crate) fn take(&self) -> (u64, u64) {
        let received = self.bytes_received.get();
        (self.sent.take(), received - self.told.replace(received))
    }

    /// How often something came, ever.
    #[inline]
    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Whether the last write found no room: something waits to be sent until the other side
    /// reads.
    #[inline]
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck_since.get().is_some()
    }

    /// The next write is at `now`, where whoever writes has just looked: saves a look at the clock.
    #[inline]
    pub(crate) fn writes_at(&self, now: Option<Nanos>) {
        self.now.set(now);
    }

    /// Just before the last write in which the kernel took anything. Where the kernel had no room
    /// first, that is when it was first asked: waiting for the other side to read is no delay of
    /// ours.
    #[inline]
    pub(crate) fn sent_at(&self) -> Nanos {
        self.sent_at.get()
    }

    /// When the kernel received the end of the last read. `None` where the system does not tell, or
    /// its clock was set meanwhile.
    #[inline]
    pub(crate) fn received(&self) -> Option<Receipt> {
        let receipt = self.received_earlier()?;
        // Of what lies unread the kernel keeps one stamp, the last one's.
        Some(match self.is_all.get() && !self.holds_more.get() {
            true => Receipt::at(receipt.at),
            false => receipt,
        })
    }

    /// When the kernel received what came before the end of the last read: at its stamp, or at any
    /// time since the stamp before, and since the thread had slept, where it would have been woken.
    #[inline]
    pub(crate) fn received_earlier(&self) -> Option<Receipt> {
        self.received.get()
    }

    /// Whether what decrypts the bytes holds more of the last read than it has given away.
    #[inline]
    pub(super) fn holds_more(&self, more: bool) {
        self.holds_more.set(more);
    }

    /// A read found nothing. Whoever reads is woken by what comes.
    #[inline]
    pub(crate) fn found_nothing(&self) {
        self.is_awaited.set(true);
    }

    /// A read brought what was received at `at`, and `is_all` there was.
    #[inline]
    pub(crate) fn came(&self, at: Option<Nanos>, is_all: bool) {
        let before = self.received.get().map(|last| last.at);
        // What is read in pieces has one stamp all the same.
        if let Some(before) = before.filter(|&before| Some(before) != at) {
            self.rules_out(before);
        }
        // Where nobody waited for it, it may have lain there while the thread slept.
        if self.is_awaited.take()
            && let Some(at) = at
        {
            self.rules_out(self.stamps.busy_since(at));
        }
        self.is_all.set(is_all);
        self.received.set(at.map(|at| Receipt {
            since: self.not_before.get().min(at),
            at,
        }));
    }

    /// Nothing that is read from now on came before that moment.
    #[inline]
    fn rules_out(&self, before: Nanos) {
        self.not_before.set(self.not_before.get().max(before));
    }

    /// The first bytes that ever came.
    pub(crate) fn first_bytes(&self) -> Vec<u8> {
        self.first.get()[..self.first_len.get()].to_vec()
    }

    #[inline]
    pub(super) fn note_received(&self, bytes: &[u8]) {
        let received = self.bytes_received.get() + bytes.len() as u64;
        self.bytes_received.set(received);
        self.reads.set(self.reads.get() + 1);
        let have = self.first_len.get();
        if have < FIRST_BYTES && !bytes.is_empty() {
            let more = bytes.len().min(FIRST_BYTES - have);
            let mut first = self.first.get();
            first[have..have + more].copy_from_slice(&bytes[..more]);
            self.first.set(first);
            self.first_len.set(have + more);
        }
    }

    /// A write that began at `at` came to this.
    #[inline]
    pub(super) fn note_write(&self, at: Nanos, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Pending => {
                let since = self.stuck_since.get().unwrap_or(at);
                self.stuck_since.set(Some(since));
            }
            Poll::Ready(Ok(written)) => {
                self.sent_at.set(self.stuck_since.take().unwrap_or(at));
                self.sent.set(self.sent.get() + *written as u64);
            }
            Poll::Ready(Err(_)) => self.stuck_since.set(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, Sleep};

    fn traffic() -> Traffic {
        Traffic::new(&Rc::new(StampClock::new(Clock::start())))
    }

    #[test]
    fn keeps_the_first_bytes_over_several_reads() {
        let traffic = traffic();
        traffic.note_received(b"HTTP");
        traffic.note_received(b"/1.1 400 Bad Request");
        assert_eq!(traffic.first_bytes(), b"HTTP/1.1 400 Bad");
        assert_eq!(traffic.take(), (0, 24));
        assert_eq!(traffic.take(), (0, 0));
    }

    #[test]
    fn a_write_that_had_to_wait_counts_from_when_it_was_tried() {
        let traffic = traffic();
        traffic.note_write(5, &Poll::Ready(Ok(10)));
        assert_eq!(traffic.sent_at(), 5);
        traffic.note_write(7, &Poll::Pending);
        traffic.note_write(9, &Poll::Pending);
        assert_eq!(traffic.sent_at(), 5);
        traffic.note_write(20, &Poll::Ready(Ok(3)));
        assert_eq!(traffic.sent_at(), 7);
        traffic.note_write(21, &Poll::Ready(Ok(3)));
        assert_eq!(traffic.sent_at(), 21);
    }

    /// Once what lay unread while the thread slept was taken to have come after it was woken.
    #[test]
    fn only_what_is_waited_for_wakes_the_thread() {
        let sleep = Arc::new(Sleep::default());
        let stamps = Rc::new(StampClock::on_thread(Clock::start(), &sleep));
        let traffic = Traffic::new(&stamps);
        let came = |at| {
            traffic.came(Some(at), true);
            traffic.received_earlier().map(|receipt| receipt.since)
        };
        let slept = |began, ended| {
            sleep.begins(began);
            sleep.ends(ended, false);
        };
        traffic.found_nothing();
        slept(1_000_000, 9_000_000);
        assert_eq!(came(8_950_000), Some(8_900_000));
        slept(9_100_000, 20_000_000);
        assert_eq!(came(20_000_000), Some(8_950_000), "nobody read");
        traffic.found_nothing();
        slept(20_100_000, 30_000_000);
        assert_eq!(came(30_000_000), Some(29_900_000));
        assert_eq!(came(30_000_000), Some(29_900_000), "the rest of it");
    }
}
