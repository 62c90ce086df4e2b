//! How long the server takes over a reply.

use super::clock::{MILLISECOND, Nanos, SECOND};

/// How service times are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Service {
    /// Always the same.
    Constant(Nanos),
    /// With this mean; one in a thousand takes seven times as long.
    Exponential(Nanos),
    /// Nine in ten the first, the others the second.
    Bimodal(Nanos, Nanos),
    /// No time, but for one second, which begins two after the first request: what comes in it is
    /// answered at its end.
    Frozen,
}

/// When a server that freezes does so, after its first request.
const FROZEN_FROM: Nanos = 2 * SECOND;
const FROZEN_TO: Nanos = 3 * SECOND;

impl Service {
    /// No time at all.
    pub(super) const ZERO: Self = Self::Constant(0);

    /// When a reply is due to a request received at `received`, where the server's first request
    /// was received at `first`.
    pub(super) fn due(self, received: Nanos, first: Nanos, random: &mut fastrand::Rng) -> Nanos {
        match self {
            Self::Constant(time) => received + time,
            Self::Exponential(mean) => {
                let draw = -(1.0 - random.f64()).ln();
                received + (mean as f64 * draw) as Nanos
            }
            Self::Bimodal(short, long) => received + if random.u8(..) < 230 { short } else { long },
            Self::Frozen => self.thawed(received, first),
        }
    }

    /// The time, or the end of the freeze where it lies in one.
    pub(super) fn thawed(self, at: Nanos, first: Nanos) -> Nanos {
        let frozen = first + FROZEN_FROM..first + FROZEN_TO;
        if self == Self::Frozen && frozen.contains(&at) {
            frozen.end
        } else {
            at
        }
    }

    /// A word for the table.
    pub(super) fn name(self) -> String {
        let ms = |time: Nanos| time as f64 / MILLISECOND as f64;
        match self {
            Self::Constant(0) => "at once".to_owned(),
            Self::Constant(time) => format!("{} ms", ms(time)),
            Self::Exponential(mean) => format!("exponential {} ms", ms(mean)),
            Self::Bimodal(short, long) => format!("{} or {} ms", ms(short), ms(long)),
            Self::Frozen => "frozen for 1 s".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_the_freeze_is_answered_at_its_end() {
        let due = |received| Service::Frozen.due(received, 10, &mut fastrand::Rng::with_seed(1));
        assert_eq!(due(10 + FROZEN_FROM - 1), 10 + FROZEN_FROM - 1);
        assert_eq!(due(10 + FROZEN_FROM), 10 + FROZEN_TO);
        assert_eq!(due(10 + FROZEN_TO), 10 + FROZEN_TO);
    }

    #[test]
    fn draws_have_the_mean_and_the_shares() {
        let mut random = fastrand::Rng::with_seed(1);
        let mean = |service: Service, random: &mut fastrand::Rng| {
            (0..100_000)
                .map(|_| service.due(0, 0, random))
                .sum::<Nanos>()
                / 100_000
        };
        let exponential = mean(Service::Exponential(1_000_000), &mut random);
        assert!((980_000..1_020_000).contains(&exponential), "{exponential}");
        let bimodal = mean(Service::Bimodal(1_000_000, 11_000_000), &mut random);
        assert!((1_950_000..2_080_000).contains(&bimodal), "{bimodal}");
    }
}
