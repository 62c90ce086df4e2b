use loadgen_core::pacer::Pacing;
use test_case::test_case;

use super::super::check::{Check, Status};
use super::super::facts::{ClockSource, GroupMemory};
use super::super::{judge, render, sum};
use super::*;
use crate::paint::Paint;

fn judged(name: &str, change: impl FnOnce(&mut Facts, &mut Measured)) -> Check {
    let (mut facts, mut measured) = (good(), quick());
    change(&mut facts, &mut measured);
    let checks = judge::checks(&facts, &measured);
    checks
        .into_iter()
        .find(|it| it.name == name)
        .unwrap_or_else(|| panic!("no check is called {name}"))
}

/// Status, what it limits, commands.
fn words(check: &Check) -> String {
    let mut text = format!("{}: {}", check.status.word(), check.limits);
    for command in &check.commands {
        text.push_str(" $ ");
        text.push_str(command);
    }
    text
}

#[test]
fn nothing_is_wrong_with_a_good_machine() {
    // Whether this is a debug build is not the machine's doing.
    let checks = judge::checks(&good(), &quick());
    let wrong: Vec<_> = checks
        .iter()
        .filter(|it| it.status != Status::Ok && it.name != "build")
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(
        checks
            .iter()
            .all(|it| it.name == "build" || it.commands.is_empty())
    );
}

#[test_case(1_024, 1 << 20 => "warning: each connection, and so each WebSocket user, needs one: 912 users at a time $ ulimit -n 1048576"; "low")]
#[test_case(20_000, 1 << 20 => "note: each connection, and so each WebSocket user, needs one: 19,888 users at a time $ ulimit -n 1048576"; "middling")]
#[test_case(4_096, 4_096 => "warning: each connection, and so each WebSocket user, needs one: 3,984 users at a time $ sysctl -w fs.nr_open=1048576 $ ulimit -n 1048576"; "the ceiling is low, too")]
#[test_case(1 << 20, 1 << 20 => "ok: each connection, and so each WebSocket user, needs one: 1,048,464 users at a time"; "high")]
#[test_case(u64::MAX, 1 << 20 => "ok: nothing: each connection needs one"; "unlimited")]
fn open_files(hard: u64, nr_open: u64) -> String {
    words(&judged("open_files", |facts, _| {
        facts.files.hard = hard;
        facts.files.nr_open = Some(nr_open);
        if hard == u64::MAX {
            facts.files.file_max = None;
        }
    }))
}

#[test]
fn what_all_processes_share_may_be_less_than_one_may_have() {
    let check = judged("open_files", |facts, _| {
        facts.files.file_max = Some(11_000);
    });
    assert_eq!(
        words(&check),
        "note: each connection, and so each WebSocket user, needs one: 9,888 users at a time \
         $ sysctl -w fs.file-max=9223372036854775807"
    );
}

#[test_case(ports(32_768, 60_999, 0) => (Status::Note, 28_232, true); "as delivered")]
#[test_case(ports(32_768, 60_999, 8_000) => (Status::Note, 20_232, true); "some are reserved")]
#[test_case(ports(60_000, 60_999, 0) => (Status::Warning, 1_000, true); "few")]
#[test_case(ports(1_024, 65_535, 0) => (Status::Ok, 64_512, false); "all")]
#[test_case(ports(1_024, 65_535, 60_000) => (Status::Warning, 4_512, false); "all, and most of them reserved")]
#[test_case(ports(5, 5, 0) => (Status::Warning, 1, true); "one")]
#[test_case(ports(1, 65_535, 60_535) => (Status::Note, 5_000, false); "wider than is advised")]
fn local_ports(ports: Ports) -> (Status, u64, bool) {
    let check = judged("local_ports", |facts, _| facts.ports = Some(ports));
    let usable = check.found["most_connections_to_one_target"].as_u64();
    let widens = check.commands == ["sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\""];
    assert!(widens || check.commands.is_empty(), "{check:?}");
    (check.status, usable.unwrap(), widens)
}

#[test_case(1, true => "ok 64512"; "always")]
#[test_case(2, true => "note 1075 sysctl -w net.ipv4.tcp_tw_reuse=1"; "on loopback")]
#[test_case(0, true => "note 1075 sysctl -w net.ipv4.tcp_tw_reuse=1"; "never")]
#[test_case(1, false => "note 1075 sysctl -w net.ipv4.tcp_timestamps=1"; "not without timestamps")]
fn time_wait(reuse: u64, timestamps: bool) -> String {
    let check = judged("time_wait", |facts, _| {
        facts.time_wait = Some(TimeWait {
            reuse,
            timestamps,
            most: None,
        });
    });
    let rate = &check.found["new_connections_per_s"];
    let commands = check.commands.join(" $ ");
    format!("{} {rate} {commands}", check.status.word())
        .trim_end()
        .to_owned()
}

#[test_case(None => "ok: nothing"; "no table")]
#[test_case(table(65_536, 0) => "ok: nothing, as no firewall rule here follows connections"; "not in use")]
#[test_case(table(262_144, 100) => "ok: room for 262,044 connections at a time, and 2,183 new ones/s for long, as closed ones stay 120 s; a full table drops packets, which looks like loss on the way"; "roomy")]
#[test_case(table(10_000, 9_000) => "warning: room for 1,000 connections at a time, and 8 new ones/s for long, as closed ones stay 120 s; a full table drops packets, which looks like loss on the way $ sysctl -w net.netfilter.nf_conntrack_max=262144"; "nearly full")]
fn conntrack(table: Option<Conntrack>) -> String {
    words(&judged("conntrack", |facts, _| facts.conntrack = table))
}

#[test_case(4_096, 512, true => (Status::Ok, vec![]); "cookies make up for few half-open ones")]
#[test_case(4_096, 512, false => (Status::Warning, vec!["sysctl -w net.ipv4.tcp_max_syn_backlog=65535".to_owned()]); "few half-open ones")]
#[test_case(128, 512, true => (Status::Warning, vec!["sysctl -w net.core.somaxconn=65535".to_owned()]); "an old kernel")]
fn backlog(somaxconn: u64, half_open: u64, cookies: bool) -> (Status, Vec<String>) {
    let check = judged("backlog", |facts, _| {
        facts.backlog = Some(Backlog {
            somaxconn,
            syn_backlog: Some(half_open),
            syn_cookies: Some(cookies),
        });
    });
    (check.status, check.commands)
}

#[test]
fn small_buffers_keep_what_is_not_too_small() {
    let check = judged("buffers", |facts, _| {
        facts.buffers.as_mut().unwrap().receive = [4_096, 87_380, 500_000];
    });
    assert_eq!(check.status, Status::Warning);
    assert_eq!(
        check.commands,
        ["sysctl -w net.ipv4.tcp_rmem=\"4096 87380 16777216\""]
    );
}

#[test]
fn the_tighter_limit_of_memory_counts() {
    let group = |limit| {
        judged("memory", move |facts, _| {
            facts.memory.as_mut().unwrap().group = Some(GroupMemory {
                limit,
                used: 16 << 20,
                file: "/sys/fs/cgroup/memory.max".into(),
            });
        })
    };
    let check = group(64 << 20);
    assert_eq!(check.status, Status::Warning);
    assert_eq!(check.found["most_users"], 3_072);
    assert_eq!(
        check.commands,
        ["echo 4294967296 > /sys/fs/cgroup/memory.max"]
    );
    assert_eq!(group(64 << 30).found["most_users"], 30 << 16);
}

#[test_case(8, 8, 8 => "ok: 8 workers at most, 4 beside the embedded backend"; "all")]
#[test_case(8, 2, 2 => "note: 2 workers at most, 1 beside the embedded backend $ taskset -pc 0-7 $$"; "held back")]
#[test_case(1, 1, 1 => "note: 1 worker at most, and the embedded backend competes with it"; "one")]
fn cpus(online: u64, allowed: u64, usable: u64) -> String {
    words(&judged("cpus", |facts, _| {
        facts.cpus.online = Some(online);
        facts.cpus.allowed = Some(allowed);
        facts.cpus.usable = usable;
    }))
}

#[test_case(None, 0 => (Status::Ok, "none".to_owned()); "no quota")]
#[test_case(quota(2.5), 0 => (Status::Note, "2.5 CPUs' worth, stopped in 3 of 100 periods".to_owned()); "not used up")]
#[test_case(quota(2.5), 7 => (Status::Warning, "2.5 CPUs' worth, stopped in 3 of 100 periods, 7 of them just now".to_owned()); "used up")]
#[test_case(quota(0.5), 0 => (Status::Warning, "0.5 CPUs' worth, stopped in 3 of 100 periods".to_owned()); "not even one")]
fn cpu_quota(quota: Option<Quota>, throttled: u64) -> (Status, String) {
    let check = judged("cpu_quota", |facts, measured| {
        facts.quota = quota;
        measured.meanwhile.as_mut().unwrap().throttled = throttled;
    });
    (check.status, check.shown)
}

#[test_case(&[] => (Status::Unknown, "no frequency control here".to_owned()); "a virtual machine")]
#[test_case(&[("performance", 8)] => (Status::Ok, "performance on 8 CPUs".to_owned()))]
#[test_case(&[("performance", 7), ("powersave", 1)] => (Status::Note, "performance on 7 CPUs, powersave on 1 CPU".to_owned()); "one differs")]
fn governor(governors: &[(&str, u64)]) -> (Status, String) {
    let check = judged("governor", |facts, _| {
        let owned = governors
            .iter()
            .map(|(name, cpus)| ((*name).to_owned(), *cpus));
        facts.governors = owned.collect();
    });
    let advises = check.commands == ["cpupower frequency-set -g performance"];
    assert_eq!(advises, check.status == Status::Note);
    (check.status, check.shown)
}

#[test_case(&[] => "unknown: how long processors take to wake up (in a virtual machine the host decides)"; "no choice")]
#[test_case(&[("POLL", 0, false), ("C1", 49, false)] => "ok: nothing: by its driver's word, a processor that sleeps wakes up within 49 µs"; "light sleep")]
#[test_case(&[("POLL", 0, false), ("C6", 133, false)] => "note: a processor that sleeps takes up to 133 µs to wake up (C6), so that at low rates arrivals start and replies are seen that much later $ cpupower idle-set -D 50"; "deep sleep")]
#[test_case(&[("POLL", 0, false), ("C6", 133, true)] => "ok: nothing: by its driver's word, a processor that sleeps wakes up within 0 µs"; "turned off")]
fn sleep(states: &[(&str, u64, bool)]) -> String {
    words(&judged("idle_states", |facts, _| {
        facts.idle.states = idle_states(states);
    }))
}

const HALTS: &str = "note: each wake goes through the host, which takes tens of microseconds: arrivals start and replies are seen that much later. Looking for work before they halt takes processor time, also from other guests $ ";
const POLL: &str = "echo 200000 > /sys/module/haltpoll/parameters/guest_halt_poll_ns";

#[test_case("intel_idle", "menu", Some(200_000) => "ok: nothing"; "not a guest")]
#[test_case("haltpoll", "haltpoll", Some(200_000) => "ok: nothing: what comes within that time finds a processor awake"; "polls")]
#[test_case("haltpoll", "haltpoll", Some(0) => format!("{HALTS}{POLL}"); "told not to poll")]
#[test_case("haltpoll", "menu", Some(200_000) => format!("{HALTS}echo haltpoll > /sys/devices/system/cpu/cpuidle/current_governor $ {POLL}"); "another governor")]
fn halt_poll(driver: &str, governor: &str, ns: Option<u64>) -> String {
    words(&judged("halt_poll", |facts, _| {
        facts.idle.driver = Some(driver.to_owned());
        facts.idle.governor = Some(governor.to_owned());
        facts.idle.guest_halt_poll_ns = ns;
    }))
}

#[test_case(25.0, "tsc" => (Status::Ok, false))]
#[test_case(150.0, "tsc" => (Status::Note, false); "slow all the same")]
#[test_case(1_200.0, "hpet" => (Status::Warning, true))]
fn clock(cost: f64, current: &str) -> (Status, bool) {
    let check = judged("clock", |facts, measured| {
        measured.clock_ns = cost;
        facts.clock_source = Some(ClockSource {
            current: current.to_owned(),
            available: vec!["tsc".to_owned(), "hpet".to_owned()],
        });
    });
    (check.status, !check.commands.is_empty())
}

#[test_case(90.0 => Status::Ok)]
#[test_case(400.0 => Status::Note)]
#[test_case(1_000.0 => Status::Warning; "as late as counts as late")]
fn timer(p99_us: f64) -> Status {
    judged("timer", |_, measured| {
        measured.timer.as_mut().unwrap().p99_us = p99_us;
    })
    .status
}

#[test_case(19.0 => None; "quick")]
#[test_case(48.0 => Some("busy=50us".to_owned()))]
#[test_case(51.0 => Some("busy=100us".to_owned()); "slower")]
#[test_case(9_000.0 => Some("busy=1000us".to_owned()); "no longer than there is")]
fn waiting_awake_is_offered_where_wakes_are_slow(p50_us: f64) -> Option<String> {
    let limits = judged("timer", |_, measured| {
        measured.timer.as_mut().unwrap().p50_us = p50_us;
    })
    .limits;
    let (_, offer) = limits.split_once("`loadgen run --pacing ")?;
    let (pacing, _) = offer.split_once('`')?;
    assert!(pacing.parse::<Pacing>().is_ok(), "{pacing}");
    Some(pacing.to_owned())
}

#[test_case(0.01, 0.0 => Status::Ok)]
#[test_case(0.2, 0.0 => Status::Note; "some load")]
#[test_case(0.5, 0.0 => Status::Warning; "much load")]
#[test_case(0.0, 0.01 => Status::Note; "some steal")]
#[test_case(0.0, 0.1 => Status::Warning; "much steal")]
fn other_load(others: f64, steal: f64) -> Status {
    judged("other_load", |_, measured| {
        let meanwhile = measured.meanwhile.as_mut().unwrap();
        (meanwhile.others, meanwhile.steal) = (others, steal);
    })
    .status
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let facts = Facts {
        files: good().files,
        cpus: Cpus {
            usable: 4,
            ..Cpus::default()
        },
        ..Facts::default()
    };
    let measured = Measured {
        meanwhile: None,
        ..quick()
    };
    let checks = judge::checks(&facts, &measured);
    let known: Vec<_> = checks
        .iter()
        .filter(|it| it.status != Status::Unknown)
        .map(|it| it.name)
        .collect();
    assert_eq!(known, ["open_files", "cpus", "clock", "timer", "build"]);
    let summary = sum::up(&facts, &measured, &checks);
    assert_eq!(summary.first_limit, Some("open_files"));
}

#[test]
fn the_summary_names_what_comes_first() {
    let mut facts = good();
    facts.ports = Some(ports(32_768, 60_999, 0));
    let summary = sum::up(&facts, &quick(), &[]);
    assert_eq!(summary.first_limit, Some("local_ports"));
    assert_eq!(summary.most_to_one_target, Some(28_232));
    assert_eq!(summary.most_connections, Some(1_048_464));
    insta::assert_snapshot!(summary.text, @"This machine can hold 28,232 connections at a time to one target address and port: local ports come first. To several targets it can hold 1,048,464, limited by open files. It has room for 8 workers; 99 of 100 arrivals start within 90 µs of when they are due. Nothing stands in the way.");
}

/// It had 80 columns, whatever the terminal's.
#[test_case(60)]
#[test_case(80)]
#[test_case(200)]
fn text_fits_the_terminal_and_commands_stay_whole(columns: usize) {
    let mut facts = good();
    facts.ports = Some(ports(32_768, 60_999, 5));
    facts.files.hard = 1_024;
    facts.files.soft = 1_024;
    facts.quota = quota(1.5);
    facts.conntrack = table(10_000, 9_000);
    facts.governors = vec![("powersave".to_owned(), 8)];
    facts.idle.states = idle_states(&[("C6", 133, false)]);
    facts.idle.driver = Some("haltpoll".to_owned());
    let measured = quick();
    let checks = judge::checks(&facts, &measured);
    let summary = sum::up(&facts, &measured, &checks);
    let text = render::text(&checks, &summary, Paint::OFF, columns);
    // Commands and lines of files are as long as they are.
    let is_prose = |line: &&str| {
        let is_line_of_file = line.starts_with("  ") && !line.starts_with("   ");
        !is_line_of_file && !line.contains("$ ") && !line.contains("/etc/")
    };
    let widths = text
        .lines()
        .filter(is_prose)
        .map(|line| line.chars().count());
    let widest = widths.max().unwrap();
    assert!(widest < columns, "{text}");
    assert!(widest + 30 > columns, "{text}");
    for command in checks.iter().flat_map(|it| &it.commands) {
        assert!(text.contains(&format!("$ {command}\n")), "{command}");
    }
    for keep in checks.iter().flat_map(|it| &it.permanent) {
        assert!(text.contains(&format!("  {}\n", keep.line)), "{keep:?}");
    }
}
