//! Where and when a run took place: facts of the host, the run's id, its time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands for systems and architectures of several kinds.
const MIXED: &str = "mixed";

/// The machine that made the load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Host {
    /// Operating system: `linux`, `macos`, …; `mixed` where machines with several made the load together.
    pub os: String,
    /// Release of its kernel, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Processor architecture: `x86_64`, `aarch64`, …; `mixed` like `os`.
    pub arch: String,
    /// What its processor calls itself, where the system tells: `AMD EPYC 7763 64-Core Processor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Cores that the process may use, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
    /// Main memory in bytes, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The machine's name for itself, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

impl Host {
    /// What several machines have in common: what differs is left out, and is nothing where it cannot be.
    #[must_use]
    pub(crate) fn common<'a>(hosts: impl Iterator<Item = &'a Self>) -> Self {
        let mut hosts = hosts.cloned();
        let first = hosts.next().unwrap_or_default();
        fn same<T: PartialEq>(one: Option<T>, other: Option<&T>) -> Option<T> {
            one.filter(|it| Some(it) == other)
        }
        let or_mixed = |one: String, other: String| match one == other {
            true => one,
            false => MIXED.to_owned(),
        };
        hosts.fold(first, |common, it| Self {
            os: or_mixed(common.os, it.os),
            kernel: same(common.kernel, it.kernel.as_ref()),
            arch: or_mixed(common.arch, it.arch),
            cpu: same(common.cpu, it.cpu.as_ref()),
            cores: same(common.cores, it.cores.as_ref()),
            memory_bytes: same(common.memory_bytes, it.memory_bytes.as_ref()),
            hostname: same(common.hostname, it.hostname.as_ref()),
        })
    }

    /// The machine this runs on.
    #[must_use]
    pub fn detect() -> Self {
        let system = rustix::system::uname();
        let text = |text: &std::ffi::CStr| {
            let text = text.to_string_lossy();
            (!text.is_empty()).then(|| text.into_owned())
        };
        Self {
            os: std::env::consts::OS.to_owned(),
            kernel: text(system.release()),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu(),
            cores: std::thread::available_parallelism()
                .ok()
                .and_then(|cores| u64::try_from(cores.get()).ok()),
            memory_bytes: memory_bytes(),
            hostname: text(system.nodename()),
        }
    }
}

#[cfg(target_os = "linux")]
fn memory_bytes() -> Option<u64> {
    let info = rustix::system::sysinfo();
    // The field's width differs between architectures.
    #[expect(
        clippy::useless_conversion,
        reason = "the width is 32 bits on some targets"
    )]
    let total = u64::try_from(info.totalram).ok()?;
    total.checked_mul(u64::from(info.mem_unit))
}

/// Most architectures have no such line.
#[cfg(target_os = "linux")]
fn cpu() -> Option<String> {
    model(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> Option<String> {
    None
}

/// What the first processor of `/proc/cpuinfo` is called.
#[cfg(target_os = "linux")]
fn model(cpuinfo: &str) -> Option<String> {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, model) = fields.find(|(name, _)| name.trim() == "model name")?;
    let words: Vec<&str> = model.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(not(target_os = "linux"))]
fn memory_bytes() -> Option<u64> {
    None
}

/// An id for a run that began at a moment: that moment to the second, which sorts, and six random
/// hexadecimal digits, which tell apart what began together. `20261103T141502Z-7f3a9c`.
#[must_use]
pub fn new_run_id(started_at: SystemTime) -> String {
    let stamp: String = humantime::format_rfc3339_seconds(within_calendar(started_at))
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    // The hasher's keys come from the system's random source.
    let random = RandomState::new().build_hasher().finish() & 0x00ff_ffff;
    format!("{stamp}-{random:06x}")
}

/// A moment as RFC 3339 in UTC, to the microsecond.
pub(in crate::report) fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_micros(within_calendar(at)).to_string()
}

/// The formatter knows the years 1970 to 9999; a clock that is set to another must not end a run.
fn within_calendar(at: SystemTime) -> SystemTime {
    const LAST_SECOND: u64 = 253_402_300_799;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + since.min(Duration::from_secs(LAST_SECOND))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(UNIX_EPOCH => "1970-01-01T00:00:00.000000Z")]
    #[test_case(UNIX_EPOCH - Duration::from_secs(1) => "1970-01-01T00:00:00.000000Z"; "before the epoch")]
    #[test_case(UNIX_EPOCH + Duration::from_millis(1_770_000_000_123) => "2026-02-02T02:40:00.123000Z")]
    #[test_case(UNIX_EPOCH + Duration::from_secs(300_000_000_000) => "9999-12-31T23:59:59.000000Z"; "beyond the calendar")]
    fn timestamps(at: SystemTime) -> String {
        timestamp(at)
    }

    #[cfg(target_os = "linux")]
    #[test_case("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R)  CPU @ 2.00GHz\n" => Some("Intel(R) Xeon(R) CPU @ 2.00GHz".to_owned()))]
    #[test_case("processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n" => None; "one without a name")]
    #[test_case("model name\t:\n" => None; "an empty name")]
    fn processors(cpuinfo: &str) -> Option<String> {
        model(cpuinfo)
    }

    #[test]
    fn run_ids_tell_runs_apart() {
        let at = UNIX_EPOCH + Duration::from_secs(1_770_000_000);
        let (one, other) = (new_run_id(at), new_run_id(at));
        assert!(one.starts_with("20260202T024000Z-"), "{one}");
        assert_eq!(one.len(), "20260202T024000Z-7f3a9c".len());
        assert_ne!(one, other);
    }

    #[test]
    fn machines_have_in_common_what_is_the_same() {
        let machine = |name: &str, arch: &str| Host {
            os: "linux".to_owned(),
            arch: arch.to_owned(),
            cores: Some(4),
            hostname: Some(name.to_owned()),
            ..Host::default()
        };
        let common = Host::common([machine("a", "x86_64"), machine("b", "x86_64")].iter());
        let expected = Host {
            hostname: None,
            ..machine("", "x86_64")
        };
        assert_eq!(common, expected);
        let common = Host::common([machine("a", "x86_64"), machine("a", "aarch64")].iter());
        assert_eq!(common, machine("a", "mixed"));
    }

    #[test]
    fn the_host_is_known() {
        let host = Host::detect();
        assert!(!host.os.is_empty() && !host.arch.is_empty());
        assert!(host.cores.is_some_and(|cores| cores > 0));
        if cfg!(target_os = "linux") {
            assert!(host.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
            assert!(host.kernel.is_some());
        }
    }
}
