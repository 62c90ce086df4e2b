//! The longest times in which something was asked of the service and nothing came back well.
//!
//! Workers mark hundredths of seconds: in which an iteration was under way, and in which one ended
//! ok. What is silence is known only of all workers together, so it is found when they are merged.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signs::{Sign, Signs};
use crate::clock::Nanos;
use crate::record::local::{Activity, Marks, SLOT, SLOTS_PER_SECOND};

/// A silence at the end of the load that lasts longer than this is no slow answer any more, unless
/// answers are slow.
pub const LONG_SILENCE: Nanos = 1_000_000_000;

/// How many seconds wait for slow workers before they are looked at for good.
const OPEN_SECONDS: usize = 60;

/// A stretch of silence, counted from when measuring began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When it began.
    pub from: Duration,
    /// How long it was, to the hundredth of a second.
    pub length: Duration,
}

/// The silences of a scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Silence {
    /// The longest time in which iterations were under way and none ended ok.
    pub longest: Stretch,
    /// The one that lasted to the end of the load; of length zero where the last word was an ok, or
    /// nothing was under way.
    pub last: Stretch,
}

/// Finds silences in all workers' marks.
#[derive(Debug, Default)]
pub(super) struct Listener {
    open: BTreeMap<u64, Marks>,
    found: Found,
    closed: Signs,
}

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    longest: (u64, u64),
    /// First slot and length of the run of silent slots that may go on.
    run: (u64, u64),
    /// The slot with which it goes on.
    next: u64,
    /// The one after the last in which there was any sign.
    end: u64,
}

impl Found {
    /// From this slot on, so many were like this.
    fn look_at(&mut self, from: u64, length: u64, sign: Sign) {
        let goes_on = self.run.1 > 0 && self.next == from;
        match sign {
            Sign::Nothing => return,
            Sign::Ok => {}
            Sign::Still => self.next += if goes_on { length } else { 0 },
            Sign::UnderWay => {
                self.run = if goes_on {
                    (self.run.0, self.run.1 + length)
                } else {
                    (from, length)
                };
                self.next = from + length;
                if self.run.1 > self.longest.1 {
                    self.longest = self.run;
                }
            }
        }
        self.end = self.end.max(from + length);
    }

    fn silence(&self) -> Silence {
        let stretch = |(from, length): (u64, u64)| Stretch {
            from: Duration::from_nanos(from.saturating_mul(SLOT)),
            length: Duration::from_nanos(length.saturating_mul(SLOT)),
        };
        let lasts = self.run.1 > 0 && self.next == self.end;
        Silence {
            longest: stretch(self.longest),
            last: if lasts {
                stretch(self.run)
            } else {
                Stretch::default()
            },
        }
    }
}

/// What each hundredth of this second was like.
fn signs_of(second: u64, marks: Marks) -> impl Iterator<Item = (u64, Sign)> {
    (0..SLOTS_PER_SECOND).map(move |slot| {
        let is_in = |marks: u128| marks & (1 << slot) != 0;
        let sign = if is_in(marks.ok) {
            Sign::Ok
        } else if is_in(marks.under_way) {
            Sign::UnderWay
        } else if is_in(marks.still) {
            Sign::Still
        } else {
            Sign::Nothing
        };
        (second * SLOTS_PER_SECOND + slot, sign)
    })
}

impl Listener {
    pub(super) fn add(&mut self, activity: &Activity) {
        for (second, marks) in &activity.seconds {
            let open = self.open.entry(*second).or_default();
            open.under_way |= marks.under_way;
            open.ok |= marks.ok;
            open.still |= marks.still;
        }
        while self.open.len() > OPEN_SECONDS {
            self.close_one();
        }
    }

    fn close_one(&mut self) {
        let Some((second, marks)) = self.open.pop_first() else {
            return;
        };
        for (slot, sign) in signs_of(second, marks) {
            self.found.look_at(slot, 1, sign);
            // What comes for a second that is closed is in the silence so far and not in these.
            while self.closed.len() < slot {
                self.closed.push(Sign::Nothing);
            }
            if self.closed.len() == slot {
                self.closed.push(sign);
            }
        }
    }

    /// What has been found so far.
    pub(super) fn silence(&self) -> Silence {
        let mut found = self.found;
        for (second, marks) in &self.open {
            for (slot, sign) in signs_of(*second, *marks) {
                found.look_at(slot, 1, sign);
            }
        }
        found.silence()
    }

    /// What has been found, and what it takes to find it again together with what others heard.
    pub(super) fn finish(mut self) -> (Silence, Signs) {
        let silence = self.silence();
        while !self.open.is_empty() {
            self.close_one();
        }
        (silence, self.closed)
    }
}

impl Signs {
    /// The silences in these.
    pub(super) fn silence(&self) -> Silence {
        let mut found = Found::default();
        for (from, length, sign) in self.iter() {
            found.look_at(from, length, sign);
        }
        found.silence()
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const MS: u64 = 1_000_000;

    /// What one worker marked: stretches with iterations under way, and when one ended ok.
    type Marks<'a> = (&'a [(u64, u64)], &'a [u64]);

    /// Iterations are under way, and it is looked at once a hundredth.
    fn beats(activity: &mut Activity, from: u64, to: u64) {
        for at in (from..to).step_by(10) {
            activity.under_way(at * MS, (at + 10).min(to) * MS);
        }
    }

    /// What the workers' marks come to: the longest silence and the last one, all in milliseconds.
    fn silence(workers: &[Marks]) -> (u64, u64, u64) {
        let mut listener = Listener::default();
        for (under_way, oks) in workers {
            let mut activity = Activity::default();
            for (from, to) in *under_way {
                beats(&mut activity, *from, *to);
            }
            for ok in *oks {
                activity.ok(ok * MS);
            }
            listener.add(&activity);
        }
        let found = listener.silence();
        let (same, signs) = listener.finish();
        assert_eq!((same, signs.silence()), (found, found));
        let ms = |of: Duration| of.as_millis() as u64;
        (
            ms(found.longest.from),
            ms(found.longest.length),
            ms(found.last.length),
        )
    }

    #[test_case(&[(&[(0, 1_999)], &[0, 500, 1_999])] => (510, 1_480, 0); "between answers")]
    #[test_case(&[(&[(0, 1_999)], &[0, 500])] => (510, 1_490, 1_490); "to the end, over a second's edge")]
    #[test_case(&[(&[(0, 995), (1_500, 1_995)], &[1_000])] => (0, 1_000, 500); "nobody asked in between")]
    #[test_case(&[(&[(0, 1_995)], &[]), (&[(0, 1_995)], &[1_000])] => (0, 1_000, 990); "an answer to another worker")]
    #[test_case(&[(&[(0, 1_995)], &[]), (&[], &[1_990])] => (0, 1_990, 0); "the last word was an answer")]
    #[test_case(&[(&[], &[])] => (0, 0, 0); "nothing at all")]
    fn silences(workers: &[Marks]) -> (u64, u64, u64) {
        silence(workers)
    }

    /// What a worker sleeps through is no silence of the service's, and ends none.
    #[test]
    fn standing_still_is_no_silence() {
        let mut activity = Activity::default();
        activity.ok(0);
        beats(&mut activity, 0, 500);
        activity.under_way(500 * MS, 1_500 * MS);
        beats(&mut activity, 1_500, 1_995);
        let mut listener = Listener::default();
        listener.add(&activity);
        let silence = listener.silence();
        assert_eq!(silence.last, silence.longest);
        assert_eq!(silence.last.from, Duration::from_millis(10));
        let awake = Duration::from_millis(490 + 490);
        assert!(
            silence.last.length.abs_diff(awake) <= Duration::from_millis(20),
            "{silence:?}"
        );
    }

    #[test]
    fn any_length_takes_the_same_memory() {
        let mut listener = Listener::default();
        for second in 0..10_000_u64 {
            let mut activity = Activity::default();
            let from = second * 1_000;
            beats(&mut activity, from, from + 999);
            if second < 100 {
                activity.ok(from * MS);
            }
            listener.add(&activity);
        }
        assert_eq!(listener.open.len(), OPEN_SECONDS);
        let (silence, signs) = listener.finish();
        assert_eq!(signs.silence(), silence);
        assert_eq!(silence.last.length, Duration::from_millis(9_900_990));
        assert_eq!(silence.last, silence.longest);
    }
}
