//! Reads facts from `/proc` and `/sys`.
//!
//! Below a root that a test can choose. Elsewhere than on Linux the files are not there, and so
//! nothing is known.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use super::cgroup;
use super::facts::{
    Backlog, Buffers, ClockSource, Conntrack, Cpus, Facts, Files, Idle, IdleState, Memory, Ports,
    TimeWait,
};
use super::system::System;
use crate::limits;

impl Facts {
    /// Those of the machine this runs on.
    pub(crate) fn of_this_machine() -> Self {
        let mut facts = Self::below(Path::new("/"));
        facts.is_linux = cfg!(target_os = "linux");
        (facts.files.soft, facts.files.hard) = limits::open_files();
        facts.cpus.usable = thread::available_parallelism()
            .map_or(1, NonZeroUsize::get)
            .try_into()
            .unwrap_or(u64::MAX);
        facts
    }

    /// What the files below `root` say; what system calls tell is left as it is by default.
    pub(super) fn below(root: &Path) -> Self {
        let system = System { root };
        Self {
            is_linux: true,
            files: system.files(),
            ports: system.ports(),
            time_wait: system.time_wait(),
            conntrack: system.conntrack(),
            backlog: system.backlog(),
            buffers: system.buffers(),
            cpus: system.cpus(),
            quota: cgroup::quota(&system),
            governors: system.governors(),
            idle: system.idle(),
            memory: system.memory(),
            clock_source: system.clock_source(),
            load_average: system.first("proc/loadavg"),
        }
    }
}

impl System<'_> {
    fn files(&self) -> Files {
        Files {
            soft: u64::MAX,
            hard: u64::MAX,
            nr_open: self.first("proc/sys/fs/nr_open"),
            file_max: self.first("proc/sys/fs/file-max"),
            in_use: self.first("proc/sys/fs/file-nr"),
        }
    }

    fn ports(&self) -> Option<Ports> {
        let [first, last] = self.numbers("proc/sys/net/ipv4/ip_local_port_range")?;
        let (first, last) = (first.try_into().ok()?, last.try_into().ok()?);
        let reserved = self
            .text("proc/sys/net/ipv4/ip_local_reserved_ports")
            .unwrap_or_default();
        Some(Ports {
            first,
            last,
            reserved: counted_within(&reserved, first.into(), last.into()),
            lowest: self
                .first("proc/sys/net/ipv4/ip_unprivileged_port_start")
                .unwrap_or_default(),
        })
    }

    fn time_wait(&self) -> Option<TimeWait> {
        Some(TimeWait {
            reuse: self.first("proc/sys/net/ipv4/tcp_tw_reuse")?,
            timestamps: self.first::<u64>("proc/sys/net/ipv4/tcp_timestamps") != Some(0),
            most: self.first("proc/sys/net/ipv4/tcp_max_tw_buckets"),
        })
    }

    fn conntrack(&self) -> Option<Conntrack> {
        let folder = Path::new("proc/sys/net/netfilter");
        Some(Conntrack {
            most: self.first(folder.join("nf_conntrack_max"))?,
            in_use: self.first(folder.join("nf_conntrack_count"))?,
            time_wait_s: self.first(folder.join("nf_conntrack_tcp_timeout_time_wait")),
        })
    }

    fn backlog(&self) -> Option<Backlog> {
        Some(Backlog {
            somaxconn: self.first("proc/sys/net/core/somaxconn")?,
            syn_backlog: self.first("proc/sys/net/ipv4/tcp_max_syn_backlog"),
            syn_cookies: self
                .first::<u64>("proc/sys/net/ipv4/tcp_syncookies")
                .map(|it| it != 0),
        })
    }

    fn buffers(&self) -> Option<Buffers> {
        let pages = self.numbers::<3>("proc/sys/net/ipv4/tcp_mem");
        let page = rustix::param::page_size();
        Some(Buffers {
            receive: self.numbers("proc/sys/net/ipv4/tcp_rmem")?,
            send: self.numbers("proc/sys/net/ipv4/tcp_wmem")?,
            receive_set: self.first("proc/sys/net/core/rmem_max"),
            send_set: self.first("proc/sys/net/core/wmem_max"),
            all: pages.map(|[_, _, most]| most.saturating_mul(page as u64)),
        })
    }

    fn cpus(&self) -> Cpus {
        let list = self.text("sys/devices/system/cpu/online");
        let status = self.text("proc/self/status").unwrap_or_default();
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let count = |list: &str| counted_within(list, 0, u64::MAX);
        Cpus {
            online: list.as_deref().map(count),
            allowed: allowed.map(count),
            usable: 0,
            list,
        }
    }

    fn governors(&self) -> Vec<(String, u64)> {
        let mut found: Vec<(String, u64)> = Vec::new();
        let folder = self.path(Path::new("sys/devices/system/cpu"));
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path().join("cpufreq/scaling_governor");
            let Ok(text) = fs::read_to_string(path) else {
                continue;
            };
            match found.iter_mut().find(|(name, _)| name == text.trim()) {
                Some((_, count)) => *count += 1,
                None => found.push((text.trim().to_owned(), 1)),
            }
        }
        found.sort();
        found
    }

    fn idle(&self) -> Idle {
        let folder = Path::new("sys/devices/system/cpu/cpuidle");
        // Renamed when it became writable without a parameter of the kernel's command line.
        let governor = self.text(folder.join("current_governor"));
        let governor = governor.or_else(|| self.text(folder.join("current_governor_ro")));
        let driver = self.text(folder.join("current_driver"));
        let states = (0..).map_while(|nth| {
            let folder = format!("sys/devices/system/cpu/cpu0/cpuidle/state{nth}");
            let folder = Path::new(&folder);
            Some(IdleState {
                name: self.text(folder.join("name"))?,
                latency_us: self.first(folder.join("latency"))?,
                disabled: self.first::<u64>(folder.join("disable")) == Some(1),
            })
        });
        Idle {
            driver: driver.filter(|it| it != "none"),
            governor,
            states: states.collect(),
            guest_halt_poll_ns: self.first("sys/module/haltpoll/parameters/guest_halt_poll_ns"),
        }
    }

    fn memory(&self) -> Option<Memory> {
        let text = self.text("proc/meminfo")?;
        let bytes = |key: &str| {
            let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
            let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
            Some(kib * 1024)
        };
        Some(Memory {
            total: bytes("MemTotal:")?,
            available: bytes("MemAvailable:")?,
            group: cgroup::memory(self),
        })
    }

    fn clock_source(&self) -> Option<ClockSource> {
        let folder = Path::new("sys/devices/system/clocksource/clocksource0");
        let available = self.text(folder.join("available_clocksource"));
        Some(ClockSource {
            current: self.text(folder.join("current_clocksource"))?,
            available: available
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// How many numbers of a list like `1,2-4` lie within these bounds.
fn counted_within(list: &str, least: u64, most: u64) -> u64 {
    list.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: u64 = first.trim().parse().ok()?;
            let last: u64 = last.trim().parse().ok()?;
            (last.min(most) + 1).checked_sub(first.max(least))
        })
        .sum()
}
