//! What happened around one event, bucket by bucket.

use std::ops::Range;
use std::time::Duration;

use super::bucket::{Bucket, Whose};
use super::usual::{Usual, allowed, beyond};
use super::{AS_BEFORE, Failover, Moment, SETTLE, SHARE_OVER};
use crate::record::Timeline;
use crate::units::human;

pub(super) const BUCKET_NS: u64 = Timeline::BUCKET.as_nanos() as u64;

/// A request that was due so shortly before the server was back, and that it answered, may have left after that.
const LATE: Duration = Duration::from_millis(100);

/// The buckets around one event.
#[derive(Debug)]
pub(super) struct Around {
    buckets: Vec<Bucket>,
    /// When the first of them begins.
    from: Duration,
    done: Duration,
    ready: Option<Duration>,
    /// Whether the next event comes before the end of what is known.
    is_cut_short: bool,
    /// The bucket in which it was done.
    start: usize,
    /// That in which the server was ready again.
    back: Option<usize>,
    /// The one after the last in which something was due.
    end: usize,
    /// How long is known after it, next events left out of account.
    recorded: Duration,
}

/// How many buckets this is.
pub(super) fn buckets(time: Duration) -> usize {
    (time.as_nanos() / u128::from(BUCKET_NS)) as usize
}

impl Around {
    /// What is known around an event that took these servers away, up to the next one; `is_dead` where they cannot
    /// answer. `None` where the moment was not recorded.
    pub(super) fn new(
        timeline: &Timeline,
        away: &[&str],
        is_dead: bool,
        done: Duration,
        ready: Option<Duration>,
        next: Option<Duration>,
    ) -> Option<Self> {
        let windows = timeline.windows().iter();
        let (from, to) = windows.copied().find(|it| (it.0..it.1).contains(&done))?;
        let first = buckets(from);
        let last = next.map_or(buckets(to), |next| buckets(next.min(to)));
        let mut all = vec![Bucket::default(); last.saturating_sub(first)];
        let names = timeline.backends().map(Some);
        for name in names.chain([None]) {
            let whose = match name {
                Some(name) if away.contains(&name) => Whose::Away,
                Some(_) => Whose::Others,
                None => Whose::Nobodys,
            };
            for (at, cell) in timeline.of(name) {
                let index = buckets(at).checked_sub(first);
                if let Some(bucket) = index.and_then(|it| all.get_mut(it)) {
                    // A balancer may have kept trying until the server was there again.
                    let is_late = ready.is_some_and(|ready| at + LATE >= ready);
                    bucket.add(whose, is_dead && is_late, cell);
                }
            }
        }
        // What the window's last buckets do not have, and nobody sent, is no silence.
        let end = all.iter().rposition(|it| it.due > 0).map_or(0, |it| it + 1);
        let index = |at: Duration| buckets(at) - first;
        Some(Self {
            start: index(done),
            back: ready.map(index),
            is_cut_short: next.is_some_and(|next| next < to),
            buckets: all,
            from: Timeline::BUCKET * u32::try_from(first).unwrap_or(u32::MAX),
            done,
            ready,
            end,
            recorded: to.saturating_sub(done),
        })
    }

    /// How long it is known what came after the event, where that is not until the load was over, which lasted
    /// `elapsed`, or the next event came.
    pub(super) fn recorded_for(&self, elapsed: Duration) -> Option<Duration> {
        let is_less = self.done + self.recorded < elapsed;
        (is_less && !self.is_cut_short).then_some(self.recorded)
    }

    fn sum(&self, range: Range<usize>, of: impl Fn(&Bucket) -> u64) -> u64 {
        let end = range.end.min(self.buckets.len());
        let start = range.start.min(end);
        self.buckets[start..end].iter().map(of).sum()
    }

    /// When a bucket begins.
    fn begin(&self, index: usize) -> Duration {
        self.from + Timeline::BUCKET * u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The middle of a bucket, counted from a moment.
    fn middle(&self, index: usize, from: Duration) -> Duration {
        (self.begin(index) + Timeline::BUCKET / 2).saturating_sub(from)
    }

    /// From this moment until the event, without what was due so shortly before it that it may have met it.
    pub(super) fn before(&self, from: Duration) -> Range<Duration> {
        from.max(self.from)..self.begin(self.start).saturating_sub(SETTLE)
    }

    /// While the server was away, as far as anything is known.
    pub(super) fn during(&self) -> Range<Duration> {
        let end = self.back.unwrap_or(self.end).min(self.end);
        self.begin(self.start)..self.begin(end)
    }

    /// What was usual from this moment until the event.
    pub(super) fn usual_from(&self, from: Duration) -> Usual {
        let first = buckets(from.saturating_sub(self.from));
        // Before the first request there was no load.
        let begun = self.buckets.iter().position(|it| it.due > 0);
        let first = first.max(begun.unwrap_or(self.start));
        let range = first..self.start.max(first);
        let count = range.len();
        let rate_in = |range: Range<usize>, of: fn(&Bucket) -> u64| {
            let count = range.len().max(1);
            self.sum(range, of) as f64 / count as f64
        };
        let rate = |of| rate_in(range.clone(), of);
        let (due, own) = (rate(|it| it.due), rate(|it| it.own));
        // What was due before it and became slow or failed by it is not usual.
        let failed = rate(|it| it.ended_failed);
        let settled = first..range.end.saturating_sub(buckets(SETTLE)).max(first);
        let slow = rate_in(settled, |it| it.slow);
        Usual {
            buckets: count,
            due,
            given: own,
            share: if due > 0.0 { own / due } else { 0.0 },
            nobodys: rate(|it| it.nobodys_ended),
            failed,
            slow,
            bad: failed + slow,
        }
    }

    /// Whether the server answered anything from this moment until the event.
    pub(super) fn had_answered(&self, from: Duration) -> bool {
        let first = buckets(from.saturating_sub(self.from));
        self.sum(first..self.start, |it| it.own) > 0
    }

    /// Whether so much load is known after the event, in buckets that are not the event's own.
    pub(super) fn goes_on_for(&self, time: Duration) -> bool {
        self.end > self.start + buckets(time)
    }

    /// What was lost and what was slow, beyond what is usual: slow only where that may be.
    pub(super) fn losses(&self, usual: &Usual, may_be_slow: bool) -> Failover {
        let after = self.start..self.end.max(self.start);
        let away = self.back.unwrap_or(self.end);
        // Those that were due before it and had not failed by then.
        let failed = self.sum(0..self.start, |it| it.failed);
        let had_failed = self.sum(0..self.start, |it| it.ended_failed);
        let in_flight =
            failed.saturating_sub(had_failed) + self.sum(0..self.start, |it| it.never_ended);
        let never_ended =
            |range: Range<usize>| self.sum(range.start..range.end.min(away), |it| it.never_ended);
        let new = self.excess(after.clone(), usual.rate(usual.failed), |range| {
            self.sum(range.clone(), |it| it.failed) + never_ended(range)
        });
        let slow = || {
            self.excess(after, usual.rate(usual.slow), |range| {
                self.sum(range, |it| it.slow)
            })
        };
        Failover {
            lost: new + in_flight,
            lost_in_flight: in_flight,
            slow: may_be_slow.then(slow),
            ..Failover::default()
        }
    }

    /// What there is beyond so many a bucket: of all, or of each half second that has more than chance brings,
    /// whichever is more. What was usual may itself have come at once, and is not taken off where nothing was.
    fn excess(&self, range: Range<usize>, usual: f64, count: impl Fn(Range<usize>) -> u64) -> u64 {
        let whole = beyond(count(range.clone()), usual, range.len());
        let starts = range.clone().step_by(buckets(SETTLE));
        let parts = starts.map(|start| {
            let part = start..(start + buckets(SETTLE)).min(range.end);
            let length = part.len();
            match count(part) {
                count if count > allowed(usual, length) => beyond(count, usual, length),
                _ => 0,
            }
        });
        whole.max(parts.sum())
    }

    /// When nothing bad came any more, and the server had its share again where it was back.
    pub(super) fn over(&self, usual: &Usual) -> Option<Duration> {
        let good = self.done + self.recovered(usual).after()?;
        let Some(ready) = self.ready else {
            return Some(good);
        };
        let rebalanced = self.rebalanced(usual.share).after();
        Some(good.max(ready + rebalanced.unwrap_or_default()))
    }

    /// The first and the last failure; `None` where there was none, or where failures are usual.
    pub(super) fn errors(&self, usual: &Usual) -> Option<(Duration, Duration)> {
        if usual.failed > 0.0 {
            return None;
        }
        let after = self.buckets.get(self.start..)?;
        let first = after.iter().position(|it| it.ended_failed > 0)?;
        let last = after.iter().rposition(|it| it.ended_failed > 0)?;
        let at = |index| self.middle(self.start + index, self.done);
        Some((at(first), at(last)))
    }

    /// The longest time in which nothing ended ok, from the last before the event until the load ends.
    pub(super) fn silence(&self) -> Duration {
        let before = self.buckets[..self.start.min(self.buckets.len())].iter();
        let mut last = before.rev().position(|it| it.ended_ok > 0);
        let mut last = last.take().map_or(self.start, |it| self.start - 1 - it);
        let mut longest = 0;
        for index in self.start..self.end {
            if self.buckets[index].ended_ok > 0 {
                longest = longest.max(index - last);
                last = index;
            }
        }
        longest = longest.max(self.end.saturating_sub(last));
        Timeline::BUCKET * u32::try_from(longest).unwrap_or(u32::MAX)
    }

    /// When the server answered again.
    pub(super) fn returned(&self) -> Moment {
        let (Some(back), Some(ready)) = (self.back, self.ready) else {
            return Moment::Untold;
        };
        match self.answered_from(back) {
            Some(index) => Moment::After(self.middle(index, ready)),
            None => self.not_in(back, SETTLE),
        }
    }

    fn answered_from(&self, back: usize) -> Option<usize> {
        let after = self.buckets.get(back..)?;
        let first = after.iter().position(|it| it.answered > 0)?;
        Some(back + first)
    }

    /// What the end of what is known is: of all, or only of what can be told.
    fn not_yet(&self) -> Moment {
        match self.is_cut_short {
            true => Moment::Untold,
            false => Moment::Never,
        }
    }

    /// The same, where there was so much time for it from a bucket on.
    fn not_in(&self, from: usize, time: Duration) -> Moment {
        match self.end < from + buckets(time) {
            true => Moment::Untold,
            false => self.not_yet(),
        }
    }

    /// What takes a time without anything to tell, and why some of it cannot be told all the same.
    pub(super) fn times(&self, usual: &Usual, failover: &mut Failover) -> Option<String> {
        let settle = buckets(SETTLE);
        let away = self.back.unwrap_or(self.end).min(self.end);
        // What was due in the event's own bucket may have been due before it.
        let after = self.start + 1;
        let few = allowed(usual.nobodys, settle);
        let silent = self.first_quiet(after, away, |range| {
            self.has_load(&range, usual)
                && self.sum(range.clone(), |it| it.given) == 0
                && self.sum(range, |it| it.nobodys) <= few
        });
        let given = |range: Range<usize>| {
            let nobodys = self.sum(range.clone(), |it| it.nobodys);
            self.sum(range.clone(), |it| it.given) + beyond(nobodys, usual.nobodys, range.len())
        };
        match silent {
            Some(index) => {
                failover.detected = self.until(after, index);
                failover.given = Some(given(after..index));
                failover.relapses = Some(given(index..away));
            }
            None => {
                let was_back = self.back.is_some_and(|it| it <= self.end);
                // Where it was not back, it might have been detected later.
                failover.detected = match was_back && away >= after + settle {
                    true => Moment::Never,
                    false => Moment::Untold,
                };
                failover.given = Some(given(after..away.max(after)));
            }
        }
        failover.recovered = self.recovered(usual);
        failover.rebalanced = self.rebalanced(usual.share);
        if away < after + settle {
            return Some(format!(
                "the server was back before {SETTLE:?} of silence could show that it was missed"
            ));
        }
        if self.is_cut_short {
            return None;
        }
        let back = self.back.filter(|it| *it < self.end);
        match (failover.detected, back, failover.rebalanced) {
            (Moment::Untold, None, _) => {
                let left = self.middle(self.end - 1, self.done);
                Some(format!(
                    "it was not detected until the load ended, {} after it",
                    human::duration(left)
                ))
            }
            (_, Some(_), Moment::Untold) => Some(format!(
                "less than {SHARE_OVER:?} of load was left after the server was back"
            )),
            _ => None,
        }
    }

    /// Where all users wait for a server that is frozen, nobody asks anybody: the load must go on.
    fn has_load(&self, range: &Range<usize>, usual: &Usual) -> bool {
        let least = usual.due * range.len() as f64 / 2.0;
        self.sum(range.clone(), |it| it.due) as f64 >= least
    }

    /// The last that was bad before a time without more than is usual.
    pub(super) fn recovered(&self, usual: &Usual) -> Moment {
        let settle = buckets(SETTLE);
        let few = allowed(usual.bad, settle);
        let good = self.first_quiet(self.start, self.end, |range| {
            self.has_load(&range, usual) && self.sum(range, Bucket::bad) <= few
        });
        match good {
            Some(index) => self.until(self.start, index),
            None if self.end < self.start + settle => Moment::Untold,
            None => self.not_yet(),
        }
    }

    /// Where the first such time begins that is known whole.
    fn first_quiet(
        &self,
        from: usize,
        to: usize,
        is_quiet: impl Fn(Range<usize>) -> bool,
    ) -> Option<usize> {
        let settle = buckets(SETTLE);
        (from..=to.checked_sub(settle)?).find(|index| is_quiet(*index..*index + settle))
    }

    /// The last bucket before one, counted from the event; none where it is the first there may be.
    fn until(&self, first: usize, index: usize) -> Moment {
        Moment::After(match index > first {
            true => self.middle(index - 1, self.done),
            false => Duration::ZERO,
        })
    }

    /// When the server's share was as before for the first time since it answered again.
    fn rebalanced(&self, share: f64) -> Moment {
        let (Some(back), Some(ready)) = (self.back, self.ready) else {
            return Moment::Untold;
        };
        let Some(first) = self.answered_from(back) else {
            return self.not_in(back, SHARE_OVER);
        };
        let length = buckets(SHARE_OVER);
        let Some(last) = self.end.checked_sub(length) else {
            return Moment::Untold;
        };
        let is_as_before = |index: &usize| {
            let range = *index..*index + length;
            let due = self.sum(range.clone(), |it| it.due);
            let own = self.sum(range, |it| it.own) as f64 / due.max(1) as f64;
            due > 0 && (own - share).abs() <= AS_BEFORE * share
        };
        match (first..=last).find(is_as_before) {
            Some(index) => Moment::After(self.middle(index, ready)),
            None => self.not_in(first, SHARE_OVER),
        }
    }
}
