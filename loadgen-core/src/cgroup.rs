//! The control groups that this process is in, version 1 or 2, and how long they were stopped.
//!
//! A limit of a group holds for all groups within it, so every group from ours up to the mount is
//! looked at. Within a container the path that the system tells may lie outside of what is
//! mounted; the mount itself is then the container's group. Keeps no history but two readings.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::{Nanos, nanos};

/// Our groups for one controller, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Groups {
    /// Whether they are of version 2.
    pub is_v2: bool,
    /// Their folders, as the system names them.
    pub folders: Vec<PathBuf>,
}

impl Groups {
    /// The groups for a controller such as `cpu`; `None` where there are none. `read` gives the text
    /// of a file of the system, by its whole path.
    pub fn find(controller: &str, read: impl Fn(&Path) -> Option<String>) -> Option<Self> {
        let ours = read(Path::new("/proc/self/cgroup"))?;
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let lines = || ours.lines().filter_map(parse_group);
        let named = |controllers: &str| controllers.split(',').any(|it| it == controller);
        // Where both versions are mounted a controller belongs to one of them, and version 1 says
        // so.
        let v1 = lines().find(|(controllers, _)| named(controllers));
        let (is_v2, (_, path)) = match v1 {
            Some(group) => (false, group),
            None => (
                true,
                lines().find(|(controllers, _)| controllers.is_empty())?,
            ),
        };
        let (root, mount) = mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut kind = kind.split(' ');
            let fits = match kind.next()? {
                "cgroup2" => is_v2,
                "cgroup" => !is_v2 && named(kind.nth(1)?),
                _ => false,
            };
            let mut fields = mount.split(' ').skip(3);
            fits.then_some((fields.next()?, fields.next()?))
        })?;
        let mount = Path::new(mount);
        let within = Path::new(path).strip_prefix(root).ok();
        let within = within.filter(|it| it.components().all(|part| part.as_os_str() != ".."));
        let folder = mount.join(within.unwrap_or(Path::new("")));
        let folders = folder
            .ancestors()
            .take_while(|it| it.starts_with(mount))
            .map(Path::to_owned)
            .collect();
        Some(Self { is_v2, folders })
    }
}

/// A line of `/proc/self/cgroup`: number, controllers, path.
fn parse_group(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}

/// The value behind a word, in a group's file of lines of a word and a value.
#[must_use]
pub fn value(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(word, _)| *word == key)
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// How often and for how long a group that had used up its quota of processor time was stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Throttled {
    /// Periods in which the group wanted to run.
    pub periods: u64,
    /// Those of them in which it was stopped.
    pub stopped: u64,
    /// For how long, added up over processors.
    pub time: Duration,
}

impl Throttled {
    /// What a group's `cpu.stat` says; `None` where it says nothing of the kind.
    #[must_use]
    pub fn parse(stat: &str) -> Option<Self> {
        // The word and the unit differ between the versions.
        let micros = value(stat, "throttled_usec").map(Duration::from_micros);
        let time = micros.or_else(|| value(stat, "throttled_time").map(Duration::from_nanos))?;
        Some(Self {
            periods: value(stat, "nr_periods")?,
            stopped: value(stat, "nr_throttled")?,
            time,
        })
    }
}

/// Each group's time so far, and when it was read.
type Reading = (Nanos, Vec<Option<Duration>>);

/// Tells what part of some time the groups that this process is in were stopped.
#[derive(Debug, Default)]
pub(crate) struct ThrottleMeter {
    /// The `cpu.stat` of each of our groups.
    files: Vec<PathBuf>,
    measured_from: Option<Reading>,
    measured_until: Option<Reading>,
    last: Option<Reading>,
}

impl ThrottleMeter {
    /// A meter of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    /// The same, on what the files below `root` say.
    fn below(root: &Path) -> Self {
        let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        let groups = Groups::find("cpu", |path| fs::read_to_string(below(path)).ok());
        let folders = groups.map_or_else(Vec::new, |it| it.folders);
        Self {
            files: folders
                .iter()
                .map(|folder| below(folder).join("cpu.stat"))
                .collect(),
            ..Self::default()
        }
    }

    /// What is measured begins.
    pub(crate) fn begin(&mut self, now: Nanos) {
        self.measured_from = Some(self.read(now));
    }

    /// What is measured is over: what follows is the drain, in which little is left to be late. The first
    /// word counts, and only once it has begun.
    pub(crate) fn end(&mut self, now: Nanos) {
        if self.has_begun() && self.measured_until.is_none() {
            self.measured_until = Some(self.read(now));
        }
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.measured_until.is_some()
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.measured_from.is_some()
    }

    /// The share of the time since the call before, 0 to 1.
    pub(crate) fn since_last(&mut self, now: Nanos) -> Option<f64> {
        let reading = self.read(now);
        let last = self.last.replace(reading);
        share(&last?, self.last.as_ref()?)
    }

    /// The share of the measured time, 0 to 1; of that until now where it is not over.
    pub(crate) fn since_begin(&self, now: Nanos) -> Option<f64> {
        let from = self.measured_from.as_ref()?;
        match &self.measured_until {
            Some(until) => share(from, until),
            None => share(from, &self.read(now)),
        }
    }

    fn read(&self, now: Nanos) -> Reading {
        let time = |file: &PathBuf| {
            let throttled = Throttled::parse(&fs::read_to_string(file).ok()?)?;
            Some(throttled.time)
        };
        (now, self.files.iter().map(time).collect())
    }
}

/// What part of the time between two readings the group that was stopped longest was. The system
/// adds the time up over processors, so that it can be more than all of it.
fn share((from, before): &Reading, (to, after): &Reading) -> Option<f64> {
    let wall = to.checked_sub(*from).filter(|wall| *wall > 0)?;
    let stopped = before.iter().zip(after).filter_map(|(before, after)| {
        let stopped = (*after)?.saturating_sub((*before)?);
        Some(nanos(stopped) as f64 / wall as f64)
    });
    stopped.reduce(f64::max).map(|share| share.min(1.0))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn write(root: &TempDir, path: &str, text: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn v1(root: &TempDir, path: &str, nanos: u64) {
        let stat = format!("nr_periods 9\nnr_throttled 3\nthrottled_time {nanos}\nnr_bursts 0\n");
        write(root, path, &stat);
    }

    fn v2(root: &TempDir, path: &str, micros: u64) {
        let stat = format!("usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec {micros}\n");
        write(root, path, &stat);
    }

    #[test]
    fn the_group_that_was_stopped_longest_counts() {
        let root = TempDir::new().unwrap();
        write(
            &root,
            "proc/self/mountinfo",
            "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
        );
        write(&root, "proc/self/cgroup", "0::/outer/inner\n");
        let [inner, outer] =
            ["outer/inner", "outer"].map(|it| format!("sys/fs/cgroup/{it}/cpu.stat"));
        v2(&root, &inner, 7_000_000);
        v2(&root, &outer, 1_000_000);
        // The outermost group of all has no such figures.
        write(&root, "sys/fs/cgroup/cpu.stat", "usage_usec 5\n");
        let mut meter = ThrottleMeter::below(root.path());
        assert!(!meter.has_begun());
        assert_eq!(meter.since_begin(SECOND), None, "nothing is measured yet");
        assert_eq!(meter.since_last(SECOND), None, "the first reading");
        v2(&root, &inner, 7_010_000);
        v2(&root, &outer, 1_250_000);
        meter.begin(2 * SECOND);
        assert!(meter.has_begun());
        assert_eq!(meter.since_last(2 * SECOND), Some(0.25));
        v2(&root, &inner, 7_510_000);
        assert_eq!(meter.since_last(3 * SECOND), Some(0.5));
        assert_eq!(meter.since_begin(6 * SECOND), Some(0.125));
        assert_eq!(meter.since_begin(2 * SECOND), None, "no time has passed");
    }

    /// A run that was stopped for half of its load and then drained for long was stopped for half.
    #[test]
    fn the_drain_is_left_out() {
        let root = TempDir::new().unwrap();
        write(
            &root,
            "proc/self/mountinfo",
            "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
        );
        write(&root, "proc/self/cgroup", "0::/job\n");
        v2(&root, "sys/fs/cgroup/job/cpu.stat", 0);
        let mut meter = ThrottleMeter::below(root.path());
        meter.end(0);
        assert!(!meter.has_ended(), "it has not begun");
        meter.begin(0);
        v2(&root, "sys/fs/cgroup/job/cpu.stat", 500_000);
        meter.end(SECOND);
        v2(&root, "sys/fs/cgroup/job/cpu.stat", 600_000);
        meter.end(2 * SECOND);
        assert_eq!(meter.since_begin(10 * SECOND), Some(0.5));
        assert_eq!(meter.since_last(10 * SECOND), None, "the first reading");
    }

    #[test]
    fn version_1_counts_in_nanoseconds_and_processors_add_up() {
        let root = TempDir::new().unwrap();
        write(
            &root,
            "proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        write(
            &root,
            "proc/self/cgroup",
            "4:memory:/\n1:cpu,cpuacct:/job\n0::/\n",
        );
        v1(&root, "sys/fs/cgroup/cpu/job/cpu.stat", 0);
        let mut meter = ThrottleMeter::below(root.path());
        meter.begin(0);
        v1(&root, "sys/fs/cgroup/cpu/job/cpu.stat", 200_000_000);
        assert_eq!(meter.since_begin(SECOND), Some(0.2));
        v1(&root, "sys/fs/cgroup/cpu/job/cpu.stat", 1_400_000_000);
        assert_eq!(meter.since_begin(SECOND), Some(1.0));
    }

    #[test]
    fn where_the_system_does_not_tell_nothing_is_said() {
        let root = TempDir::new().unwrap();
        let mut meter = ThrottleMeter::below(root.path());
        meter.begin(0);
        assert_eq!(meter.since_begin(SECOND), None);
    }
}
