//! What a check comes to.

use serde_json::Value;

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing to do.
    Ok,
    /// Good for most loads; could be better.
    Note,
    /// Limits ordinary loads, or spoils their figures.
    Warning,
    /// This system does not tell.
    Unknown,
}

impl Status {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
        }
    }
}

/// A line of a file that makes a command's effect last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keep {
    /// Which file.
    pub(super) file: &'static str,
    /// The line.
    pub(super) line: String,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    /// What it is called, in JSON; people see blanks for the underscores.
    pub(super) name: &'static str,
    /// How it stands.
    pub(super) status: Status,
    /// What was found, for programs.
    pub(super) found: Value,
    /// What was found, for people.
    pub(super) shown: String,
    /// What it limits.
    pub(super) limits: String,
    /// What would make it better until the next start of the system, in order.
    pub(super) commands: Vec<String>,
    /// What would make that last.
    pub(super) permanent: Vec<Keep>,
}

impl Check {
    /// A check without advice.
    pub(super) fn new(
        name: &'static str,
        status: Status,
        found: Value,
        shown: impl Into<String>,
        limits: impl Into<String>,
    ) -> Self {
        Self {
            name,
            status,
            found,
            shown: shown.into(),
            limits: limits.into(),
            commands: Vec::new(),
            permanent: Vec::new(),
        }
    }

    /// A check of something that this system does not tell.
    pub(super) fn unknown(name: &'static str, limits: impl Into<String>) -> Self {
        let found = Value::Object(serde_json::Map::new());
        Self::new(name, Status::Unknown, found, "unknown", limits)
    }

    /// With a kernel setting that would be better.
    pub(super) fn sysctl(mut self, key: &str, value: &str) -> Self {
        self.commands.push(sysctl(key, value));
        self.permanent.push(Keep {
            file: SYSCTL_FILE,
            line: format!("{key} = {value}"),
        });
        self
    }

    /// With a command that has nothing to do with a kernel setting.
    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// With a line that makes a command's effect last.
    pub(super) fn keep(mut self, file: &'static str, line: impl Into<String>) -> Self {
        let line = line.into();
        self.permanent.push(Keep { file, line });
        self
    }
}

/// Where lasting kernel settings go.
pub(super) const SYSCTL_FILE: &str = "/etc/sysctl.d/90-loadgen.conf";

/// The command that changes a kernel setting.
pub(super) fn sysctl(key: &str, value: &str) -> String {
    if value.contains(' ') {
        format!("sysctl -w {key}=\"{value}\"")
    } else {
        format!("sysctl -w {key}={value}")
    }
}

/// The command that widens the local port range.
pub(super) fn widen_ports((first, last): (u16, u16)) -> String {
    sysctl(PORT_RANGE, &format!("{first} {last}"))
}

/// The setting of the local port range.
pub(super) const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
/// The setting of the longest line of connections to accept.
pub(super) const SOMAXCONN: &str = "net.core.somaxconn";
/// The setting of the size of the connection tracking table.
pub(super) const CONNTRACK: &str = "net.netfilter.nf_conntrack_max";
/// The setting of the reuse of closed connections' ports.
pub(super) const REUSE: &str = "net.ipv4.tcp_tw_reuse";
