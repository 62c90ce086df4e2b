//! Judgements on machines that are written down here, and reading from files that are.

mod judging;
mod needing;
mod reading;

use super::facts::{
    Backlog, Buffers, Conntrack, Cpus, Facts, Files, Idle, IdleState, Lateness, Meanwhile,
    Measured, Memory, Ports, Quota, TimeWait,
};

/// A machine that nothing is wrong with.
fn good() -> Facts {
    Facts {
        is_linux: true,
        files: Files {
            soft: 1 << 20,
            hard: 1 << 20,
            nr_open: Some(1 << 20),
            file_max: Some(i64::MAX as u64),
            in_use: Some(1_000),
        },
        ports: Some(ports(1_024, 65_535, 0)),
        time_wait: Some(TimeWait {
            reuse: 1,
            timestamps: true,
            most: Some(262_144),
        }),
        conntrack: None,
        backlog: Some(Backlog {
            somaxconn: 4_096,
            syn_backlog: Some(2_048),
            syn_cookies: Some(true),
        }),
        buffers: Some(Buffers {
            receive: [4_096, 131_072, 6 << 20],
            send: [4_096, 16_384, 4 << 20],
            receive_set: Some(212_992),
            send_set: Some(212_992),
            all: Some(2 << 30),
        }),
        cpus: Cpus {
            online: Some(8),
            allowed: Some(8),
            usable: 8,
            list: Some("0-7".to_owned()),
        },
        quota: None,
        governors: vec![("performance".to_owned(), 8)],
        idle: Idle {
            driver: Some("intel_idle".to_owned()),
            governor: Some("menu".to_owned()),
            states: idle_states(&[("POLL", 0, false), ("C1", 2, false), ("C6", 133, true)]),
            guest_halt_poll_ns: None,
        },
        memory: Some(Memory {
            total: 32 << 30,
            available: 30 << 30,
            group: None,
        }),
        clock_source: None,
        load_average: Some(0.1),
    }
}

fn quick() -> Measured {
    Measured {
        clock_ns: 25.0,
        timer: Some(Lateness {
            waits: 200,
            p50_us: 55.0,
            p99_us: 90.0,
            max_us: 120.0,
        }),
        meanwhile: Some(Meanwhile {
            steal: 0.0,
            others: 0.01,
            throttled: 0,
        }),
    }
}

fn ports(first: u16, last: u16, reserved: u64) -> Ports {
    Ports {
        first,
        last,
        reserved,
        lowest: 1_024,
    }
}

fn idle_states(states: &[(&str, u64, bool)]) -> Vec<IdleState> {
    let state = |(name, latency_us, disabled): &(&str, u64, bool)| IdleState {
        name: (*name).to_owned(),
        latency_us: *latency_us,
        disabled: *disabled,
    };
    states.iter().map(state).collect()
}

fn quota(cpus: f64) -> Option<Quota> {
    Some(Quota {
        cpus,
        file: "/sys/fs/cgroup/box/cpu.max".into(),
        unlimited: "max",
        periods: 100,
        throttled: 3,
    })
}

fn table(most: u64, in_use: u64) -> Option<Conntrack> {
    Some(Conntrack {
        most,
        in_use,
        time_wait_s: Some(120),
    })
}
