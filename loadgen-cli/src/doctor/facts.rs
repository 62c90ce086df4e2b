//! What is known of a machine. Plain values, so that judgements can be tested without one.
//!
//! What is not known is `None`: the system is not Linux, or does not tell.

use std::path::PathBuf;

/// Everything that is read, not measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// Whether the rest could be looked for at all.
    pub(crate) is_linux: bool,
    /// Open files.
    pub(crate) files: Files,
    /// Local ports.
    pub(crate) ports: Option<Ports>,
    /// Ports of closed connections.
    pub(crate) time_wait: Option<TimeWait>,
    /// Connection tracking; on Linux `None` is no table.
    pub(crate) conntrack: Option<Conntrack>,
    /// Connections that wait to be accepted.
    pub(crate) backlog: Option<Backlog>,
    /// Socket buffers.
    pub(crate) buffers: Option<Buffers>,
    /// Processors.
    pub(crate) cpus: Cpus,
    /// The control group's limit of processor time; on Linux `None` is no limit.
    pub(crate) quota: Option<Quota>,
    /// Frequency governors and how many processors each governs; empty where there are none.
    pub(crate) governors: Vec<(String, u64)>,
    /// How processors sleep.
    pub(crate) idle: Idle,
    /// Main memory.
    pub(crate) memory: Option<Memory>,
    /// Where the clock comes from.
    pub(crate) clock_source: Option<ClockSource>,
    /// Load average of the last minute.
    pub(crate) load_average: Option<f64>,
}

/// Limits of open files. `u64::MAX` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// Of this process as it was started.
    pub(crate) soft: u64,
    /// What loadgen raises that to.
    pub(crate) hard: u64,
    /// What root can raise that to (`fs.nr_open`).
    pub(crate) nr_open: Option<u64>,
    /// Of all processes together (`fs.file-max`).
    pub(crate) file_max: Option<u64>,
    /// Open now, in all processes.
    pub(crate) in_use: Option<u64>,
}

impl Files {
    /// How many files a run can have open.
    pub(crate) fn most(&self) -> u64 {
        let left = self
            .file_max
            .map(|most| most.saturating_sub(self.in_use.unwrap_or_default()));
        self.hard.min(left.unwrap_or(u64::MAX))
    }
}

/// The local port range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    /// First of it.
    pub(crate) first: u16,
    /// Last of it.
    pub(crate) last: u16,
    /// How many within it are reserved and never given out.
    pub(crate) reserved: u64,
    /// The lowest port that it may begin with.
    pub(crate) lowest: u16,
}

impl Ports {
    /// How many ports connections to one target address and port can have.
    pub(crate) fn usable(&self) -> u64 {
        let all = (u64::from(self.last) + 1).saturating_sub(self.first.into());
        all.saturating_sub(self.reserved)
    }

    /// The widest range that the system would take.
    pub(crate) fn widest(&self) -> (u16, u16) {
        (self.lowest.max(1024), u16::MAX)
    }

    /// How many more ports the widest range would have.
    pub(crate) fn gain(&self) -> u64 {
        let span = |first: u16, last: u16| (u64::from(last) + 1).saturating_sub(first.into());
        let (first, last) = self.widest();
        span(first, last).saturating_sub(span(self.first, self.last))
    }
}

/// What happens to the port of a connection that was closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeWait {
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on loopback only.
    pub(crate) reuse: u64,
    /// Whether TCP timestamps are on, without which nothing is reused.
    pub(crate) timestamps: bool,
    /// The most closed connections that are remembered.
    pub(crate) most: Option<u64>,
}

/// The connection tracking table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conntrack {
    /// Its size.
    pub(crate) most: u64,
    /// Entries in use.
    pub(crate) in_use: u64,
    /// How long a closed connection keeps its entry.
    pub(crate) time_wait_s: Option<u64>,
}

/// Connections that wait to be accepted by a server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// The most in line for `accept`.
    pub(crate) somaxconn: u64,
    /// The most half-open ones.
    pub(crate) syn_backlog: Option<u64>,
    /// Whether SYN cookies take over where that is full.
    pub(crate) syn_cookies: Option<bool>,
}

impl Backlog {
    /// How many connections can wait at one listening socket.
    pub(crate) fn most(&self) -> u64 {
        match (self.syn_backlog, self.syn_cookies) {
            (Some(half_open), Some(false)) => self.somaxconn.min(half_open),
            _ => self.somaxconn,
        }
    }
}

/// Socket buffers, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// `net.ipv4.tcp_rmem`: least, initial, most.
    pub(crate) receive: [u64; 3],
    /// `net.ipv4.tcp_wmem`: least, initial, most.
    pub(crate) send: [u64; 3],
    /// `net.core.rmem_max`, for programs that set a size.
    pub(crate) receive_set: Option<u64>,
    /// `net.core.wmem_max`, for programs that set a size.
    pub(crate) send_set: Option<u64>,
    /// What all TCP sockets together may take.
    pub(crate) all: Option<u64>,
}

/// Processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cpus {
    /// In use by the system.
    pub(crate) online: Option<u64>,
    /// That this process may run on.
    pub(crate) allowed: Option<u64>,
    /// That `run` counts with: affinity and quota taken off.
    pub(crate) usable: u64,
    /// All of them, as a list for `taskset`.
    pub(crate) list: Option<String>,
}

/// A control group's limit of processor time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quota {
    /// How many processors' worth.
    pub(crate) cpus: f64,
    /// The file that says so.
    pub(crate) file: PathBuf,
    /// What that file takes for "no limit".
    pub(crate) unlimited: &'static str,
    /// Periods in which the group wanted to run.
    pub(crate) periods: u64,
    /// Those of them in which it was stopped.
    pub(crate) throttled: u64,
}

/// How processors sleep when there is nothing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Idle {
    /// What knows the states.
    pub(crate) driver: Option<String>,
    /// What chooses among them.
    pub(crate) governor: Option<String>,
    /// The states of the first processor, lightest first; empty where there is no choice.
    pub(crate) states: Vec<IdleState>,
    /// How long a virtual machine's processor looks for work before it halts, at the most.
    pub(crate) guest_halt_poll_ns: Option<u64>,
}

/// One way to sleep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdleState {
    /// What it is called.
    pub(crate) name: String,
    /// How long waking up from it takes, by the driver's word, in microseconds.
    pub(crate) latency_us: u64,
    /// Whether it is turned off.
    pub(crate) disabled: bool,
}

/// Main memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) total: u64,
    /// What can be had without swapping.
    pub(crate) available: u64,
    /// The control group's limit, if it has one.
    pub(crate) group: Option<GroupMemory>,
}

impl Memory {
    /// What this process can have.
    pub(crate) fn room(&self) -> u64 {
        let group = self.group.as_ref();
        let left = group.map(|it| it.limit.saturating_sub(it.used));
        self.available.min(left.unwrap_or(u64::MAX))
    }
}

/// A control group's limit of memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupMemory {
    /// The limit.
    pub(crate) limit: u64,
    /// In use, what can be given back at once left out.
    pub(crate) used: u64,
    /// The file that says so.
    pub(crate) file: PathBuf,
}

/// Where the clock comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockSource {
    /// What is used.
    pub(crate) current: String,
    /// What else there is.
    pub(crate) available: Vec<String>,
}

/// What had to be measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Measured {
    /// Cost of reading the clock once, in nanoseconds.
    pub(crate) clock_ns: f64,
    /// How late short waits ended; `None` where the system refused a timer.
    pub(crate) timer: Option<Lateness>,
    /// What else went on meanwhile; `None` where the system does not tell.
    pub(crate) meanwhile: Option<Meanwhile>,
}

/// How late waits ended, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lateness {
    /// How many waits.
    pub(crate) waits: u64,
    /// Half of them were at most this late.
    pub(crate) p50_us: f64,
    /// All but a hundredth of them.
    pub(crate) p99_us: f64,
    /// All of them.
    pub(crate) max_us: f64,
}

/// Processor time of the whole machine while it was measured, as shares of all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Meanwhile {
    /// Kept by the hypervisor for others.
    pub(crate) steal: f64,
    /// Used by other processes.
    pub(crate) others: f64,
    /// Periods in which this control group was stopped.
    pub(crate) throttled: u64,
}
