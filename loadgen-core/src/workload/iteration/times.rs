//! What the time of an iteration is made of, and that of each of its steps.
//!
//! Owns the reckoning alone: it is told moments, reads no clock and reports nothing.

use std::cell::Cell;

use super::super::observer::{Receipt, Split};
use crate::clock::Nanos;

/// What is known so far of one iteration's time.
pub(super) struct Times {
    pub(super) due: Cell<Nanos>,
    pub(super) start: Cell<Nanos>,
    queue_wait: Cell<Nanos>,
    /// The step under way, and what came before it started.
    current: Cell<Option<(usize, Split)>>,
    /// When the step under way, or the iteration where it has no steps, started.
    current_start: Cell<Nanos>,
    /// Since when nothing but the generator keeps the next request from leaving.
    ready_since: Cell<Nanos>,
    /// The generator's part of the step under way so far.
    send_lag: Cell<Nanos>,
    /// The generator's part of the steps that are over, what came between them included.
    earlier_lag: Cell<Nanos>,
    /// When the last reply of the step under way was received.
    received: Cell<Option<Receipt>>,
    /// How much of the steps that are over may be read lag.
    earlier_maybe: Cell<Nanos>,
    /// The most that the end of a step may be too late.
    doubt: Cell<Nanos>,
    /// When the last step was over, and when that was seen.
    last_end: Cell<Option<(Nanos, Nanos)>>,
    /// That of the last step, and that of a reply after which there was a pause.
    read_lag: Cell<Option<Nanos>>,
    read_before_pause: Cell<Option<Nanos>>,
    /// Left out on purpose, of the whole iteration and of the step under way.
    paused: Cell<Nanos>,
    step_rested: Cell<Nanos>,
}

impl Times {
    pub(super) fn new(due: Nanos, start: Nanos, queue_wait: Nanos) -> Self {
        Self {
            due: Cell::new(due),
            start: Cell::new(start),
            queue_wait: Cell::new(queue_wait),
            current: Cell::new(None),
            current_start: Cell::new(start),
            ready_since: Cell::new(start),
            send_lag: Cell::new(0),
            earlier_lag: Cell::new(0),
            received: Cell::new(None),
            earlier_maybe: Cell::new(0),
            doubt: Cell::new(0),
            last_end: Cell::new(None),
            read_lag: Cell::new(None),
            read_before_pause: Cell::new(None),
            paused: Cell::new(0),
            step_rested: Cell::new(0),
        }
    }

    /// A step begins. The first is due when the iteration is; a later one when the last reply of the
    /// one before it was received, or when a pause between them ended.
    pub(super) fn begin_step(&self, step: usize) {
        let (start, before) = match self.last_end.get() {
            Some((due, seen)) => {
                let start_lag = seen.saturating_sub(due);
                let lag = self.earlier_lag.get().saturating_add(start_lag);
                self.earlier_lag.set(lag);
                let before = Split {
                    start_lag,
                    ..Split::default()
                };
                (seen, before)
            }
            None => (self.start.get(), self.before_start()),
        };
        self.current_start.set(start);
        self.send_lag.set(0);
        self.step_rested.set(0);
        self.read_lag.set(None);
        self.ready(start);
        self.current.set(Some((step, before)));
    }

    /// Only now is there a user who can start: an arrival has waited for one until here, as for one who is
    /// busy, and without one the iteration is due now. The first step is due now in either case.
    pub(super) fn begun(&self, now: Nanos, is_arrival: bool) {
        let waited = now.saturating_sub(self.start.replace(now));
        match is_arrival {
            true => self
                .queue_wait
                .set(self.queue_wait.get().saturating_add(waited)),
            false => self.due.set(self.due.get().saturating_add(waited)),
        }
        self.last_end.set(Some((now, now)));
        self.current_start.set(now);
        self.ready(now);
    }

    /// Something else was done until now, which rested for so long on purpose.
    pub(super) fn was_elsewhere(&self, now: Nanos, rested: Nanos) {
        self.paused.set(self.paused.get().saturating_add(rested));
        self.last_end.set(Some((now, now)));
        self.current_start.set(now);
        self.ready(now);
    }

    /// How long an arrival waited for a user who can start.
    pub(super) fn queue_wait(&self) -> Nanos {
        self.queue_wait.get()
    }

    /// The step under way, where a scenario has several.
    pub(super) fn under_way(&self) -> Option<usize> {
        self.current.get().map(|(step, _)| step)
    }

    /// Ends the step that is under way, if there is one. Says which, when it was due and when it was over,
    /// and what its time was made of.
    pub(super) fn end_step(&self, seen: Nanos) -> Option<(usize, Nanos, Nanos, Split)> {
        let (step, before) = self.current.take()?;
        let (end, read_lag) = self.end_seen_at(seen);
        let took = self.step_took(end);
        let send_lag = self.send_lag.get().min(took);
        let maybe_read_lag = self.maybe_read_lag(read_lag).min(took - send_lag);
        self.earlier_lag
            .set(self.earlier_lag.get().saturating_add(send_lag));
        self.send_lag.set(0);
        self.earlier_maybe
            .set(self.earlier_maybe.get().saturating_add(maybe_read_lag));
        self.read_lag.set(read_lag);
        self.last_end.set(Some((end, seen)));
        let start = self.current_start.get();
        let due = start.saturating_sub(before.queue_wait + before.start_lag);
        let split = Split {
            send_lag,
            service_time: took - send_lag,
            read_lag,
            maybe_read_lag,
            ..before
        };
        Some((step, due, end, split))
    }

    /// The step that was under way when the iteration was given up, and what the time is made of that
    /// it has waited until then.
    pub(super) fn given_up(&self, now: Nanos) -> Option<(usize, Split)> {
        let (step, before) = self.current.take()?;
        let took = self.step_took(now);
        let send_lag = self.send_lag.get().min(took);
        let split = Split {
            send_lag,
            service_time: took - send_lag,
            ..before
        };
        Some((step, split))
    }

    /// What the time is made of so far of the step under way, or of the iteration where it has no steps.
    pub(super) fn so_far(&self, now: Nanos) -> Split {
        let (end, read_lag) = self.end_seen_at(now);
        let took = self.step_took(end);
        let send_lag = self.send_lag.get().min(took);
        let before = self.current.get().map(|(_, before)| before);
        Split {
            send_lag,
            service_time: took - send_lag,
            read_lag,
            ..before.unwrap_or_else(|| self.before_start())
        }
    }

    /// What the whole iteration's time is made of, seen to be over at `seen`, and when it was over for
    /// the service. One that was cut off had no reply.
    pub(super) fn split(&self, seen: Nanos, was_cut: bool) -> (Split, Nanos) {
        let (end, read_lag) = match (self.received.get(), self.read_lag.get()) {
            _ if was_cut => (seen, None),
            // The last step has said how long its reply was there.
            (None, Some(lag)) => (seen.saturating_sub(lag), Some(lag)),
            _ => self.end_seen_at(seen),
        };
        let read_lag = read_lag.or(self.read_before_pause.get());
        let took = end.saturating_sub(self.start.get());
        let took = took.saturating_sub(self.paused.get());
        let lag = self.earlier_lag.get().saturating_add(self.send_lag.get());
        let send_lag = lag.min(took);
        let maybe = self.maybe_read_lag(read_lag);
        let maybe = maybe.saturating_add(self.earlier_maybe.get());
        let split = Split {
            send_lag,
            service_time: took - send_lag,
            read_lag,
            maybe_read_lag: maybe.min(took - send_lag),
            doubt: self.doubt.get(),
            ..self.before_start()
        };
        (split, end)
    }

    /// What came between due and start of the iteration.
    fn before_start(&self) -> Split {
        let waited = self.start.get().saturating_sub(self.due.get());
        let queue_wait = self.queue_wait.get();
        Split {
            queue_wait: queue_wait.min(waited),
            start_lag: waited.saturating_sub(queue_wait),
            ..Split::default()
        }
    }

    /// How long the step under way has taken at `end`, without rests.
    fn step_took(&self, end: Nanos) -> Nanos {
        end.saturating_sub(self.current_start.get())
            .saturating_sub(self.step_rested.get())
    }

    /// When what is under way was over for the service, seen at `seen`: when the last reply was
    /// received, where that is known and can be.
    fn end_seen_at(&self, seen: Nanos) -> (Nanos, Option<Nanos>) {
        let possible = self.current_start.get()..=seen;
        let received = self.received.get().map(|received| received.at);
        match received.filter(|at| possible.contains(at)) {
            Some(at) => (at, Some(seen - at)),
            None => (seen, None),
        }
    }

    /// How much of what was over with the last receipt may have been read lag, beside what surely was.
    /// What kept us from reading may have done so for as long before the last byte of the read as
    /// after it. The receipt is used up.
    fn maybe_read_lag(&self, read_lag: Option<Nanos>) -> Nanos {
        let (Some(received), Some(read_lag)) = (self.received.take(), read_lag) else {
            return 0;
        };
        // It answers what was sent before.
        let sent = self.current_start.get().saturating_add(self.send_lag.get());
        let doubt = received.doubt().min(received.at.saturating_sub(sent));
        self.doubt.set(self.doubt.get().max(doubt));
        doubt.min(read_lag)
    }

    #[inline]
    pub(super) fn ready_since(&self) -> Nanos {
        self.ready_since.get()
    }

    #[inline]
    pub(super) fn ready(&self, at: Nanos) {
        self.ready_since.set(at);
        self.received.set(None);
    }

    #[inline]
    pub(super) fn sent(&self, at: Nanos) {
        self.lagged(at.saturating_sub(self.ready_since.replace(at)));
    }

    #[inline]
    pub(super) fn lagged(&self, lag: Nanos) {
        self.send_lag.set(self.send_lag.get().saturating_add(lag));
    }

    /// The last reply of the step under way so far.
    #[inline]
    pub(super) fn received(&self, receipt: Option<Receipt>) {
        self.received.set(receipt);
    }

    /// Part of the step under way was a rest on purpose.
    pub(super) fn rested(&self, rest: Nanos) {
        self.paused.set(self.paused.get().saturating_add(rest));
        self.step_rested
            .set(self.step_rested.get().saturating_add(rest));
    }

    /// A pause begins at `from`. Returns since when nothing was asked for: since the last reply was
    /// received.
    pub(super) fn begin_pause(&self, from: Nanos) -> Nanos {
        let idle_since = match (self.received.get(), self.last_end.get()) {
            (Some(Receipt { at: received, .. }), _) if received <= from => {
                let read_lag = Some(from - received);
                self.read_before_pause.set(read_lag);
                let maybe = self.maybe_read_lag(read_lag);
                self.earlier_maybe
                    .set(self.earlier_maybe.get().saturating_add(maybe));
                received
            }
            (None, Some((end, _))) => {
                // What was read before an earlier pause stays, where nothing was read since.
                let read_lag = self.read_lag.get().or(self.read_before_pause.get());
                self.read_before_pause.set(read_lag);
                end
            }
            _ => from,
        };
        self.read_lag.set(None);
        idle_since
    }

    /// The pause is over.
    pub(super) fn end_pause(&self, idle_since: Nanos, end: Nanos) {
        let paused = end.saturating_sub(idle_since);
        self.paused.set(self.paused.get().saturating_add(paused));
        self.last_end.set(Some((end, end)));
        self.current_start.set(end);
        self.ready(end);
    }

    /// How long was left out on purpose so far.
    pub(super) fn paused(&self) -> Nanos {
        self.paused.get()
    }
}
