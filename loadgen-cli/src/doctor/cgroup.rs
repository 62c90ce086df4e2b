//! The limits of the control group that this process is in, version 1 or 2.
//!
//! A limit of a group holds for all groups within it, so every group from ours up to the mount
//! is looked at and the tightest limit counts. Within a container the path that the system tells
//! may lie outside of what is mounted; the mount itself is then the container's group.

use std::path::{Path, PathBuf};

use super::facts::{GroupMemory, Quota};
use super::read::System;

/// From here on version 1 means "no limit"; it prints the largest number of whole pages.
const UNLIMITED_V1: u64 = 1 << 62;

/// Our groups for one controller, innermost first.
struct Groups {
    is_v2: bool,
    folders: Vec<PathBuf>,
}

/// The tightest limit of processor time.
pub(super) fn quota(system: &System<'_>) -> Option<Quota> {
    let groups = groups(system, "cpu")?;
    groups
        .folders
        .iter()
        .filter_map(|folder| quota_of(system, folder, groups.is_v2))
        .min_by(|a, b| a.cpus.total_cmp(&b.cpus))
}

fn quota_of(system: &System<'_>, folder: &Path, is_v2: bool) -> Option<Quota> {
    let (file, quota, period, unlimited) = if is_v2 {
        let file = folder.join("cpu.max");
        let text = system.text(&file)?;
        let mut words = text.split_whitespace();
        let quota: f64 = words.next()?.parse().ok()?;
        (file, quota, words.next()?.parse().ok()?, "max")
    } else {
        let file = folder.join("cpu.cfs_quota_us");
        let quota: f64 = system.first(&file)?;
        let period: f64 = system.first(folder.join("cpu.cfs_period_us"))?;
        (file, quota, period, "-1")
    };
    // Version 1 says -1 where there is no limit, version 2 a word that is no number.
    (quota > 0.0 && period > 0.0).then(|| {
        let stat = system.text(folder.join("cpu.stat")).unwrap_or_default();
        Quota {
            cpus: quota / period,
            file,
            unlimited,
            periods: value(&stat, "nr_periods").unwrap_or_default(),
            throttled: value(&stat, "nr_throttled").unwrap_or_default(),
        }
    })
}

/// The limit of memory that leaves the least.
pub(super) fn memory(system: &System<'_>) -> Option<GroupMemory> {
    let groups = groups(system, "memory")?;
    let names = if groups.is_v2 {
        ["memory.max", "memory.current", "inactive_file"]
    } else {
        [
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ]
    };
    groups
        .folders
        .iter()
        .filter_map(|folder| {
            let file = folder.join(names[0]);
            let limit: u64 = system.first(&file)?;
            let used: u64 = system.first(folder.join(names[1]))?;
            // Cached files count as used, and are given back when memory is short.
            let stat = system.text(folder.join("memory.stat")).unwrap_or_default();
            let cached = value(&stat, names[2]).unwrap_or_default();
            (limit < UNLIMITED_V1).then(|| GroupMemory {
                limit,
                used: used.saturating_sub(cached),
                file,
            })
        })
        .min_by_key(|it| it.limit.saturating_sub(it.used))
}

/// The value behind a word, in lines of a word and a value.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(word, _)| *word == key)
        .and_then(|(_, value)| value.trim().parse().ok())
}

fn groups(system: &System<'_>, controller: &str) -> Option<Groups> {
    let ours = system.text("proc/self/cgroup")?;
    let mounts = system.text("proc/self/mountinfo")?;
    let lines = || ours.lines().filter_map(parse_group);
    let named = |controllers: &str| controllers.split(',').any(|it| it == controller);
    // Where both versions are mounted a controller belongs to one of them, and version 1 says so.
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
    Some(Groups { is_v2, folders })
}

/// A line of `/proc/self/cgroup`: number, controllers, path.
fn parse_group(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}
