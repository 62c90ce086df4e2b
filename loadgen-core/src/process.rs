//! What this process takes of its machine: processor time, memory, descriptors.
//!
//! Owns the reading of them, where the system tells. Keeps no history but the last reading.

use std::fs;
use std::time::Duration;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::clock::{Clock, Nanos};

/// What the process takes. `None` is what this system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Vitals {
    /// Processor time used since the reading before, over the time since: 1.5 is one core and a
    /// half. `None` at the first reading.
    pub cpu_cores: Option<f64>,
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// How many may be open.
    pub open_files_limit: Option<u64>,
}

/// Reads [`Vitals`] now and then.
#[derive(Debug)]
pub struct Meter {
    clock: Clock,
    last: Option<(Nanos, Nanos)>,
}

impl Meter {
    /// A meter that goes by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: None }
    }

    /// What the process takes now.
    pub fn read(&mut self) -> Vitals {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = used.tv_sec.unsigned_abs() * 1_000_000_000 + used.tv_nsec.unsigned_abs();
        let now = self.clock.now();
        let before = self.last.replace((now, used));
        let cpu_cores = before.filter(|(at, _)| now > *at).map(|(at, before)| {
            let cores = used.saturating_sub(before) as f64 / (now - at) as f64;
            (cores * 1_000.0).round() / 1_000.0
        });
        Vitals {
            cpu_cores,
            memory_bytes: resident(),
            open_files: open_files(),
            open_files_limit: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The processor time that the calling thread has used.
pub(crate) fn thread_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        used.tv_sec.unsigned_abs(),
        used.tv_nsec.unsigned_abs() as u32,
    )
}

/// The second number of Linux's `statm` is the resident memory, in pages.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

/// Linux says in the folder's size how many it holds, since 6.2; before, it says 0.
fn open_files() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        0 => Some(fs::read_dir(FOLDER).ok()?.count() as u64),
        known => Some(known),
    }
}

/// The real-time scheduling policy of the calling thread, which those it starts have too; `None`
/// where it has none.
pub(crate) fn real_time_policy() -> Option<&'static str> {
    policy(&fs::read_to_string("/proc/thread-self/stat").ok()?)
}

/// The 41st field of Linux's `stat`; the second is a name in brackets that may hold blanks.
fn policy(stat: &str) -> Option<&'static str> {
    let (_, fields) = stat.rsplit_once(')')?;
    match fields.split_ascii_whitespace().nth(38)? {
        "1" => Some("SCHED_FIFO"),
        "2" => Some("SCHED_RR"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0" => None; "the usual one")]
    #[test_case("1" => Some("SCHED_FIFO"))]
    #[test_case("2" => Some("SCHED_RR"))]
    #[test_case("3" => None; "batch")]
    fn policies(number: &str) -> Option<&'static str> {
        // As Linux 6.18 wrote it for `chrt`, with another name.
        policy(&format!(
            "7066 (a name) with) R 7065 7065 7065 0 -1 4194304 86 0 0 0 0 0 0 0 -2 0 1 0 170153 \
             2994176 241 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 1 {number} 0 0 0 0 0 0"
        ))
    }

    #[test]
    fn a_reading_tells_what_the_process_does() {
        let mut meter = Meter::new(Clock::start());
        assert_eq!(meter.read().cpu_cores, None);
        let mut work = 0_u64;
        let clock = Clock::start();
        while clock.now() < 20_000_000 {
            work = std::hint::black_box(work.wrapping_add(1));
        }
        let vitals = meter.read();
        // Other tests may work beside this one.
        assert!(vitals.cpu_cores.unwrap() > 0.0, "{vitals:?}");
        if cfg!(target_os = "linux") {
            assert!(vitals.memory_bytes.unwrap() > 1 << 20, "{vitals:?}");
            let (open, limit) = (vitals.open_files.unwrap(), vitals.open_files_limit);
            assert!((3..=limit.unwrap()).contains(&open), "{vitals:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn one_more_file_is_one_more() {
        let before = open_files().unwrap();
        let held: Vec<_> = (0..200)
            .map(|_| fs::File::open("/proc/self/statm").unwrap())
            .collect();
        // Other tests open and close files beside this one.
        let more = open_files().unwrap().saturating_sub(before);
        assert!((100..400).contains(&more), "{more} more");
        drop(held);
    }
}
