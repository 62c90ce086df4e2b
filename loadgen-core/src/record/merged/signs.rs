//! What every hundredth of a run's seconds was like, so that the silences of several processes can be
//! found together.
//!
//! Owns the packed form and its bound. What silence is, is `silence`'s.

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::histogram::{push_number, take_number};

/// What a hundredth of a second was like; of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// Nothing was asked of the service.
    Nothing,
    /// We stood still: whether anything came is not known.
    Still,
    /// An iteration was under way.
    UnderWay,
    /// One ended ok.
    Ok,
}

impl Sign {
    const ALL: [Self; 4] = [Self::Nothing, Self::Still, Self::UnderWay, Self::Ok];
}

/// The most stretches of the same sign that are kept. A healthy run has few, and one that answers
/// some ten times a second has the most.
const MOST_STRETCHES: usize = 16 << 10;

/// The signs of a run's hundredths of seconds, in stretches of the same one. Where these are more than
/// [`MOST_STRETCHES`], it is told of two hundredths at a time, and then of four, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signs {
    /// How many hundredths a slot has.
    width: u64,
    /// How many hundredths there were.
    len: u64,
    /// How many slots, and their sign.
    stretches: Vec<(u32, Sign)>,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            width: 1,
            len: 0,
            stretches: Vec::new(),
        }
    }
}

impl Signs {
    /// The next hundredth was like this.
    pub(super) fn push(&mut self, sign: Sign) {
        if self.len.is_multiple_of(self.width) {
            append(&mut self.stretches, 1, sign);
            if self.stretches.len() > MOST_STRETCHES {
                self.coarsen();
            }
        } else if let Some((slots, last)) = self.stretches.last_mut()
            && sign > *last
        {
            *slots -= 1;
            if *slots == 0 {
                self.stretches.pop();
            }
            append(&mut self.stretches, 1, sign);
        }
        self.len += 1;
    }

    /// How many hundredths there were.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The stretches, each with the hundredth it begins with and how many it is long.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64, Sign)> + '_ {
        let mut at = 0;
        self.stretches.iter().map(move |(slots, sign)| {
            let (from, length) = (at, u64::from(*slots) * self.width);
            at += length;
            (from, length, *sign)
        })
    }

    /// Two slots become one.
    fn coarsen(&mut self) {
        let mut coarse = Vec::new();
        let mut odd: Option<Sign> = None;
        for (mut slots, sign) in self.stretches.drain(..) {
            if let Some(first) = odd.take() {
                append(&mut coarse, 1, first.max(sign));
                slots -= 1;
            }
            append(&mut coarse, slots / 2, sign);
            odd = (slots % 2 == 1).then_some(sign);
        }
        if let Some(last) = odd {
            append(&mut coarse, 1, last);
        }
        self.stretches = coarse;
        self.width *= 2;
    }

    /// Adds those of another process, counted from the same beginning.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.width < other.width {
            self.coarsen();
        }
        while other.width < self.width {
            other.coarsen();
        }
        let mut merged = Vec::new();
        let (mut left, mut right) = (self.stretches.iter(), other.stretches.iter());
        let (mut a, mut b) = (left.next().copied(), right.next().copied());
        loop {
            let (slots, sign) = match (a, b) {
                (Some(a), Some(b)) => (a.0.min(b.0), a.1.max(b.1)),
                (Some(rest), None) | (None, Some(rest)) => rest,
                (None, None) => break,
            };
            append(&mut merged, slots, sign);
            a = less(a, slots).or_else(|| left.next().copied());
            b = less(b, slots).or_else(|| right.next().copied());
        }
        self.stretches = merged;
        self.len = self.len.max(other.len);
        while self.stretches.len() > MOST_STRETCHES {
            self.coarsen();
        }
    }
}

/// What is left of a stretch.
fn less(stretch: Option<(u32, Sign)>, slots: u32) -> Option<(u32, Sign)> {
    stretch.and_then(|(all, sign)| (all > slots).then(|| (all - slots, sign)))
}

fn append(stretches: &mut Vec<(u32, Sign)>, slots: u32, sign: Sign) {
    match stretches.last_mut() {
        _ if slots == 0 => {}
        Some((all, last)) if *last == sign && all.checked_add(slots).is_some() => *all += slots,
        _ => stretches.push((slots, sign)),
    }
}

/// As text: each stretch's slots times four and its sign, in as few bytes as they need, in base64.
#[derive(Serialize, Deserialize)]
struct Stored {
    hundredths_each: u64,
    hundredths: u64,
    stretches: String,
}

impl Serialize for Signs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut packed = Vec::new();
        for (slots, sign) in &self.stretches {
            push_number(&mut packed, u64::from(*slots) << 2 | *sign as u64);
        }
        let stored = Stored {
            hundredths_each: self.width,
            hundredths: self.len,
            stretches: BASE64.encode(&packed),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        read(&stored).ok_or_else(|| de::Error::custom("signs of silence that do not fit together"))
    }
}

fn read(stored: &Stored) -> Option<Signs> {
    const LONGEST: u64 = 1 << 40;
    let packed = BASE64.decode(stored.stretches.as_bytes()).ok()?;
    let mut rest = &*packed;
    let mut stretches = Vec::new();
    let mut slots = 0_u64;
    while !rest.is_empty() {
        let number = take_number(&mut rest)?;
        let length = u32::try_from(number >> 2).ok()?;
        slots += u64::from(length);
        append(&mut stretches, length, Sign::ALL[(number & 3) as usize]);
    }
    let (width, len) = (stored.hundredths_each, stored.hundredths);
    let fits = width.is_power_of_two()
        && width <= LONGEST
        && len <= LONGEST
        && len.div_ceil(width) == slots
        && stretches.len() <= MOST_STRETCHES;
    fits.then_some(Signs {
        width,
        len,
        stretches,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signs(of: impl IntoIterator<Item = Sign>) -> Signs {
        let mut signs = Signs::default();
        of.into_iter().for_each(|sign| signs.push(sign));
        signs
    }

    fn any_signs() -> impl Strategy<Value = Vec<Sign>> {
        prop::collection::vec((0_usize..4).prop_map(|it| Sign::ALL[it]), 0..300)
    }

    proptest! {
        #[test]
        fn merged_the_greatest_counts(left in any_signs(), right in any_signs(), coarse in 0_u32..4) {
            let mut merged = signs(left.iter().copied());
            (0..coarse).for_each(|_| merged.coarsen());
            merged.merge(&signs(right.iter().copied()));
            let of = |all: &[Sign], at| all.get(at).copied().unwrap_or(Sign::Nothing);
            let len = left.len().max(right.len());
            let mut whole = signs((0..len).map(|at| of(&left, at).max(of(&right, at))));
            (0..coarse).for_each(|_| whole.coarsen());
            prop_assert_eq!(&merged, &whole);
            let stored = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Signs>(&stored).unwrap(), &merged);
        }

        /// Told two at a time from the beginning, or later.
        #[test]
        fn what_comes_after_they_were_made_coarser_is_told_as_coarsely(
            all in any_signs(), at in 0_usize..300,
        ) {
            let mut later = signs(all.iter().copied());
            later.coarsen();
            let at = at.min(all.len());
            let mut early = signs(all[..at].iter().copied());
            early.coarsen();
            all[at..].iter().for_each(|sign| early.push(*sign));
            prop_assert_eq!(early, later);
        }
    }

    #[test]
    fn any_length_takes_the_same_memory() {
        let mut signs = Signs::default();
        for at in 0..1_000_000_u64 {
            signs.push(Sign::ALL[(at / 3 % 4) as usize]);
        }
        assert!(signs.stretches.len() <= MOST_STRETCHES);
        assert_eq!(signs.len(), 1_000_000);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let good = serde_json::json!({"hundredths_each": 2, "hundredths": 3, "stretches": BASE64.encode(&[2 << 2])});
        assert!(serde_json::from_value::<Signs>(good.clone()).is_ok());
        for (field, value) in [
            ("hundredths_each", serde_json::json!(0)),
            ("hundredths_each", serde_json::json!(3)),
            ("hundredths", serde_json::json!(5)),
            ("stretches", serde_json::json!("gA==")),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(serde_json::from_value::<Signs>(bad).is_err(), "{field}");
        }
    }
}
