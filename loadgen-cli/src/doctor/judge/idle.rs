//! How processors sleep, and how long they take to wake up.

use serde_json::json;

use crate::doctor::check::{Check, Status};
use crate::doctor::facts::{Facts, IdleState};
use crate::human;

/// Waking up for longer than this, in microseconds, shows beside what waking takes anyway.
const SLOW_US: u64 = 50;
/// What the kernel has a guest look for work, unless told, in nanoseconds.
const USUAL_POLL_NS: u64 = 200_000;
/// The driver and the governor that have a guest's processors look for work before they halt.
const HALTPOLL: &str = "haltpoll";

pub(super) fn states(facts: &Facts) -> Check {
    const NAME: &str = "idle_states";
    let idle = &facts.idle;
    let awake = |state: &&IdleState| !state.disabled;
    let Some(slowest) = idle
        .states
        .iter()
        .filter(awake)
        .max_by_key(|it| it.latency_us)
    else {
        let mut check = Check::unknown(
            NAME,
            "how long processors take to wake up (in a virtual machine the host decides)",
        );
        "no choice of idle states here".clone_into(&mut check.shown);
        return check;
    };
    let shown: Vec<String> = idle
        .states
        .iter()
        .map(|state| {
            let off = if state.disabled { ", off" } else { "" };
            format!("{} ({}{off})", state.name, micros(state.latency_us))
        })
        .collect();
    let found = json!({
        "driver": idle.driver,
        "states": idle.states.iter().map(|state| json!({
            "name": state.name,
            "latency_us": state.latency_us,
            "disabled": state.disabled,
        })).collect::<Vec<_>>(),
    });
    let shown = shown.join(", ");
    let takes = micros(slowest.latency_us);
    if slowest.latency_us < SLOW_US {
        let limits = format!(
            "nothing: by its driver's word, a processor that sleeps wakes up within {takes}"
        );
        return Check::new(NAME, Status::Ok, found, shown, limits);
    }
    Check::new(
        NAME,
        Status::Note,
        found,
        shown,
        format!(
            "a processor that sleeps takes up to {takes} to wake up ({}), so that at low rates \
             arrivals start and replies are seen that much later",
            slowest.name
        ),
    )
    .command(format!("cpupower idle-set -D {SLOW_US}"))
    .keep(
        "the kernel's command line",
        "intel_idle.max_cstate=1 processor.max_cstate=1",
    )
}

pub(super) fn halt_poll(facts: &Facts) -> Check {
    const NAME: &str = "halt_poll";
    let idle = &facts.idle;
    let found = json!({
        "guest_halt_poll_ns": idle.guest_halt_poll_ns,
        "driver": idle.driver,
        "governor": idle.governor,
    });
    if !facts.is_linux {
        return Check::unknown(
            NAME,
            "how long a virtual machine's processors take to wake up",
        );
    }
    let check =
        |status, shown: &str, limits: &str| Check::new(NAME, status, found.clone(), shown, limits);
    if idle.driver.as_deref() != Some(HALTPOLL) {
        return check(Status::Ok, "not in use", "nothing");
    }
    let polls = idle.governor.as_deref() == Some(HALTPOLL);
    match idle.guest_halt_poll_ns.filter(|ns| polls && *ns > 0) {
        Some(ns) => check(
            Status::Ok,
            &format!(
                "processors look for work for up to {}",
                human::micros(ns as f64 / 1e3)
            ),
            "nothing: what comes within that time finds a processor awake",
        ),
        None => {
            let check = check(
                Status::Note,
                "processors halt at once when there is nothing to do",
                "each wake goes through the host, which takes tens of microseconds: arrivals \
                 start and replies are seen that much later. Looking for work before they halt \
                 takes processor time, also from other guests",
            );
            let check = if polls {
                check
            } else {
                check.command("echo haltpoll > /sys/devices/system/cpu/cpuidle/current_governor")
            };
            check
                .command(format!(
                    "echo {USUAL_POLL_NS} > /sys/module/haltpoll/parameters/guest_halt_poll_ns"
                ))
                .keep(
                    "the kernel's command line",
                    format!(
                        "cpuidle.governor=haltpoll haltpoll.guest_halt_poll_ns={USUAL_POLL_NS}"
                    ),
                )
        }
    }
}

fn micros(us: u64) -> String {
    format!("{} µs", human::count(us))
}
