//! What a balancer counts, as families of metrics: for Prometheus as text, for StatsD as lines.
//!
//! Owns both forms. What there is to count is the balancer's.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use tokio::time::{self, MissedTickBehavior};

use crate::balance::config::shared::StatsdSettings;
use crate::balance::endpoint::State;
use crate::balance::pool::PoolSnapshot;
use crate::balance::status::Report;
use crate::serve::error::ServeError;

/// What every name begins with for Prometheus.
const NAMESPACE: &str = "loadgen_balancer";
/// The most bytes in a datagram: what an Ethernet frame holds, tunnels allowed for.
const DATAGRAM: usize = 1_432;

/// Whether figures only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A total since the start.
    Counter,
    /// How it is at the moment.
    Gauge,
}

/// Labels, in their order.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Figures of one name.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) points: Vec<(Labels, u64)>,
}

impl Family {
    pub(crate) fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: Kind::Counter,
            points: Vec::new(),
        }
    }

    pub(crate) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, help)
        }
    }

    pub(crate) fn point(mut self, labels: Labels, value: u64) -> Self {
        self.points.push((labels, value));
        self
    }
}

/// The families of a pool's backends. `labels` come before the backend's own, for a pool that is one of
/// several.
pub(crate) fn of_pool(pool: &PoolSnapshot, labels: &Labels) -> Vec<Family> {
    let mut families = vec![
        Family::gauge("backend_up", "1 if the backend takes new work, 0 if not."),
        Family::gauge(
            "backend_draining",
            "1 if the backend only finishes what it has.",
        ),
        Family::gauge("backend_weight", "The backend's weight."),
        Family::gauge(
            "backend_open",
            "Connections or requests open on the backend.",
        ),
        Family::counter(
            "backend_opened_total",
            "Connections or requests given to the backend.",
        ),
        Family::counter(
            "backend_failed_total",
            "Attempts that did not reach the backend.",
        ),
        Family::counter(
            "backend_sent_bytes_total",
            "Bytes that went to the backend.",
        ),
        Family::counter(
            "backend_received_bytes_total",
            "Bytes that came from the backend.",
        ),
        Family::counter("backend_checks_total", "Health checks."),
        Family::counter("backend_checks_failed_total", "Health checks that failed."),
        Family::counter(
            "backend_state_changes_total",
            "Times that the backend came up or went down.",
        ),
    ];
    for it in &pool.backends {
        let values = [
            u64::from(it.state == State::Up),
            u64::from(it.state == State::Draining),
            u64::from(it.weight),
            it.open,
            it.opened,
            it.failed,
            it.bytes_sent,
            it.bytes_received,
            it.checks,
            it.checks_failed,
            it.state_changes,
        ];
        let mut labels = labels.clone();
        labels.push(("backend", it.backend.clone()));
        labels.push(("address", it.address.to_string()));
        for (family, value) in families.iter_mut().zip(values) {
            family.points.push((labels.clone(), value));
        }
    }
    families.push(
        Family::gauge(
            "unresolved_backends",
            "Backends whose names cannot be looked up.",
        )
        .point(labels.clone(), pool.unresolved.len() as u64),
    );
    families
}

/// Puts families of one name together, each where its name comes first.
pub(crate) fn merged(families: impl IntoIterator<Item = Family>) -> Vec<Family> {
    let mut merged: Vec<Family> = Vec::new();
    for family in families {
        match merged.iter_mut().find(|it| it.name == family.name) {
            Some(known) => known.points.extend(family.points),
            None => merged.push(family),
        }
    }
    merged
}

/// The text format of Prometheus, version 0.0.4.
pub(crate) fn prometheus(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let Family { name, help, .. } = family;
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {NAMESPACE}_{name} {help}");
        let _ = writeln!(text, "# TYPE {NAMESPACE}_{name} {kind}");
        for (labels, value) in &family.points {
            let pairs: Vec<_> = labels
                .iter()
                .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
                .collect();
            let labels = match pairs.len() {
                0 => String::new(),
                _ => format!("{{{}}}", pairs.join(",")),
            };
            let _ = writeln!(text, "{NAMESPACE}_{name}{labels} {value}");
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Sends families to a StatsD server: of counters what came since, of gauges how they stand.
#[derive(Debug)]
pub(crate) struct Statsd {
    socket: UdpSocket,
    prefix: String,
    told: HashMap<String, u64>,
}

impl Statsd {
    /// A sink for the balancer of this name; what it sends begins with `PREFIX.balancer.NAME`.
    ///
    /// # Errors
    /// [`ServeError::Statsd`] when the server's name has no address, or the system has no socket.
    pub(crate) fn open(to: &StatsdSettings, name: &str) -> Result<Self, ServeError> {
        let prefix = format!("{}.balancer.{}", to.prefix, cleaned(name));
        let opened = (to.host.as_str(), to.port)
            .to_socket_addrs()
            .and_then(|mut found| {
                let missing = || io::Error::other("the name has no address");
                Self::connect(found.next().ok_or_else(missing)?, prefix)
            });
        opened.map_err(|reason| ServeError::Statsd {
            address: format!("{}:{}", to.host, to.port),
            reason,
        })
    }

    /// A sink for names that begin with `prefix`.
    fn connect(address: SocketAddr, prefix: String) -> io::Result<Self> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            prefix,
            told: HashMap::new(),
        })
    }

    /// Sends how it all stands. A datagram that the system does not take is lost, as StatsD is.
    pub(crate) fn tell(&mut self, families: &[Family]) {
        let mut datagram = String::new();
        for line in self.lines(families) {
            if !datagram.is_empty() && datagram.len() + 1 + line.len() > DATAGRAM {
                let _ = self.socket.send(datagram.as_bytes());
                datagram.clear();
            }
            if !datagram.is_empty() {
                datagram.push('\n');
            }
            datagram.push_str(&line);
        }
        if !datagram.is_empty() {
            let _ = self.socket.send(datagram.as_bytes());
        }
    }

    fn lines(&mut self, families: &[Family]) -> Vec<String> {
        let mut lines = Vec::new();
        // Those that are gone are forgotten with this.
        let mut told = HashMap::new();
        for family in families {
            let name = family.name.strip_suffix("_total").unwrap_or(family.name);
            for (labels, value) in &family.points {
                let mut full = self.prefix.clone();
                for (_, value) in labels {
                    full.push('.');
                    full.push_str(&cleaned(value));
                }
                full.push('.');
                full.push_str(name);
                match family.kind {
                    Kind::Gauge => lines.push(format!("{full}:{value}|g")),
                    Kind::Counter => {
                        let before = self.told.get(&full).copied().unwrap_or(0);
                        told.insert(full.clone(), *value);
                        // One that came back under its name counts from nothing.
                        let more = value.checked_sub(before).unwrap_or(*value);
                        if more > 0 {
                            lines.push(format!("{full}:{more}|c"));
                        }
                    }
                }
            }
        }
        self.told = told;
        lines
    }
}

/// Sends how everything stands once a second, if there is anybody to send it to.
pub(crate) async fn tell_every_second(statsd: &mut Option<Statsd>, report: &dyn Report) {
    let Some(statsd) = statsd else {
        return std::future::pending().await;
    };
    let mut ticks = time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        statsd.tell(&report.families());
    }
}

/// A value as one part of a name.
pub(crate) fn cleaned(value: &str) -> String {
    let part = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    value.chars().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(total: u64) -> Vec<Family> {
        let labels = vec![("backend", "a\"b\\:1".to_owned())];
        vec![
            Family::counter("accepted_total", "Accepted.").point(Vec::new(), total),
            Family::gauge("open", "Open.").point(labels, 7),
        ]
    }

    #[test]
    fn prometheus_text() {
        let wanted = "# HELP loadgen_balancer_accepted_total Accepted.\n\
            # TYPE loadgen_balancer_accepted_total counter\n\
            loadgen_balancer_accepted_total 5\n\
            # HELP loadgen_balancer_open Open.\n\
            # TYPE loadgen_balancer_open gauge\n\
            loadgen_balancer_open{backend=\"a\\\"b\\\\:1\"} 7\n";
        assert_eq!(prometheus(&families(5)), wanted);
    }

    #[test]
    fn statsd_gets_what_came_since() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sink = Statsd::connect(server.local_addr().unwrap(), "x".to_owned()).unwrap();
        let mut heard = |total| {
            sink.tell(&families(total));
            let mut buffer = [0; 2000];
            let length = server.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(heard(5), "x.accepted:5|c\nx.a_b__1.open:7|g");
        assert_eq!(heard(8), "x.accepted:3|c\nx.a_b__1.open:7|g");
        assert_eq!(heard(8), "x.a_b__1.open:7|g");
        assert_eq!(heard(2), "x.accepted:2|c\nx.a_b__1.open:7|g");
    }
}
