use std::fs;
use std::path::Path;

use test_case::test_case;

use super::*;

/// Facts of a machine whose files say this.
fn read(files: &[(&str, &str)]) -> Facts {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Facts::below(root.path())
}

#[test]
fn a_machine_without_files_tells_nothing() {
    let facts = read(&[]);
    assert_eq!((facts.ports, facts.backlog), (None, None));
    assert_eq!((facts.memory, facts.quota), (None, None));
    assert_eq!(facts.files.most(), u64::MAX);
}

#[test_case("", 28_232)]
#[test_case("40000", 28_231; "one")]
#[test_case("8080,32768-32770,60999-61010", 28_228; "partly outside")]
#[test_case("1-1000,61000-65535", 28_232; "outside")]
fn reserved_ports_count_within_the_range(reserved: &str, usable: u64) {
    let facts = read(&[
        ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
        ("proc/sys/net/ipv4/ip_local_reserved_ports", reserved),
        ("proc/sys/net/ipv4/ip_unprivileged_port_start", "1024\n"),
    ]);
    assert_eq!(facts.ports.unwrap().usable(), usable);
}

#[test]
fn nonsense_is_not_known() {
    let facts = read(&[
        ("proc/sys/net/ipv4/ip_local_port_range", "many\n"),
        ("proc/sys/net/ipv4/tcp_rmem", "1 2\n"),
        ("proc/sys/net/ipv4/tcp_wmem", "1 2 3\n"),
        ("proc/sys/net/core/somaxconn", "\n"),
    ]);
    assert_eq!(facts.ports, None);
    assert_eq!(facts.buffers, None);
    assert_eq!(facts.backlog, None);
}

#[test]
fn processors() {
    let facts = read(&[
        ("sys/devices/system/cpu/online", "0-3,8\n"),
        (
            "proc/self/status",
            "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t1-2\n",
        ),
        (
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "powersave\n",
        ),
        (
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
            "powersave\n",
        ),
    ]);
    assert_eq!((facts.cpus.online, facts.cpus.allowed), (Some(5), Some(2)));
    assert_eq!(facts.governors, [("powersave".to_owned(), 2)]);
}

#[test]
fn how_processors_sleep() {
    let folder = "sys/devices/system/cpu/";
    let path = |file: &str| format!("{folder}{file}");
    let files = [
        ("cpuidle/current_driver", "haltpoll\n"),
        ("cpuidle/current_governor_ro", "haltpoll\n"),
        ("cpu0/cpuidle/state0/name", "POLL\n"),
        ("cpu0/cpuidle/state0/latency", "0\n"),
        ("cpu0/cpuidle/state0/disable", "0\n"),
        ("cpu0/cpuidle/state1/name", "haltpoll idle\n"),
        ("cpu0/cpuidle/state1/latency", "1\n"),
        ("cpu0/cpuidle/state1/disable", "1\n"),
    ]
    .map(|(file, text)| (path(file), text));
    let mut files: Vec<_> = files.iter().map(|(path, text)| (&**path, *text)).collect();
    let poll = "sys/module/haltpoll/parameters/guest_halt_poll_ns";
    files.push((poll, "200000\n"));
    let idle = read(&files).idle;
    assert_eq!(idle.driver.as_deref(), Some("haltpoll"));
    assert_eq!(idle.governor.as_deref(), Some("haltpoll"));
    let states = [("POLL", 0, false), ("haltpoll idle", 1, true)];
    assert_eq!(idle.states, idle_states(&states));
    assert_eq!(idle.guest_halt_poll_ns, Some(200_000));
    assert_eq!(read(&[]).idle, Idle::default());
}

const V2: (&str, &str) = (
    "proc/self/mountinfo",
    "22 1 0:20 / /proc rw - proc proc rw\n\
     31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
);

#[test]
fn the_tightest_quota_of_version_2_counts() {
    let facts = read(&[
        V2,
        ("proc/self/cgroup", "0::/outer/inner\n"),
        ("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/outer/cpu.max", "150000 100000\n"),
        (
            "sys/fs/cgroup/outer/cpu.stat",
            "usage_usec 1\nnr_periods 40\nnr_throttled 2\nthrottled_usec 9\n",
        ),
    ]);
    let quota = facts.quota.unwrap();
    assert!((quota.cpus - 1.5).abs() < 1e-9);
    assert_eq!((quota.periods, quota.throttled), (40, 2));
    assert_eq!(quota.file, Path::new("/sys/fs/cgroup/outer/cpu.max"));
}

#[test_case("0::/../../elsewhere"; "outside of the namespace")]
#[test_case("0::/"; "the root of it")]
fn within_a_container_the_mount_is_the_group(ours: &str) {
    let facts = read(&[
        V2,
        ("proc/self/cgroup", ours),
        ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
        (
            "proc/meminfo",
            "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 500 kB\n",
        ),
        ("sys/fs/cgroup/memory.max", "300000\n"),
        ("sys/fs/cgroup/memory.current", "200000\n"),
        ("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 50000\n"),
    ]);
    assert!((facts.quota.unwrap().cpus - 0.5).abs() < 1e-9);
    assert_eq!(facts.memory.unwrap().room(), 150_000);
}

#[test]
fn version_1_names_its_controllers() {
    let facts = read(&[
        (
            "proc/self/mountinfo",
            "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ),
        (
            "proc/self/cgroup",
            "4:memory:/job\n2:cpu,cpuacct:/docker/abc\n0::/\n",
        ),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n"),
        (
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1\n"),
    ]);
    let quota = facts.quota.unwrap();
    assert!((quota.cpus - 2.0).abs() < 1e-9);
    assert_eq!(quota.unlimited, "-1");
    let memory = facts.memory.unwrap();
    assert_eq!((memory.group.is_none(), memory.room()), (true, 512_000));
}

#[test]
fn no_quota_of_version_1_is_minus_one() {
    let facts = read(&[
        (
            "proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
        ),
        ("proc/self/cgroup", "1:cpu:/\n0::/\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(facts.quota, None);
}
