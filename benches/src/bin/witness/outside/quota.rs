//! A control group that gives its members a fifth of a processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So much of each period, which is as long as containers have it.
const QUOTA_US: u32 = 20_000;
const PERIOD_US: u32 = 100_000;

/// The group. It is removed when this is dropped, by when its members have ended.
#[derive(Debug)]
pub(super) struct Quota {
    folder: PathBuf,
}

impl Quota {
    /// Makes one, of whichever version of control groups there is.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub(super) fn new() -> Result<Self, String> {
        const FIRST_VERSION: &str = "/sys/fs/cgroup/cpu";
        const SECOND_VERSION: &str = "/sys/fs/cgroup";
        let is_first = Path::new(FIRST_VERSION).join("cpu.cfs_quota_us").exists()
            || Path::new(FIRST_VERSION).join("cgroup.procs").exists();
        let root = if is_first {
            FIRST_VERSION
        } else {
            SECOND_VERSION
        };
        let name = format!("loadgen-witness-{}", std::process::id());
        let quota = Self {
            folder: Path::new(root).join(name),
        };
        let made = if is_first {
            quota.make(&[
                ("cpu.cfs_period_us", PERIOD_US.to_string()),
                ("cpu.cfs_quota_us", QUOTA_US.to_string()),
            ])
        } else {
            // Where it is on already, this changes nothing.
            let _ = fs::write(Path::new(root).join("cgroup.subtree_control"), "+cpu");
            quota.make(&[("cpu.max", format!("{QUOTA_US} {PERIOD_US}"))])
        };
        made.map_err(|error| format!("no control group for processor time in {root}: {error}"))?;
        Ok(quota)
    }

    fn make(&self, settings: &[(&str, String)]) -> std::io::Result<()> {
        fs::create_dir(&self.folder)?;
        for (name, value) in settings {
            fs::write(self.folder.join(name), value)?;
        }
        Ok(())
    }

    /// The file that takes the process ids of members.
    pub(super) fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Quota {
    #[expect(
        clippy::disallowed_methods,
        reason = "the group is empty a moment after its last member has ended"
    )]
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
