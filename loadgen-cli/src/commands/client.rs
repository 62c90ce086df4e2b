//! `loadgen client`: visits servers one after the other and says who answered, a line each.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_core::engine::Stopper;

use super::exit::{Exit, stop_at_once};
use crate::args::{ClientArgs, DelayMode};
use crate::error::Error;
use crate::signals::{Early, Listener};
use crate::visit::{Visit, Visitor};
use crate::{human, output, paint, screen};

/// Flags that contradict one another. Each message stands alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ClientError {
    /// A flag of the other way to wait.
    #[error("`{flag}` goes with `--delay-mode {goes_with}`, and the mode is {mode}")]
    OtherMode {
        /// Which flag.
        flag: &'static str,
        /// The mode that it goes with.
        goes_with: &'static str,
        /// The mode that was chosen.
        mode: &'static str,
    },
    /// A range that ends before it starts.
    #[error("`--random-max` ({most}) is below `--random-min` ({least})")]
    Range {
        /// Where it starts.
        least: String,
        /// Where it ends.
        most: String,
    },
}

/// Visits each target as often as told.
///
/// # Errors
/// When flags make no visit, or standard output takes nothing.
pub(crate) fn client(args: &ClientArgs) -> Result<Exit, Error> {
    let delay = Delay::of(args)?;
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let visitors = args.targets.with_port(args.port);
    let visitors = visitors.map(|target| Visitor::of(args, &target));
    let visitors = visitors.collect::<Result<Vec<_>, Error>>()?;
    let under_way: Arc<Mutex<Option<Stopper>>> = Arc::default();
    let (sender, told) = mpsc::channel();
    let stopping = Arc::clone(&under_way);
    signals.react(move |_| {
        let _ = sender.send(());
        if let Some(stopper) = stopping.lock().ok().as_deref().and_then(Option::as_ref) {
            stopper.abort();
        }
    });
    let paint = paint::for_stdout();
    let (mut visits, mut answered) = (0_u64, 0_u64);
    let mut is_stopped = false;
    let rounds = (1..).take_while(|round| args.repeat == 0 || *round <= args.repeat);
    let each = rounds.flat_map(|round| visitors.iter().map(move |it| (round, it)));
    for (round, visitor) in each {
        // The first is not waited for.
        let wait = if visits == 0 {
            Duration::ZERO
        } else {
            delay.next()
        };
        if told.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            is_stopped = true;
            break;
        }
        let visit = visitor.visit(&under_way);
        if matches!(visit, Visit::Stopped) {
            is_stopped = true;
            break;
        }
        visits += 1;
        answered += u64::from(visit.is_answered());
        let label = match args.repeat {
            1 => String::new(),
            0 => format!("[{round}] "),
            all => format!("[{round}/{all}] "),
        };
        output::print(&visit.text(&label, &visitor.target, paint))?;
    }
    if answered < visits {
        screen::note(format_args!("answered: {answered} of {visits}"));
    }
    Ok(exit(visits, answered, is_stopped && args.repeat != 0))
}

/// What visits come to. Those without an end are stopped by a signal in good order.
fn exit(visits: u64, answered: u64, is_cut_short: bool) -> Exit {
    match (visits, answered) {
        _ if is_cut_short => Exit::Stopped,
        (0, _) => Exit::Stopped,
        (_, 0) => Exit::Unreachable,
        (visits, answered) if answered < visits => Exit::Threshold,
        _ => Exit::Pass,
    }
}

/// How long from one visit to the next.
#[derive(Debug)]
struct Delay {
    least: Duration,
    most: Duration,
    chance: RandomState,
}

impl Delay {
    fn of(args: &ClientArgs) -> Result<Self, ClientError> {
        let refuse = |flag, goes_with, mode| ClientError::OtherMode {
            flag,
            goes_with,
            mode,
        };
        let (least, most) = match args.delay_mode {
            DelayMode::Fixed => {
                for (flag, given) in [
                    ("--random-min", args.random_min),
                    ("--random-max", args.random_max),
                ] {
                    if given.is_some() {
                        return Err(refuse(flag, "random", "fixed"));
                    }
                }
                let time = args.delay.unwrap_or(Duration::from_secs(1));
                (time, time)
            }
            DelayMode::Random => {
                if args.delay.is_some() {
                    return Err(refuse("--delay", "fixed", "random"));
                }
                let least = args.random_min.unwrap_or(Duration::from_millis(500));
                (least, args.random_max.unwrap_or(Duration::from_secs(2)))
            }
        };
        if most < least {
            return Err(ClientError::Range {
                least: human::duration(least),
                most: human::duration(most),
            });
        }
        Ok(Self {
            least,
            most,
            chance: RandomState::new(),
        })
    }

    fn next(&self) -> Duration {
        // Each hasher that a new state makes is seeded anew.
        let chance = match self.most == self.least {
            true => 0,
            false => RandomState::new().build_hasher().finish() ^ self.chance.hash_one(()),
        };
        let share = (chance >> 11) as f64 / (1_u64 << 53) as f64;
        self.least + (self.most - self.least).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(3, 3, false => Exit::Pass)]
    #[test_case(3, 2, false => Exit::Threshold)]
    #[test_case(3, 0, false => Exit::Unreachable)]
    #[test_case(2, 2, true => Exit::Stopped; "cut short")]
    #[test_case(0, 0, false => Exit::Stopped; "before the first")]
    fn exits(visits: u64, answered: u64, is_cut_short: bool) -> Exit {
        exit(visits, answered, is_cut_short)
    }

    #[test]
    fn random_times_are_all_over_their_range() {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(2));
        let delay = Delay {
            least,
            most,
            chance: RandomState::new(),
        };
        let times: Vec<Duration> = (0..200).map(|_| delay.next()).collect();
        assert!(times.iter().all(|it| (least..=most).contains(it)));
        assert!(times.iter().any(|it| *it < least + (most - least) / 4));
        assert!(times.iter().any(|it| *it > most - (most - least) / 4));
    }
}
