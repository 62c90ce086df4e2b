//! What the system lets a process have: open files, raised as far as that goes and checked before it hurts, and
//! pages of memory.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::human;

/// Files the process has open besides its connections: standard streams, results, libraries.
const BESIDE_CONNECTIONS: u64 = 48;
/// Files that each worker has open besides its users' connections: poller, waker, timer, and the few
/// WebSocket connections that are listened to after their users have gone on.
const PER_WORKER: u64 = 8;

/// More connections than files may be open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} + {} of its own make {} open files, and this process may have {}; raise the limit with \
     `ulimit -n {needed}` (as root, or in /etc/security/limits.conf, where the hard limit is \
     lower), or ask for fewer, of gRPC with `--connections`, of WebSocket with `--concurrency`",
    human::counted(*connections, "connection"), human::count(needed - connections), human::count(*needed), human::count(*limit)
)]
pub(crate) struct LimitError {
    connections: u64,
    needed: u64,
    limit: u64,
}

/// More shards than files may be open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} are a connection each to their coordinator, which with {} of its own are {} open files, and this process may \
     have {}; raise the limit with `ulimit -n {needed}` (as root, or in /etc/security/limits.conf, where the hard limit \
     is lower)",
    human::counted(*shards, "shard"), human::count(needed - shards), human::count(*needed), human::count(*limit)
)]
pub(crate) struct ShardLimitError {
    shards: u64,
    needed: u64,
    limit: u64,
}

/// The limits of open files as they are, soft and hard; `u64::MAX` is none.
pub(crate) fn open_files() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    (
        limit.current.unwrap_or(u64::MAX),
        limit.maximum.unwrap_or(u64::MAX),
    )
}

/// How many connections fit into this many open files; `u64::MAX` is no limit.
pub(crate) fn room(files: u64, workers: u64) -> u64 {
    if files == u64::MAX {
        return u64::MAX;
    }
    files.saturating_sub(BESIDE_CONNECTIONS + PER_WORKER.saturating_mul(workers))
}

/// Raises the soft limit to the hard one.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where the system refuses, the limit stays as it is and the check below counts with it.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        );
    }
}

/// Has memory come in small pages only, for which the process begins anew: what is in huge ones by now would
/// stay in them. The allocator asks for huge pages, by which a load generator gains; a process that holds little
/// holds 2 MiB wherever it has touched a byte. Where the process's program is the
/// loader, or has another name than it was called by, it does not begin anew.
#[cfg(target_os = "linux")]
pub(crate) fn small_pages() {
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use rustix::thread::{
        disable_transparent_huge_pages as disable, transparent_huge_pages_are_disabled as disabled,
    };
    use signal_hook::consts::SIGPIPE;

    // Where any of this fails, more memory is resident and all else is the same.
    let is_new = matches!(disabled(), Ok(false)) && disable(true).is_ok();
    let mut words = std::env::args_os();
    if is_new
        && let (Ok(program), Some(name)) = (std::env::current_exe(), words.next())
        && program.file_name() == Path::new(&name).file_name()
    {
        // Returns only if it has failed, and leaves SIGPIPE as one that ends the process: heard, it does not.
        let _ = Command::new(program).arg0(name).args(words).exec();
        let _ = signal_hook::flag::register(SIGPIPE, Arc::default());
    }
}

/// Makes sure that this many connections fit.
///
/// # Errors
/// [`LimitError`] when they do not.
pub(crate) fn check(connections: u64, workers: usize) -> Result<(), LimitError> {
    fits(connections, workers, getrlimit(Resource::Nofile).current)
}

/// Makes sure that the connections of so many shards fit, and of so many others.
///
/// # Errors
/// [`ShardLimitError`] when they do not.
pub(crate) fn check_shards(shards: u64, others: u64) -> Result<(), ShardLimitError> {
    shards_fit(shards, others, getrlimit(Resource::Nofile).current)
}

fn shards_fit(shards: u64, others: u64, limit: Option<u64>) -> Result<(), ShardLimitError> {
    let needed = shards.saturating_add(others + BESIDE_CONNECTIONS);
    match limit {
        Some(limit) if needed > limit => Err(ShardLimitError {
            shards,
            needed,
            limit,
        }),
        _ => Ok(()),
    }
}

fn fits(connections: u64, workers: usize, limit: Option<u64>) -> Result<(), LimitError> {
    let needed = connections
        .saturating_add(BESIDE_CONNECTIONS)
        .saturating_add(PER_WORKER.saturating_mul(workers as u64));
    match limit {
        Some(limit) if needed > limit => Err(LimitError {
            connections,
            needed,
            limit,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_and_what_does_not() {
        assert!(fits(1_000, 4, None).is_ok());
        assert!(fits(944, 4, Some(1_024)).is_ok());
        let error = fits(5_000, 2, Some(1_024)).unwrap_err();
        insta::assert_snapshot!(error, @"5,000 connections + 64 of its own make 5,064 open files, and this process may have 1,024; raise the limit with `ulimit -n 5064` (as root, or in /etc/security/limits.conf, where the hard limit is lower), or ask for fewer, of gRPC with `--connections`, of WebSocket with `--concurrency`");
    }

    #[test]
    fn shards_that_fit_and_that_do_not() {
        assert!(shards_fit(60_000, 16, None).is_ok());
        assert!(shards_fit(960, 16, Some(1_024)).is_ok());
        let error = shards_fit(1_000, 16, Some(1_024)).unwrap_err();
        insta::assert_snapshot!(error, @"1,000 shards are a connection each to their coordinator, which with 64 of its own are 1,064 open files, and this process may have 1,024; raise the limit with `ulimit -n 1064` (as root, or in /etc/security/limits.conf, where the hard limit is lower)");
    }
}
