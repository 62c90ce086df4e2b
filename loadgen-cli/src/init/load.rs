//! How much load, for how long, and to what goal.

use std::io::{BufRead, Write};
use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::units::{Rate, format_duration, parse_duration};

use super::{Dialog, InitError};
use crate::args::{AdHocArgs, InitArgs, RunArgs};

/// How long a scenario lasts unless told.
const DURATION: Duration = Duration::from_secs(30);
/// Users unless told.
const USERS: u64 = 10;
/// The goal unless told.
const GOAL: &str = "error_rate < 1%";

/// How a load is said: so many users, or a rate.
enum LoadAnswer {
    Users(u64),
    Rate(Rate),
}

impl LoadAnswer {
    fn read(answer: &str) -> Result<Self, String> {
        let users = answer
            .trim_end_matches("users")
            .trim_end_matches("user")
            .trim_end();
        if let Ok(users @ 1..=1_000_000) = users.parse() {
            return Ok(Self::Users(users));
        }
        answer
            .parse()
            .map(Self::Rate)
            .map_err(|_| "expected a number of users, like 10, or a rate, like 500/s".to_owned())
    }
}

/// Load and goal.
pub(super) fn shared<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHocArgs, InitError> {
    let load = match (args.concurrency, args.rate, &mut dialog) {
        (_, Some(rate), _) => LoadAnswer::Rate(rate),
        (Some(users), ..) => LoadAnswer::Users(users),
        (None, None, Some(dialog)) => {
            let proposal = USERS.to_string();
            dialog.ask(
                "Load: so many users, like 10, or a rate, like 500/s",
                Some(&proposal),
                LoadAnswer::read,
            )?
        }
        (None, None, None) => LoadAnswer::Users(USERS),
    };
    let duration = match (args.duration, &mut dialog) {
        (Some(duration), _) => duration,
        (None, Some(dialog)) => {
            dialog.ask("For how long", Some(&format_duration(DURATION)), |answer| {
                let read = parse_duration(answer).map_err(|error| error.to_string())?;
                match read.is_zero() {
                    true => Err("expected a duration above zero".to_owned()),
                    false => Ok(read),
                }
            })?
        }
        (None, None) => DURATION,
    };
    let thresholds = match (args.thresholds.as_slice(), &mut dialog) {
        ([], Some(dialog)) => {
            let question = "Goal, like response_time.p99 < 50ms";
            let goal = dialog.ask(question, Some(GOAL), |answer| {
                let read = answer.parse::<Threshold>();
                read.map(|_| answer.to_owned())
                    .map_err(|error| error.to_string())
            })?;
            vec![goal]
        }
        ([], None) => vec![GOAL.to_owned()],
        (given, _) => given.to_vec(),
    };
    let (concurrency, rate) = match load {
        LoadAnswer::Users(users) => (Some(users), None),
        LoadAnswer::Rate(rate) => (None, Some(rate)),
    };
    Ok(AdHocArgs {
        thresholds,
        run: RunArgs {
            concurrency,
            rate,
            duration: Some(duration),
            ..RunArgs::default()
        },
        ..AdHocArgs::default()
    })
}
