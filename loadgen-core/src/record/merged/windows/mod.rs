//! Figures of every window of a run, and the worst of each: of all, and of those that may end the run.
//!
//! Owns what is kept by the second for that: as much as the longest window needs, and the seconds in
//! which samples may still come. Which second something belongs to is the series': response times of
//! iterations go where these were due, everything else where it happened.

mod frame;
mod sum;

use std::collections::VecDeque;

use self::frame::Frame;
pub(crate) use self::frame::Seen;
use self::sum::Sum;
use super::pauses::Pauses;
use super::series::OPEN_SECONDS;
use crate::record::watch::{Figure, Watch, WindowRecord, Worst};

/// Follows one figure over all windows of its length.
#[derive(Debug)]
pub(crate) struct Watcher {
    watch: Watch,
    kept: Kept,
    /// Windows have been figured out that end before this second.
    looked: u64,
    /// What was found in windows in which something may still come, by their last second, in order.
    open: VecDeque<(u64, Worst)>,
    /// The worst of those in which nothing can change any more.
    closed: Option<Worst>,
    /// The worst of these that have nothing of a pause in them.
    closed_unpaused: Option<Worst>,
    /// When somebody had nothing start, by what is known of that.
    pauses: Pauses,
    /// The whole seconds looked at so far.
    seconds: u64,
    sum: Sum,
}

/// What is kept by the second.
#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Frame>,
    /// The second of the first frame.
    first: u64,
    /// The earliest second that something came for since windows were last figured out.
    changed: Option<u64>,
    /// So many seconds have passed.
    passed: u64,
}

impl Kept {
    /// One after the last second that something is kept of.
    fn newest(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// What comes too late goes to the oldest second that is open, as in the series.
    fn put(&mut self, second: u64, frame: &Frame) {
        let newest = self.newest().max(second + 1).max(self.passed);
        let oldest_open = newest.saturating_sub(OPEN_SECONDS);
        let second = second.max(oldest_open).max(self.first);
        while self.newest() <= second {
            self.frames.push_back(Frame::default());
        }
        self.frames[(second - self.first) as usize].add(frame);
        self.changed = Some(self.changed.map_or(second, |it| it.min(second)));
    }

    fn at(&self, second: u64) -> Option<&Frame> {
        self.frames.get(second.checked_sub(self.first)? as usize)
    }
}

impl Watcher {
    pub(crate) fn new(watch: Watch) -> Self {
        Self {
            watch,
            kept: Kept::default(),
            looked: 0,
            open: VecDeque::new(),
            closed: None,
            closed_unpaused: None,
            pauses: Pauses::default(),
            seconds: 0,
            sum: Sum::default(),
        }
    }

    /// Adds what a worker saw, whose seconds are those here so much later.
    pub(super) fn add(&mut self, seen: &Seen<'_>, later: u64) {
        let kept = &mut self.kept;
        seen.read(&self.watch.figure, |second, frame| {
            kept.put(second + later, &frame);
        });
    }

    /// Figures out the windows that lie within so many seconds, and have changed. There were these pauses so far.
    pub(crate) fn look(&mut self, seconds: u64, pauses: Pauses) {
        self.pauses = pauses;
        self.look_again(seconds);
    }

    fn look_again(&mut self, seconds: u64) {
        self.seconds = self.seconds.max(seconds);
        let changed = self.kept.changed.take().unwrap_or(u64::MAX);
        let first_end = self.kept.first + self.watch.length_s - 1;
        let from = changed.min(self.looked).max(first_end);
        if from < seconds {
            self.open.retain(|(end, _)| *end < from);
            self.figure_out(from, seconds);
        }
        self.looked = seconds;
        // Windows whose seconds are all closed stay as they are, and what they were made of can go.
        self.kept.passed = self.kept.passed.max(seconds);
        let oldest_open = seconds.saturating_sub(OPEN_SECONDS);
        while let Some((end, worst)) = self.open.front().copied()
            && end < oldest_open
        {
            self.open.pop_front();
            self.closed = Some(self.worse(self.closed, worst));
            if self.is_unpaused(&worst) {
                self.closed_unpaused = Some(self.worse(self.closed_unpaused, worst));
            }
        }
        while self.kept.first + self.watch.length_s <= oldest_open {
            self.kept.frames.pop_front();
            self.kept.first += 1;
        }
    }

    /// The windows that end with a second from `from` to before `to`.
    fn figure_out(&mut self, from: u64, to: u64) {
        let length = self.watch.length_s;
        self.sum.clear();
        let (mut part, mut whole, mut withheld) = (0, 0, 0);
        for second in from + 1 - length..to {
            if let Some(added) = self.kept.at(second) {
                self.sum.add(&added.times);
                (part, whole) = (part + added.part, whole + added.whole);
                withheld += added.withheld;
            }
            let whole_left = whole.saturating_sub(withheld);
            if second < from {
                continue;
            }
            let value = match &self.watch.figure {
                Figure::Times(_, reading) => self.sum.read(*reading),
                Figure::Count(_) => Some(part as f64),
                Figure::Rate(_) => Some(part as f64 / length as f64),
                Figure::Share { .. } => {
                    (whole_left > 0).then(|| part as f64 * 100.0 / whole_left as f64)
                }
            };
            let from_s = second + 1 - length;
            let samples = self.sum.len();
            self.open.extend(value.map(|value| {
                let worst = Worst {
                    from_s,
                    value,
                    samples,
                };
                (second, worst)
            }));
            if let Some(removed) = self.kept.at(from_s) {
                self.sum.remove(&removed.times);
                (part, whole) = (part - removed.part, whole - removed.whole);
                withheld -= removed.withheld;
            }
        }
    }

    fn worse(&self, one: Option<Worst>, other: Worst) -> Worst {
        match one {
            Some(one) if !self.watch.worst.is_worse(other.value, one.value) => one,
            _ => other,
        }
    }

    fn is_unpaused(&self, window: &Worst) -> bool {
        !self.pauses.meet(window.from_s, self.watch.length_s)
    }

    /// What has been found so far.
    pub(crate) fn found(&self) -> WindowRecord {
        self.worst_of(self.closed, |_| true)
    }

    /// The same of windows that have nothing of a pause in them: what is in those is the service's doing.
    pub(crate) fn found_unpaused(&self) -> WindowRecord {
        self.worst_of(self.closed_unpaused, |it| self.is_unpaused(it))
    }

    fn worst_of(&self, closed: Option<Worst>, is_one: impl Fn(&Worst) -> bool) -> WindowRecord {
        let open = self.open.iter().map(|(_, worst)| *worst).filter(is_one);
        WindowRecord {
            worst: open.fold(closed, |worst, it| Some(self.worse(worst, it))),
            seconds: self.seconds,
            ..WindowRecord::empty(self.watch.clone())
        }
    }

    /// What was found in a load of so many whole seconds. What came after them is part of the last one: of
    /// times and shares nothing is left out. It was no whole second, so counts and rates leave it out.
    pub(crate) fn finish(mut self, seconds: u64) -> WindowRecord {
        self.open.retain(|(end, _)| *end < seconds);
        (self.seconds, self.looked) = (seconds, self.looked.min(seconds));
        let kept = &mut self.kept;
        let last = seconds.checked_sub(kept.first + 1).map(|it| it as usize);
        if let Some(last) = last.filter(|it| it + 1 < kept.frames.len()) {
            let after = kept.frames.split_off(last + 1);
            if let Figure::Times(..) | Figure::Share { .. } = self.watch.figure {
                after.iter().for_each(|it| kept.frames[last].add(it));
                let last = seconds - 1;
                kept.changed = Some(kept.changed.map_or(last, |it| it.min(last)));
            }
        }
        self.look_again(seconds);
        self.found()
    }
}

#[cfg(test)]
mod tests;
