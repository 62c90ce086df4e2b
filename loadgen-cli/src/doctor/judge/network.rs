//! Connections: how many, how fast, how well.

use serde_json::json;

use super::{PLENTY, rank};
use crate::doctor::check::{CONNTRACK, Check, PORT_RANGE, REUSE, SOMAXCONN, Status};
use crate::doctor::facts::{Facts, Files, TimeWait};
use crate::{human, limits};

/// How long the kernel keeps a closed connection in TIME-WAIT. Not a setting.
pub(in crate::doctor) const TIME_WAIT_S: u64 = 60;
/// What root can raise the limit of open files to unless the system says otherwise.
const USUAL_NR_OPEN: u64 = 1 << 20;
/// The backlog from kernel 5.4 on; a lower one was set, or is old.
const USUAL_BACKLOG: u64 = 4_096;
/// What the backlog is best set to: what the reference servers ask for.
const BEST_BACKLOG: u64 = 65_535;

pub(super) fn open_files(facts: &Facts) -> Check {
    let files = &facts.files;
    let most = files.most();
    let users = limits::room(most, facts.cpus.usable);
    let status = rank(users);
    let shown = match (limit(most), files.soft == files.hard) {
        (text, true) => text,
        (text, false) => format!("{text} (soft {}, which loadgen raises)", limit(files.soft)),
    };
    let mut check = Check::new(
        "open_files",
        status,
        json!({
            "soft": known(files.soft),
            "hard": known(files.hard),
            "nr_open": files.nr_open,
            "file_max": files.file_max,
            "in_use": files.in_use,
            "most_connections": known(users),
        }),
        shown,
        match known(users) {
            Some(users) => format!(
                "each connection, and so each WebSocket user, needs one: {} at a time",
                human::counted(users, "user")
            ),
            None => "nothing: each connection needs one".to_owned(),
        },
    );
    if status == Status::Ok {
        return check;
    }
    let wanted = files.nr_open.unwrap_or_default().max(USUAL_NR_OPEN);
    if most < files.hard {
        check = check.sysctl("fs.file-max", &i64::MAX.to_string());
    }
    if files.hard < PLENTY {
        if files.nr_open.is_some_and(|it| it < wanted) {
            check = check.sysctl("fs.nr_open", &wanted.to_string());
        }
        check = raise(check, wanted, files);
    }
    check
}

fn raise(check: Check, wanted: u64, files: &Files) -> Check {
    const FILE: &str = "/etc/security/limits.conf";
    let check = check
        .command(format!("ulimit -n {wanted}"))
        .keep(FILE, format!("* hard nofile {wanted}"));
    // A soft limit below is raised by loadgen, but other tools in the same shell like it, too.
    if files.soft == files.hard {
        check.keep(FILE, format!("* soft nofile {wanted}"))
    } else {
        check
    }
}

pub(super) fn local_ports(facts: &Facts) -> Check {
    let Some(ports) = &facts.ports else {
        return Check::unknown(
            "local_ports",
            "the most connections at a time to one target address and port",
        );
    };
    let usable = ports.usable();
    let reserved = match ports.reserved {
        0 => String::new(),
        count => format!(", {} of them reserved", human::count(count)),
    };
    let check = Check::new(
        "local_ports",
        rank(usable),
        json!({
            "first": ports.first,
            "last": ports.last,
            "reserved": ports.reserved,
            "most_connections_to_one_target": usable,
        }),
        format!(
            "{} ({} to {}{reserved})",
            human::count(usable),
            ports.first,
            ports.last
        ),
        format!(
            "at most {} connections at a time to one target address and port (each further address \
             or port takes as many)",
            human::count(usable)
        ),
    );
    if check.status == Status::Ok || ports.gain() == 0 {
        return check;
    }
    let (first, last) = ports.widest();
    check.sysctl(PORT_RANGE, &format!("{first} {last}"))
}

pub(super) fn time_wait(facts: &Facts) -> Check {
    let (Some(wait), Some(ports)) = (&facts.time_wait, &facts.ports) else {
        return Check::unknown(
            "time_wait",
            "how fast connections to one target can be opened and closed for long",
        );
    };
    let slow = ports.usable() / TIME_WAIT_S;
    let reuses = reuse(wait);
    let (status, limits) = match reuses {
        Reuse::Always => (
            Status::Ok,
            format!(
                "a closed connection's port can go to the same target again after about 1 s: {} new \
                 connections/s for long",
                human::count(ports.usable())
            ),
        ),
        Reuse::Loopback | Reuse::Never => (
            Status::Note,
            format!(
                "a connection that the server does not close first holds its port for {TIME_WAIT_S} \
                 s: {} new connections/s to one target for long{}",
                human::count(slow),
                if reuses == Reuse::Loopback {
                    " (on this machine, ports are free again after about 1 s)"
                } else {
                    ""
                }
            ),
        ),
    };
    let shown = match (wait.reuse, wait.timestamps) {
        (0, _) => "never reused",
        (_, false) => "not reused, for TCP timestamps are off",
        (1, _) => "reused",
        _ => "reused on loopback only",
    };
    let mut check = Check::new(
        "time_wait",
        status,
        json!({
            "tcp_tw_reuse": wait.reuse,
            "tcp_timestamps": wait.timestamps,
            "tcp_max_tw_buckets": wait.most,
            "new_connections_per_s": if reuses == Reuse::Always { ports.usable() } else { slow },
        }),
        shown,
        limits,
    );
    if wait.reuse != 1 {
        check = check.sysctl(REUSE, "1");
    }
    if !wait.timestamps {
        check = check.sysctl("net.ipv4.tcp_timestamps", "1");
    }
    check
}

/// When the port of a closed connection is used again before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) enum Reuse {
    Never,
    Loopback,
    Always,
}

pub(in crate::doctor) fn reuse(wait: &TimeWait) -> Reuse {
    match wait.reuse {
        _ if !wait.timestamps => Reuse::Never,
        0 => Reuse::Never,
        1 => Reuse::Always,
        _ => Reuse::Loopback,
    }
}

pub(super) fn conntrack(facts: &Facts) -> Check {
    const NAME: &str = "conntrack";
    let Some(table) = &facts.conntrack else {
        if !facts.is_linux {
            return Check::unknown(
                NAME,
                "connections that a firewall on this machine can follow",
            );
        }
        let found = json!({ "table": false });
        return Check::new(NAME, Status::Ok, found, "no table", "nothing");
    };
    let room = table.most.saturating_sub(table.in_use);
    // The table is there once its module is; without a rule that needs it nothing goes in.
    let idle = table.in_use == 0;
    let status = if idle { Status::Ok } else { rank(room) };
    let kept = table.time_wait_s.unwrap_or(120);
    let check = Check::new(
        NAME,
        status,
        json!({
            "table": true,
            "max": table.most,
            "in_use": table.in_use,
            "time_wait_s": table.time_wait_s,
        }),
        format!(
            "{} of {} entries in use",
            human::count(table.in_use),
            human::count(table.most)
        ),
        if idle {
            "nothing, as no firewall rule here follows connections".to_owned()
        } else {
            format!(
                "room for {} connections at a time, and {} new ones/s for long, as closed ones \
                 stay {kept} s; a full table drops packets, which looks like loss on the way",
                human::count(room),
                human::count(room / kept.max(1))
            )
        },
    );
    if status == Status::Ok {
        return check;
    }
    let wanted = (table.most * 2).max(1 << 18);
    check.sysctl(CONNTRACK, &wanted.to_string())
}

pub(super) fn backlog(facts: &Facts) -> Check {
    let Some(backlog) = &facts.backlog else {
        return Check::unknown(
            "backlog",
            "connections that may wait to be accepted by a server on this machine",
        );
    };
    let most = backlog.most();
    let status = match most {
        USUAL_BACKLOG.. => Status::Ok,
        1_000.. => Status::Note,
        _ => Status::Warning,
    };
    let mut shown = human::count(most);
    if let (Some(half_open), Some(cookies)) = (backlog.syn_backlog, backlog.syn_cookies) {
        shown = format!(
            "{} (half-open {}, SYN cookies {})",
            human::count(backlog.somaxconn),
            human::count(half_open),
            if cookies { "on" } else { "off" }
        );
    }
    let mut check = Check::new(
        "backlog",
        status,
        json!({
            "somaxconn": backlog.somaxconn,
            "tcp_max_syn_backlog": backlog.syn_backlog,
            "tcp_syncookies": backlog.syn_cookies,
        }),
        shown,
        format!(
            "a server on this machine keeps at most {} connections waiting to be accepted; one more \
             is tried again after 1 s",
            human::count(most)
        ),
    );
    if status == Status::Ok {
        return check;
    }
    let best = BEST_BACKLOG.to_string();
    if backlog.somaxconn < USUAL_BACKLOG {
        check = check.sysctl(SOMAXCONN, &best);
    }
    if most < backlog.somaxconn || most < USUAL_BACKLOG && backlog.syn_cookies == Some(false) {
        check = check.sysctl("net.ipv4.tcp_max_syn_backlog", &best);
    }
    check
}

pub(super) fn buffers(facts: &Facts) -> Check {
    /// What a kernel with some gigabytes of memory sets by itself.
    const ENOUGH: u64 = 4 << 20;
    let Some(buffers) = &facts.buffers else {
        return Check::unknown("buffers", "bytes under way on one connection");
    };
    let ([.., receive], [.., send]) = (buffers.receive, buffers.send);
    let status = match receive.min(send) {
        ENOUGH.. => Status::Ok,
        0x10_0000.. => Status::Note,
        _ => Status::Warning,
    };
    let mut check = Check::new(
        "buffers",
        status,
        json!({
            "tcp_rmem": buffers.receive,
            "tcp_wmem": buffers.send,
            "rmem_max": buffers.receive_set,
            "wmem_max": buffers.send_set,
            "tcp_mem_bytes": buffers.all,
        }),
        format!(
            "up to {} to receive, {} to send",
            human::bytes(receive),
            human::bytes(send)
        ),
        format!(
            "the most that is under way on one connection{}; rmem_max and wmem_max bind programs \
             that set sizes, which loadgen does not",
            match buffers.all {
                Some(all) => format!(" ({} on all)", human::bytes(all)),
                None => String::new(),
            }
        ),
    );
    for (key, [least, initial, most]) in [
        ("net.ipv4.tcp_rmem", buffers.receive),
        ("net.ipv4.tcp_wmem", buffers.send),
    ] {
        if most < ENOUGH {
            check = check.sysctl(key, &format!("{least} {initial} {}", ENOUGH * 4));
        }
    }
    check
}

/// A limit, where there is one.
fn known(limit: u64) -> Option<u64> {
    (limit != u64::MAX).then_some(limit)
}

fn limit(value: u64) -> String {
    known(value).map_or_else(|| "unlimited".to_owned(), human::count)
}
