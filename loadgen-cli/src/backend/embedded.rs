//! The embedded backend: this program again, as a server in a process of its own.

use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use loadgen_core::scenario::{Protocol, Target};

use super::child::{ServerChild, Start};
use super::listening::Listening;
use crate::protocols;
use crate::servers::{self, Server};
use crate::settings::sinks::StatsdSettings;
use crate::sinks::statsd::said;

/// The longest it may take to listen.
const START: Duration = Duration::from_secs(10);
/// What it calls itself in every reply.
const ID: &str = "embedded";

/// Why the embedded backend did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EmbeddedError {
    /// It could not be started.
    #[error("failed to start the embedded backend: {0}")]
    Start(#[from] io::Error),
    /// It started and did not come to listen.
    #[error("failed to start the embedded backend: {0}")]
    Silent(String),
    /// It was gone before the load was over.
    #[error("the embedded backend ended before the load did ({0})")]
    Ended(ExitStatus),
}

/// The embedded backend at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Embedded {
    child: ServerChild,
    /// What it said and was not handed on yet.
    said: Vec<String>,
    /// Where it listens, for each protocol that it was started for.
    addresses: Vec<(Protocol, SocketAddr)>,
}

impl Embedded {
    /// Starts a server for each of the protocols on a free loopback port and waits until all of them
    /// listen. `threads` are for those together, but at least one for each. Their metrics go where the
    /// run's go. It ends with the thread that started it.
    ///
    /// # Errors
    /// [`EmbeddedError`] when one of them does not.
    pub(crate) fn start(
        protocols: &[Protocol],
        threads: usize,
        statsd: Option<&StatsdSettings>,
    ) -> Result<Self, EmbeddedError> {
        // Servers that nobody asked for do not work: their threads take nothing from the others'.
        let threads = (threads / protocols.len().max(1)).max(1);
        let mut args = serve(protocols);
        args.extend(["--id", ID, "--threads", &threads.to_string()].map(str::to_owned));
        args.extend(statsd.map(metrics).into_iter().flatten());
        let mut this = Self {
            child: ServerChild::start(Start {
                args,
                ..Start::default()
            })?,
            said: Vec::new(),
            addresses: Vec::new(),
        };
        for row in served(protocols) {
            let address = this.listening(row)?;
            let needed = protocols.iter().find(|it| it.as_str() == row.name);
            this.addresses.extend(needed.map(|it| (*it, address)));
        }
        Ok(this)
    }

    /// Waits for the line that says where the next server listens; they come in the order of
    /// [`servers::ALL`].
    fn listening(&self, row: &Server) -> Result<SocketAddr, EmbeddedError> {
        let line = self.child.line(START).map_err(|error| {
            EmbeddedError::Silent(match error {
                RecvTimeoutError::Timeout => format!("no word from it within {START:?}"),
                RecvTimeoutError::Disconnected => "it ended before it listened".to_owned(),
            })
        })?;
        Listening::parse(&line)
            .filter(|it| it.protocol == row.name)
            .map(|it| it.address)
            .ok_or_else(|| EmbeddedError::Silent(format!("it said `{line}`")))
    }

    /// Where it listens, for each protocol.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (Protocol, Target)> {
        self.addresses.iter().map(|(protocol, address)| {
            let target = Target {
                host: address.ip().to_string(),
                port: address.port(),
                tls: false,
            };
            (*protocol, target)
        })
    }

    /// The line that says that it is there; `named` says what it speaks, where that is in doubt.
    pub(crate) fn notice(&self, named: bool) -> String {
        format!(
            "no target given: the embedded backend answers {} (process {})",
            places(&self.addresses, named),
            self.child.id()
        )
    }

    /// How it ended, if it is no longer there although nobody told it to end. Its connections end before
    /// itself: who has seen them end gives it so long.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        while !within.is_zero() {
            match self.child.line(within) {
                Ok(line) => self.said.push(line),
                // The kernel closes what a process had open just before the process is gone. Killing one
                // that is on its way changes nothing, and nobody waits for one that is not.
                Err(RecvTimeoutError::Disconnected) => return self.child.kill().ok(),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.child.ended()
    }

    /// Ends it. What it says then is what did not get to StatsD.
    pub(crate) fn end(mut self) -> Vec<String> {
        let rest = self.child.close();
        self.said.into_iter().chain(rest).collect()
    }
}

/// The servers that are started where these protocols are needed: one alone, or all.
fn served(needed: &[Protocol]) -> Vec<&'static Server> {
    match needed {
        [one] => protocols::of(*one)
            .map(|it| it.server)
            .into_iter()
            .collect(),
        _ => servers::ALL.to_vec(),
    }
}

/// The command that serves these protocols on free ports.
fn serve(needed: &[Protocol]) -> Vec<String> {
    const ANY: &str = "127.0.0.1:0";
    match served(needed)[..] {
        [one] => ["serve", one.name, "--address", ANY]
            .map(str::to_owned)
            .to_vec(),
        ref all => {
            let addresses = all
                .iter()
                .flat_map(|it| [format!("--{}", it.address_flag), ANY.to_owned()]);
            ["serve", "all"]
                .map(str::to_owned)
                .into_iter()
                .chain(addresses)
                .collect()
        }
    }
}

/// The flags that send metrics where the run's go.
pub(super) fn metrics(statsd: &StatsdSettings) -> [String; 4] {
    [
        "--statsd".to_owned(),
        said(&statsd.target),
        "--statsd-prefix".to_owned(),
        statsd.prefix.to_string(),
    ]
}

fn places(addresses: &[(Protocol, SocketAddr)], named: bool) -> String {
    match addresses {
        [(_, address)] if !named => format!("on {address}"),
        several => {
            let places = several
                .iter()
                .map(|(protocol, address)| format!("{protocol} on {address}"));
            places.collect::<Vec<_>>().join(" and ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Websocket];

    #[test]
    fn serves_what_is_needed() {
        let one = serve(&[Protocol::Websocket]);
        assert_eq!(one, ["serve", "websocket", "--address", "127.0.0.1:0"]);
        let all = serve(&BOTH);
        assert_eq!(all[..2], ["serve", "all"]);
        for row in servers::ALL {
            let flag = format!("--{}", row.address_flag);
            let given = all.iter().position(|it| *it == flag).unwrap();
            assert_eq!(all[given + 1], "127.0.0.1:0", "{flag}");
        }
    }

    #[test]
    fn the_notice_says_where_each_protocol_is_answered() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let both = [(BOTH[0], address(1)), (BOTH[1], address(2))];
        assert_eq!(places(&both[..1], false), "on 127.0.0.1:1");
        assert_eq!(places(&both[..1], true), "grpc on 127.0.0.1:1");
        assert_eq!(
            places(&both, false),
            "grpc on 127.0.0.1:1 and websocket on 127.0.0.1:2"
        );
    }
}
