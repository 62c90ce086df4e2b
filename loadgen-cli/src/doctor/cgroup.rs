//! The limits of the control group that this process is in, version 1 or 2.
//!
//! A limit of a group holds for all groups within it, so every group from ours up to the mount
//! is looked at and the tightest limit counts.

use std::path::Path;

use loadgen_core::cgroup::{Groups, Throttled, value};

use super::facts::{GroupMemory, Quota};
use super::system::System;

/// From here on version 1 means "no limit"; it prints the largest number of whole pages.
const UNLIMITED_V1: u64 = 1 << 62;

/// The tightest limit of processor time.
pub(super) fn quota(system: &System<'_>) -> Option<Quota> {
    let groups = Groups::find("cpu", |path| system.text(path))?;
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
        let stat = system.text(folder.join("cpu.stat"));
        let throttled = stat.as_deref().and_then(Throttled::parse);
        let throttled = throttled.unwrap_or_default();
        Quota {
            cpus: quota / period,
            file,
            unlimited,
            periods: throttled.periods,
            throttled: throttled.stopped,
        }
    })
}

/// The limit of memory that leaves the least.
pub(super) fn memory(system: &System<'_>) -> Option<GroupMemory> {
    let groups = Groups::find("memory", |path| system.text(path))?;
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
