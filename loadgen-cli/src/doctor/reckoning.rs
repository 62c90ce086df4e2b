//! How much memory a run takes at the least, before it begins.
//!
//! The kernel ends a process that wants more than there is, without a word and without a report. Each
//! figure here is what has been measured, rounded down, so that nothing is refused that would fit.

use loadgen_core::engine::MOST_IN_LINE;
use loadgen_core::scenario::{ProtocolPlan, ScenarioPlan};
use loadgen_core::schedule::{Load, OpenModel, WhenBusy};
use rustix::process::{Resource, getrlimit};

use super::facts::Memory;
use super::judge::USER_BYTES;
use crate::human;

/// One gRPC user: its task and the call that it makes.
const GRPC_USER_BYTES: u64 = 6 << 10;
/// A histogram of times up to some hundred microseconds, to three digits.
const HISTOGRAM_BYTES: u64 = 64 << 10;
/// The same up to a millisecond: some of a scenario's own times are that long.
const OWN_HISTOGRAM_BYTES: u64 = 88 << 10;
/// One of some hundred microseconds to two digits, as some parts of steps are kept.
const COARSE_BYTES: u64 = 8 << 10;
/// An arrival in line.
const ARRIVAL_BYTES: u64 = 16;

/// What a run takes, each in number and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reckoning {
    users: Part,
    connections: Part,
    histograms: Part,
    in_line: Part,
}

/// A number of things and what they take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    number: u64,
    bytes: u64,
}

impl Part {
    fn add(&mut self, number: u64, each: u64) {
        self.number = self.number.saturating_add(number);
        self.bytes = self.bytes.saturating_add(number.saturating_mul(each));
    }
}

impl Reckoning {
    /// What these scenarios take on so many workers. `connections` tells how many a scenario has.
    pub(super) fn of(
        scenarios: &[ScenarioPlan],
        workers: usize,
        connections: impl Fn(&ScenarioPlan) -> u64,
    ) -> Self {
        let mut sum = Self::default();
        for scenario in scenarios {
            let users = u64::from(scenario.load.max_users());
            let open = connections(scenario);
            sum.connections.add(open, USER_BYTES);
            let (each, most) = match &scenario.protocol {
                ProtocolPlan::Grpc(grpc) => (GRPC_USER_BYTES, grpc.connections),
                // A WebSocket user and its connection are one.
                _ => (0, None),
            };
            sum.users.add(users, each);
            let most = most.map_or(users, u64::from).max(1);
            sum.histograms(scenario, (workers as u64).min(users).min(most).max(1));
            if let Load::Open(model) = &scenario.load
                && model.when_busy == WhenBusy::Queue
            {
                sum.in_line
                    .add(arrivals(model).min(MOST_IN_LINE as u64), ARRIVAL_BYTES);
            }
        }
        sum
    }

    /// Those of the scenario's own times, and those of each step of several: what a worker records into,
    /// the same again for what is on its way to be merged, the whole, and the last second.
    fn histograms(&mut self, scenario: &ScenarioPlan, lanes: u64) {
        let steps = match scenario.step_names().count() as u64 {
            0 | 1 => 0,
            several => several,
        };
        // Response times are apart for each second in which iterations were due, and a tick is of two;
        // connect and service times, and the parts that the load model has.
        let own = match scenario.load {
            Load::Open(_) => 10,
            Load::Closed(_) => 8,
        };
        // One tick is filled, one is on its way, and one is next.
        self.histograms
            .add(own * (3 * lanes + 2), OWN_HISTOGRAM_BYTES);
        self.histograms
            .add(steps * (6 * lanes + 5), HISTOGRAM_BYTES);
        self.histograms.add(steps * (10 * lanes + 5), COARSE_BYTES);
    }

    fn bytes(&self) -> u64 {
        [self.users, self.connections, self.histograms, self.in_line]
            .iter()
            .fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// Makes sure that it fits. Where the system does not tell how much there is, it does.
    ///
    /// # Errors
    /// [`MemoryError`] when it does not.
    pub(crate) fn check(&self, memory: Option<&Memory>) -> Result<(), MemoryError> {
        // What `ulimit -v` sets.
        let limit = getrlimit(Resource::As).current;
        let room = memory.map(Memory::room).into_iter().chain(limit).min();
        self.fits(room)
    }

    pub(super) fn fits(&self, room: Option<u64>) -> Result<(), MemoryError> {
        match room {
            Some(room) if self.bytes() > room => Err(MemoryError {
                reckoning: *self,
                room,
            }),
            _ => Ok(()),
        }
    }
}

/// How many arrivals the plan has.
fn arrivals(model: &OpenModel) -> u64 {
    let stages = model.stages.iter();
    let all = stages.map(|it| it.duration.as_secs_f64() * (it.from + it.to) / 2.0);
    all.sum::<f64>() as u64
}

/// A run that takes more memory than there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", in_words(self))]
pub(crate) struct MemoryError {
    reckoning: Reckoning,
    room: u64,
}

fn in_words(error: &MemoryError) -> String {
    let MemoryError { reckoning, room } = error;
    let parts = [
        (reckoning.users, "user", "fewer users (`--concurrency`)"),
        (
            reckoning.connections,
            "connection",
            "fewer connections (`--connections`; of WebSocket, `--concurrency`)",
        ),
        (
            reckoning.histograms,
            "histogram",
            "fewer scenarios or steps at a time, or fewer `--workers`",
        ),
        (
            reckoning.in_line,
            "arrival",
            "a lower rate, or `\"when_busy\": \"drop\"`, with which none stand in line",
        ),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(part, ..)| part.bytes > 0)
        .map(|(part, noun, _)| {
            let in_line = if *noun == "arrival" { " in line" } else { "" };
            let number = human::counted(part.number, noun);
            format!("{number}{in_line} {}", human::bytes(part.bytes))
        })
        .collect();
    let largest = parts.iter().max_by_key(|(part, ..)| part.bytes);
    let help = largest.map_or("", |(.., help)| help);
    format!(
        "the run would take at least {} of memory ({}), and {} can be had; ask for {help}, free some \
         memory, or raise its limit",
        human::bytes(reckoning.bytes()),
        told.join(", "),
        human::bytes(*room),
    )
}
