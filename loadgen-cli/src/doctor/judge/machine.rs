//! Processors, memory, clocks: how much the generator can do, and how truthfully.

use serde_json::json;

use super::rank;
use crate::doctor::check::{Check, Status};
use crate::doctor::facts::{Facts, Measured};
use crate::human;

/// What a WebSocket user is reckoned at: the generator's part and the kernel's.
pub(in crate::doctor) const USER_BYTES: u64 = 16 << 10;
/// Start lag that counts as late unless a scenario says otherwise, in microseconds.
const LATE_US: f64 = 1_000.0;
/// Half of the wakes being as late as this, in microseconds, waiting awake is worth a word.
const SLOW_WAKE_US: f64 = 20.0;

pub(super) fn memory(facts: &Facts) -> Check {
    let Some(memory) = &facts.memory else {
        return Check::unknown("memory", "how many users fit");
    };
    let room = memory.room();
    let users = room / USER_BYTES;
    let group = memory.group.as_ref();
    let mut shown = format!(
        "{} free of {}",
        human::bytes(memory.available),
        human::bytes(memory.total)
    );
    if let Some(group) = group {
        shown = format!(
            "{} free of the control group's {}",
            human::bytes(room),
            human::bytes(group.limit)
        );
    }
    let check = Check::new(
        "memory",
        rank(users),
        json!({
            "total_bytes": memory.total,
            "available_bytes": memory.available,
            "cgroup_limit_bytes": group.map(|it| it.limit),
            "cgroup_used_bytes": group.map(|it| it.used),
            "most_users": users,
        }),
        shown,
        format!(
            "about {} WebSocket users, reckoned at {} each",
            human::count(users),
            human::bytes(USER_BYTES)
        ),
    );
    match group {
        Some(group) if check.status != Status::Ok && room < memory.available => {
            let bytes = 4_u64 << 30;
            let file = group.file.display();
            check.command(format!("echo {bytes} > {file}"))
        }
        _ => check,
    }
}

pub(super) fn cpus(facts: &Facts) -> Check {
    let cpus = &facts.cpus;
    let usable = cpus.usable;
    let online = cpus.online.unwrap_or(usable);
    let held_back = cpus.allowed.is_some_and(|allowed| allowed < online);
    let alone = usable <= 1;
    let shared = (usable / 2).max(1);
    let check = Check::new(
        "cpus",
        if alone || held_back {
            Status::Note
        } else {
            Status::Ok
        },
        json!({ "online": cpus.online, "allowed": cpus.allowed, "usable": usable }),
        if usable < online {
            format!("{} of {}", human::count(usable), human::count(online))
        } else {
            human::count(usable)
        },
        format!(
            "{} at most{}",
            human::counted(usable, "worker"),
            if alone {
                ", and the embedded backend competes with it".into()
            } else {
                format!(", {} beside the embedded backend", human::count(shared))
            }
        ),
    );
    match &cpus.list {
        Some(list) if held_back => check.command(format!("taskset -pc {list} $$")),
        _ => check,
    }
}

pub(super) fn cpu_quota(facts: &Facts, measured: &Measured) -> Check {
    const NAME: &str = "cpu_quota";
    let Some(quota) = &facts.quota else {
        if !facts.is_linux {
            return Check::unknown(NAME, "workers that can run all the time");
        }
        return Check::new(NAME, Status::Ok, json!({ "cpus": null }), "none", "nothing");
    };
    let now = measured.meanwhile.map_or(0, |it| it.throttled);
    let cpus = human::significant(quota.cpus);
    let check = Check::new(
        NAME,
        if now > 0 || quota.cpus < 1.0 {
            Status::Warning
        } else {
            Status::Note
        },
        json!({
            "cpus": quota.cpus,
            "periods": quota.periods,
            "throttled": quota.throttled,
            "throttled_meanwhile": now,
        }),
        format!(
            "{cpus} CPUs' worth, stopped in {} of {} periods{}",
            human::count(quota.throttled),
            human::count(quota.periods),
            if now > 0 {
                format!(", {} of them just now", human::count(now))
            } else {
                String::new()
            }
        ),
        format!(
            "all workers, and the embedded backend, share {cpus} CPUs; beyond that the kernel \
             stops them for tens of milliseconds, which shows as lateness"
        ),
    );
    // In a container the limit is its runtime's to lift (`docker update --cpus`, a pod's limits).
    check.command(format!(
        "echo {} > {}",
        quota.unlimited,
        quota.file.display()
    ))
}

pub(super) fn governor(facts: &Facts) -> Check {
    const NAME: &str = "governor";
    let governors = &facts.governors;
    let found = json!({
        "governors": governors
            .iter()
            .map(|(name, cpus)| (name.clone(), (*cpus).into()))
            .collect::<serde_json::Map<_, _>>(),
    });
    if governors.is_empty() {
        let mut check = Check::unknown(
            NAME,
            "whether processors slow down between requests (in a virtual machine the host decides)",
        );
        check.found = found;
        "no frequency control here".clone_into(&mut check.shown);
        return check;
    }
    let names: Vec<String> = governors
        .iter()
        .map(|(name, cpus)| format!("{name} on {}", human::counted(*cpus, "CPU")))
        .collect();
    let steady = governors.iter().all(|(name, _)| name == "performance");
    let check = Check::new(
        NAME,
        if steady { Status::Ok } else { Status::Note },
        found,
        names.join(", "),
        if steady {
            "nothing: the processors keep their speed"
        } else {
            "processors slow down when there is little to do: latency at low rates is higher, and \
             differs from run to run"
        },
    );
    if steady {
        return check;
    }
    check
        .command("cpupower frequency-set -g performance")
        .keep("/etc/default/cpupower", "governor='performance'")
}

pub(super) fn clock(facts: &Facts, measured: &Measured) -> Check {
    /// Sources that the processor answers from, without a call into the kernel.
    const QUICK: [&str; 4] = [
        "tsc",
        "kvm-clock",
        "arch_sys_counter",
        "hyperv_clocksource_tsc_page",
    ];
    let source = facts.clock_source.as_ref();
    let is_quick = source.is_none_or(|it| QUICK.contains(&it.current.as_str()));
    let cost = measured.clock_ns;
    let status = match cost {
        ..=100.0 => Status::Ok,
        ..=300.0 => Status::Note,
        _ => Status::Warning,
    };
    let check = Check::new(
        "clock",
        status,
        json!({
            "ns_per_read": (cost * 10.0).round() / 10.0,
            "source": source.map(|it| it.current.clone()),
            "available": source.map(|it| it.available.clone()),
        }),
        format!(
            "{} a reading{}",
            human::micros(cost / 1e3),
            source.map_or_else(String::new, |it| format!(", from {}", it.current))
        ),
        if status == Status::Ok {
            "nothing that shows; each iteration reads it a few times"
        } else {
            "iterations a second: each reads it a few times"
        },
    );
    match source {
        Some(source) if !is_quick && source.available.iter().any(|it| it == "tsc") => check
            .command("echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
            .keep("the kernel's command line", "clocksource=tsc"),
        _ => check,
    }
}

pub(super) fn timer(measured: &Measured) -> Check {
    const NAME: &str = "timer";
    let Some(late) = &measured.timer else {
        return Check::unknown(NAME, "how exactly arrivals can be started");
    };
    let (status, limits) = if late.p99_us >= LATE_US {
        (
            Status::Warning,
            "arrivals start later than the 1 ms that counts as late, and where that is most of a \
             printed percentile the run is invalid; something else holds the processors",
        )
    } else if late.p99_us >= LATE_US / 4.0 {
        (
            Status::Note,
            "arrivals start this much after they are due, which is in their response times",
        )
    } else {
        (Status::Ok, "arrivals start this close to when they are due")
    };
    let awake = (late.p50_us >= SLOW_WAKE_US).then(|| {
        // As long as half of the wakes take, in steps of 50 µs.
        let stretch = (late.p50_us / 50.0).ceil().clamp(1.0, 20.0) * 50.0;
        format!(
            "; `loadgen run --pacing busy={stretch}us` waits awake for the last stretch, which \
             takes processor time and starts most arrivals within microseconds"
        )
    });
    Check::new(
        NAME,
        status,
        json!({
            "waits": late.waits,
            "late_us": { "p50": late.p50_us, "p99": late.p99_us, "max": late.max_us },
        }),
        format!(
            "late by p50 {}, p99 {}, max {}",
            human::micros(late.p50_us),
            human::micros(late.p99_us),
            human::micros(late.max_us)
        ),
        limits.to_owned() + &awake.unwrap_or_default(),
    )
}

pub(super) fn other_load(facts: &Facts, measured: &Measured) -> Check {
    const NAME: &str = "other_load";
    let Some(meanwhile) = &measured.meanwhile else {
        return Check::unknown(NAME, "processor time that is left for the generator");
    };
    let status = match (meanwhile.others, meanwhile.steal) {
        (others, steal) if others > 0.25 || steal > 0.02 => Status::Warning,
        (others, steal) if others > 0.05 || steal > 0.0 => Status::Note,
        _ => Status::Ok,
    };
    let average = facts
        .load_average
        .map_or_else(String::new, |it| format!(", load average {it:.2}"));
    let mut limits = Vec::new();
    if meanwhile.others > 0.05 {
        limits.push("other processes take processor time from the generator and from the figures");
    }
    if meanwhile.steal > 0.0 {
        limits.push("the host takes processor time away, which shows as lateness");
    }
    if limits.is_empty() {
        limits.push("nothing: the machine has time");
    }
    Check::new(
        NAME,
        status,
        json!({
            "others_share": thousandths(meanwhile.others),
            "steal_share": thousandths(meanwhile.steal),
            "load_average": facts.load_average,
        }),
        format!(
            "others {}, stolen by the host {}{average}",
            human::percent(meanwhile.others),
            human::percent(meanwhile.steal)
        ),
        limits.join("; "),
    )
}

pub(super) fn build(debug: bool) -> Check {
    let check = |status, shown: &str, limits: &str| {
        Check::new("build", status, json!({ "debug": debug }), shown, limits)
    };
    if debug {
        check(
            Status::Warning,
            "debug",
            "a debug build takes many times the processor time a request; its figures describe \
             the build",
        )
        .command("cargo build --release")
    } else {
        check(Status::Ok, "release", "nothing")
    }
}

fn thousandths(share: f64) -> f64 {
    (share * 1e3).round() / 1e3
}
