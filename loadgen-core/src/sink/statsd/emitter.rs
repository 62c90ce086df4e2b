//! Counters and gauges on their way out: what is new is sent, and what was not taken is sent again.
//!
//! Owns how far each counter is on the other side. Knows no run.

use std::collections::BTreeMap;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cadence::{Counter, Gauge, Metric};

use super::tags::Tags;
use super::wire::{Lines, Sent, Series, Wire};

/// Datagrams that are sent at once. A socket's buffer holds some ninety unless told otherwise, and
/// StatsD reads one at a time: with more, it would lose the rest without a word.
const BURST: usize = 32;

/// So many pauses a refusal may take to come: a tenth of a second.
const LONGEST_ANSWER_PAUSES: u32 = 50;

#[expect(
    clippy::disallowed_methods,
    reason = "whoever flushes makes no load, and one burst a second is the rule"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

/// Sends counters and gauges to a StatsD server, packed into full datagrams. It waits for
/// nobody: what the system does not take is part of the next [`flush`](Self::flush).
///
/// ```no_run
/// use loadgen_core::sink::statsd::{Emitter, Tags};
///
/// # fn main() -> std::io::Result<()> {
/// let mut emitter = Emitter::connect("127.0.0.1:8125")?;
/// let tags = Tags::default();
/// // Once a second or so: how far each counter is, and how each gauge stands.
/// emitter.count("shop.orders", &tags, 17);
/// emitter.gauge("shop.carts", &tags, 4.0);
/// emitter.flush();
/// // At the end, where they stand then.
/// emitter.count("shop.orders", &tags, 19);
/// emitter.finish();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Emitter {
    wire: Wire,
    counters: BTreeMap<Series, Count>,
    /// Those of this flush; `None` were shown in an earlier one.
    gauges: BTreeMap<Series, Option<f64>>,
    /// Counts that the kernel took in the flush before, in case it hears of a refusal only now.
    in_doubt: Vec<(Series, u64)>,
    unsent: Unsent,
}

/// A counter: how far it is, and how much of that has been sent.
#[derive(Debug, Default)]
struct Count {
    total: u64,
    sent: u64,
}

/// What did not go out, to be read while the run goes on and after it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Unsent(Arc<UnsentCounts>);

#[derive(Debug, Default)]
struct UnsentCounts {
    datagrams: AtomicU64,
    counters: AtomicU64,
    any_taken: AtomicBool,
}

impl Unsent {
    /// Times that the kernel refused a datagram: nobody listened, or there was no room.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.0.datagrams.load(Ordering::Relaxed)
    }

    /// Whether the system took everything of a flush at some time without hearing of a refusal.
    #[must_use]
    pub fn any_taken(&self) -> bool {
        self.0.any_taken.load(Ordering::Relaxed)
    }

    /// Counters of which a part is still to be sent. After the run: which fall short of it.
    #[must_use]
    pub fn counters(&self) -> u64 {
        self.0.counters.load(Ordering::Relaxed)
    }
}

impl Emitter {
    /// An emitter that sends there.
    ///
    /// # Errors
    /// When the address cannot be resolved, or the system has no socket for it.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::connect(address)?,
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            in_doubt: Vec::new(),
            unsent: Unsent::default(),
        })
    }

    /// A handle on what did not go out.
    #[must_use]
    pub fn unsent(&self) -> Unsent {
        self.unsent.clone()
    }

    /// Says how far a counter is. To be said of every counter before each flush: what is said twice
    /// under one name adds up.
    pub fn count(&mut self, name: &str, tags: &Tags, total: u64) {
        if total > 0 {
            let series = (Arc::from(name), tags.clone());
            self.counters.entry(series).or_default().total += total;
        }
    }

    /// Says how a gauge stands. Infinite values and what is no number are left out.
    pub fn gauge(&mut self, name: &str, tags: &Tags, value: f64) {
        if value.is_finite() {
            let series = (Arc::from(name), tags.clone());
            self.gauges.insert(series, Some(value));
        }
    }

    /// Sends what was said since the last flush. Whatever is not taken stays to be sent.
    pub fn flush(&mut self) {
        if self.wire.refused() {
            // The answer to the flush before came after it was over.
            self.count_refusal();
            self.put_back();
            self.wire.turn();
        }
        for others in (0..self.wire.addresses()).rev() {
            self.in_doubt.clear();
            if self.send() {
                self.unsent.0.any_taken.store(true, Ordering::Relaxed);
                break;
            }
            // Which of these datagrams it was about is not said; whoever was not there for one was
            // not there for those some microseconds before.
            self.put_back();
            self.wire.turn();
            if others == 0 {
                // The next second is soon enough.
                self.count_refusal();
            }
        }
        let behind = self.counters.values().filter(|it| it.sent < it.total);
        let behind = behind.count() as u64;
        self.unsent.0.counters.store(behind, Ordering::Relaxed);
        for count in self.counters.values_mut() {
            count.total = 0;
        }
        for value in self.gauges.values_mut() {
            *value = None;
        }
    }

    /// Hands everything to the system. False when it heard that nobody listens.
    fn send(&mut self) -> bool {
        for (nth, datagram) in self.lines().datagrams.into_iter().enumerate() {
            if nth > 0 && nth.is_multiple_of(BURST) {
                pause();
            }
            match self.wire.send(&datagram.text) {
                Sent::Taken => {
                    for (series, delta) in datagram.deltas {
                        if let Some(count) = self.counters.get_mut(&series) {
                            count.sent += delta;
                        }
                        self.in_doubt.push((series, delta));
                    }
                }
                // It may be this one alone.
                Sent::NotTaken => self.count_refusal(),
                Sent::Refused => return false,
            }
        }
        true
    }

    /// Says that the gauges whose names begin so are zero, those that were ever shown: a gauge
    /// stands in StatsD until it is told otherwise.
    pub fn zero_gauges(&mut self, beginning: &str) {
        for ((name, _), value) in &mut self.gauges {
            if name.starts_with(beginning) {
                *value = Some(0.0);
            }
        }
    }

    /// Sends what was said since the last flush, every gauge as zero, and hears what becomes of it:
    /// who is not on this machine may refuse some milliseconds later, so this takes a fifth of a
    /// second then.
    pub fn finish(&mut self) {
        if self.await_refusal() {
            self.count_refusal();
            self.put_back();
        }
        self.zero_gauges("");
        self.flush();
        if self.await_refusal() {
            let short = self.in_doubt.len() as u64;
            self.unsent.0.counters.fetch_add(short, Ordering::Relaxed);
            self.count_refusal();
            self.put_back();
        }
    }

    /// Waits for a refusal of what was sent, where it may be late. Whether there was one; then it
    /// is no longer to be heard.
    fn await_refusal(&mut self) -> bool {
        if self.wire.is_local() || self.in_doubt.is_empty() {
            return false;
        }
        for _ in 0..LONGEST_ANSWER_PAUSES {
            pause();
            if self.wire.refused() {
                return true;
            }
        }
        false
    }

    fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        for (series, count) in &self.counters {
            let delta = count.total.saturating_sub(count.sent);
            if delta > 0 {
                // StatsD counts in floating point; the format's own limit is never the nearer one.
                let delta = delta.min(i64::MAX.unsigned_abs());
                let line = Counter::new("", &series.0, delta.cast_signed());
                let line = format!("{}{}", line.as_metric_str(), series.1);
                lines.push(&line, Some((series.clone(), delta)));
            }
        }
        for ((name, tags), value) in &self.gauges {
            let line = |value: f64| {
                let gauge = Gauge::new_f64("", name, value);
                format!("{}{tags}", gauge.as_metric_str())
            };
            match *value {
                // A sign makes it a change of the gauge, so one below zero begins at zero.
                Some(value) if value < 0.0 => {
                    lines.push(&format!("{}\n{}", line(0.0), line(value)), None);
                }
                Some(value) => lines.push(&line(value.abs()), None),
                None => {}
            }
        }
        lines
    }

    fn count_refusal(&self) {
        self.unsent.0.datagrams.fetch_add(1, Ordering::Relaxed);
    }

    fn put_back(&mut self) {
        for (series, delta) in self.in_doubt.drain(..) {
            if let Some(count) = self.counters.get_mut(&series) {
                count.sent -= delta;
            }
        }
    }
}
