//! What facts mean for a load generator. Pure: facts in, checks out.
//!
//! The meaning of each setting is the one that the kernel documents (`networking/ip-sysctl`,
//! `admin-guide/sysctl`, `networking/nf_conntrack-sysctl`, `admin-guide/cgroup-v2`,
//! `admin-guide/pm/cpuidle`, `virt/guest-halt-polling`).

mod idle;
mod machine;
mod network;

pub(super) use machine::USER_BYTES;
pub(super) use network::{Reuse, TIME_WAIT_S, reuse};

use super::check::{Check, Status};
use super::facts::{Facts, Measured};

/// Connections below which a limit is in the way of ordinary loads.
const FEW: u64 = 5_000;
/// Connections above which nothing is gained: more than one target's ports can have.
const PLENTY: u64 = 60_000;

/// Every check, in the order in which they are shown.
pub(super) fn checks(facts: &Facts, measured: &Measured) -> Vec<Check> {
    vec![
        network::open_files(facts),
        network::local_ports(facts),
        network::time_wait(facts),
        network::conntrack(facts),
        network::backlog(facts),
        network::buffers(facts),
        machine::memory(facts),
        machine::cpus(facts),
        machine::cpu_quota(facts, measured),
        machine::governor(facts),
        idle::states(facts),
        idle::halt_poll(facts),
        machine::clock(facts, measured),
        machine::timer(measured),
        machine::other_load(facts, measured),
        machine::build(cfg!(debug_assertions)),
    ]
}

/// How a number of connections stands.
fn rank(connections: u64) -> Status {
    match connections {
        PLENTY.. => Status::Ok,
        FEW.. => Status::Note,
        _ => Status::Warning,
    }
}
