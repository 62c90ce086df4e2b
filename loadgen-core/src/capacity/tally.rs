//! What the trials at one load say of it: MLRsearch's classification, and how sure it is.

/// What a load is to a goal, or to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is held: bad trials are no more of it than the exceed ratio allows, whatever is missing of the
    /// duration sum.
    Lower,
    /// It is not held, whatever is missing.
    Upper,
    /// What is missing of the duration sum decides.
    Undecided,
}

/// What loads are classified by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) final_s: f64,
    pub(super) sum_s: f64,
    pub(super) exceed_ratio: f64,
    pub(super) doubt: f64,
}

/// The trials at one load, as one goal has them: durations in seconds, and how many.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    full: Trials,
    short: Trials,
}

#[derive(Debug, Clone, Copy, Default)]
struct Trials {
    good_s: f64,
    bad_s: f64,
    good: u32,
    bad: u32,
}

impl Trials {
    fn add(&mut self, duration_s: f64, held: bool) {
        let (sum, count) = if held {
            (&mut self.good_s, &mut self.good)
        } else {
            (&mut self.bad_s, &mut self.bad)
        };
        *sum += duration_s;
        *count += 1;
    }
}

impl Tally {
    pub(super) fn add(&mut self, duration_s: f64, held: bool, measure: &Measure) {
        let trials = if duration_s >= measure.final_s {
            &mut self.full
        } else {
            &mut self.short
        };
        trials.add(duration_s, held);
    }

    /// Trials that were held, and all.
    pub(super) fn held_of(&self) -> (u32, u32) {
        let held = self.full.good + self.short.good;
        (held, held + self.full.bad + self.short.bad)
    }

    /// Full-length ones that were held, and not.
    pub(super) fn full(&self) -> (u32, u32) {
        (self.full.good, self.full.bad)
    }

    pub(super) fn bad_s(&self) -> f64 {
        self.full.bad_s + self.short.bad_s
    }

    /// As MLRsearch classifies a load: once as if all that is missing of the duration sum were good, once
    /// as if it were bad. Short trials count only where more of them are bad than the good ones make up
    /// for.
    pub(super) fn class(&self, measure: &Measure) -> Class {
        let ratio = measure.exceed_ratio;
        let made_up = self.short.good_s * ratio / (1.0 - ratio);
        let bad = self.full.bad_s + (self.short.bad_s - made_up).max(0.0);
        let whole = (self.full.good_s + bad).max(measure.sum_s);
        match (
            bad <= whole * ratio,
            whole - self.full.good_s <= whole * ratio,
        ) {
            (true, true) => Class::Lower,
            (false, false) => Class::Upper,
            _ => Class::Undecided,
        }
    }

    /// [`Tally::class`], unless the full-length trials could well be this one-sided by chance.
    pub(super) fn settled(&self, measure: &Measure) -> Class {
        let class = self.class(measure);
        let (good, bad) = self.full();
        // A load that is just no bound has bad trials as the exceed ratio says; or evenly, where that asks
        // for more.
        let by_chance = match class {
            Class::Lower => at_most(bad, good + bad, measure.exceed_ratio.max(0.5)),
            Class::Upper => at_most(good, good + bad, 1.0 - measure.exceed_ratio.min(0.5)),
            Class::Undecided => return class,
        };
        if by_chance <= measure.doubt {
            class
        } else {
            Class::Undecided
        }
    }

    /// Whether so many full-length trials cannot settle it any more, whichever way they go from here.
    pub(super) fn is_hopeless(&self, most: u32, measure: &Measure) -> bool {
        let missing = most.saturating_sub(self.full.good + self.full.bad);
        let missing_s = f64::from(missing) * measure.final_s;
        let with = |good: u32, bad: u32| {
            let mut tally = *self;
            tally.full.good += good;
            tally.full.bad += bad;
            tally.full.good_s += f64::from(good.min(1)) * missing_s;
            tally.full.bad_s += f64::from(bad.min(1)) * missing_s;
            tally.settled(measure)
        };
        with(missing, 0) == Class::Undecided && with(0, missing) == Class::Undecided
    }

    /// Whether there are trials and at least as much of them was bad.
    pub(super) fn leans_bad(&self) -> bool {
        self.bad_s() > 0.0 && self.bad_s() >= self.full.good_s + self.short.good_s
    }
}

/// How likely at most so many of all come up, each with that probability.
fn at_most(count: u32, of: u32, probability: f64) -> f64 {
    let mut ways = 1.0;
    let mut sum = 0.0;
    for k in 0..=count.min(of) {
        let (yes, no) = (f64::from(k), f64::from(of - k));
        sum += ways * probability.powf(yes) * (1.0 - probability).powf(no);
        ways *= no / (yes + 1.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const MEASURE: Measure = Measure {
        final_s: 10.0,
        sum_s: 30.0,
        exceed_ratio: 0.5,
        doubt: 0.125,
    };

    /// `+` and `-` are full-length trials, `h` and `b` short ones of 4 s, `C` and `c` long ones.
    fn tally(trials: &str) -> Tally {
        let mut tally = Tally::default();
        for trial in trials.chars() {
            let (duration_s, held) = match trial {
                '+' => (10.0, true),
                '-' => (10.0, false),
                'h' => (4.0, true),
                'b' => (4.0, false),
                'C' => (20.0, true),
                _ => (20.0, false),
            };
            tally.add(duration_s, held, &MEASURE);
        }
        tally
    }

    #[test_case("" => Class::Undecided; "nothing")]
    #[test_case("+" => Class::Undecided; "one of three")]
    #[test_case("++" => Class::Lower; "what is missing cannot change it")]
    #[test_case("--" => Class::Upper; "nor can it here")]
    #[test_case("+-" => Class::Undecided; "one each")]
    #[test_case("++--" => Class::Lower; "half of it may be bad")]
    #[test_case("++---" => Class::Upper; "more may not")]
    #[test_case("hhhhhhhh" => Class::Undecided; "short trials make no lower bound")]
    #[test_case("bbbb" => Class::Upper; "but an upper one")]
    #[test_case("bbbbhhhh" => Class::Undecided; "unless good ones make up for them")]
    #[test_case("Cc" => Class::Lower; "a longer trial counts as long as it is")]
    fn classified(trials: &str) -> Class {
        tally(trials).class(&MEASURE)
    }

    #[test_case("++" => Class::Undecided; "two of two come by chance once in four times")]
    #[test_case("+++" => Class::Lower; "three of three once in eight")]
    #[test_case("---" => Class::Upper; "none of three")]
    #[test_case("++-+" => Class::Undecided; "three of four")]
    #[test_case("++-+++" => Class::Lower; "five of six")]
    #[test_case("bbbb" => Class::Undecided; "short trials settle nothing")]
    fn settled(trials: &str) -> Class {
        tally(trials).settled(&MEASURE)
    }

    #[test_case(0.0, "+++" => Class::Lower; "none may be bad, and none was")]
    #[test_case(0.0, "+++-" => Class::Upper; "one was")]
    #[test_case(0.1, "++++++++++" => Class::Lower; "one in ten, and none was")]
    #[test_case(0.1, "+++++++++-" => Class::Lower; "one in ten, and one was")]
    #[test_case(0.1, "++++++++--" => Class::Undecided; "two were")]
    fn other_ratios(exceed_ratio: f64, trials: &str) -> Class {
        let measure = Measure {
            exceed_ratio,
            ..MEASURE
        };
        tally(trials).settled(&measure)
    }

    #[test]
    fn without_doubt_it_is_mlrsearch() {
        let measure = Measure {
            doubt: 1.0,
            ..MEASURE
        };
        for trials in ["", "+", "++", "--", "++-", "++---", "bbbb", "bhbhb+"] {
            let tally = tally(trials);
            assert_eq!(tally.settled(&measure), tally.class(&measure), "{trials}");
        }
    }

    #[test_case("++-", 9 => false)]
    #[test_case("++--", 6 => true; "four of six are no bound")]
    #[test_case("++--", 9 => false; "seven of nine are")]
    fn hopeless(trials: &str, most: u32) -> bool {
        tally(trials).is_hopeless(most, &MEASURE)
    }

    #[test]
    fn chances_are_binomial() {
        assert_eq!(at_most(0, 3, 0.5), 0.125);
        assert_eq!(at_most(3, 3, 0.5), 1.0);
        assert!((at_most(1, 6, 0.5) - 7.0 / 64.0).abs() < 1e-12);
        assert_eq!(at_most(0, 2, 1.0), 0.0);
        assert_eq!(at_most(2, 2, 1.0), 1.0);
    }
}
