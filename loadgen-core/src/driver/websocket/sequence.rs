//! Sequence numbers of a stream: which came, which are missing.

/// Numbers that a stream has left out and that are still waited for, at most. Beyond that, one
/// that comes late counts as unexpected.
const MOST_REMEMBERED: u64 = 1024;

/// What is known of a stream's numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    next: Option<u64>,
    left_out: Vec<u64>,
    missing: u64,
}

/// What a number says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It belongs to the stream, numbers left out before it or not.
    New,
    /// It was left out before.
    OutOfOrder,
    /// It was there already.
    Again,
}

impl Sequence {
    /// Of a stream that begins with 0.
    pub(super) fn from_zero() -> Self {
        Self {
            next: Some(0),
            ..Self::default()
        }
    }

    /// Takes note of a number. A sequence without a beginning begins with the first.
    pub(super) fn note(&mut self, number: u64) -> Arrival {
        let next = *self.next.get_or_insert(number);
        if number >= next {
            let left_out = number - next;
            self.missing += left_out;
            let remembered =
                left_out.min(MOST_REMEMBERED.saturating_sub(self.left_out.len() as u64));
            self.left_out.extend(number - remembered..number);
            self.next = Some(number.saturating_add(1));
            return Arrival::New;
        }
        match self
            .left_out
            .iter()
            .position(|left_out| *left_out == number)
        {
            Some(place) => {
                self.left_out.swap_remove(place);
                self.missing -= 1;
                Arrival::OutOfOrder
            }
            None => Arrival::Again,
        }
    }

    /// How many numbers were left out and have not come.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Some of them: those that would still be recognised.
    pub(super) fn left_out(&self) -> &[u64] {
        &self.left_out
    }

    /// The number after the highest that came.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Forgets what is missing, which has been reported, and goes on from where it is.
    pub(super) fn settle(&mut self) {
        self.left_out.clear();
        self.missing = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(&[0, 1, 2] => (0, Some(3)))]
    #[test_case(&[0, 3] => (2, Some(4)); "two left out")]
    #[test_case(&[2] => (2, Some(3)); "from zero")]
    #[test_case(&[0, 3, 1] => (1, Some(4)); "one of them late")]
    #[test_case(&[0, 0] => (0, Some(1)); "twice")]
    #[test_case(&[u64::MAX] => (u64::MAX, Some(u64::MAX)); "as high as can be")]
    fn counts(numbers: &[u64]) -> (u64, Option<u64>) {
        let mut sequence = Sequence::from_zero();
        for number in numbers {
            sequence.note(*number);
        }
        (sequence.missing(), sequence.next())
    }

    #[test]
    fn begins_with_the_first_where_nothing_else_is_known() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.note(1000), Arrival::New);
        assert_eq!(sequence.missing(), 0);
        assert_eq!(sequence.note(999), Arrival::Again);
    }

    proptest! {
        /// In whatever order all numbers come, none is missing at the end.
        #[test]
        fn nothing_is_missing_once_all_have_come(
            numbers in Just((0_u64..50).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let mut sequence = Sequence::from_zero();
            for number in &numbers {
                prop_assert_ne!(sequence.note(*number), Arrival::Again);
            }
            prop_assert_eq!(sequence.missing(), 0);
            for number in numbers {
                prop_assert_eq!(sequence.note(number), Arrival::Again);
            }
        }
    }
}
