//! A layer-4 balancer at work: what becomes of a connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::connect::connect;
use super::counts::{Counts, End, Snapshot};
use super::proxy::ProxyProtocol;
use super::relay::Pair;
use super::settings::TcpSettings;
use crate::balance::config::ReloadError;
use crate::balance::crew::{Bound, Crew, Held, Keeper, Worker, cores};
use crate::balance::health::TcpConnect;
use crate::balance::life::{Phase, lock};
use crate::balance::metrics::{self, Family, Statsd};
use crate::balance::pool::{Pool, PoolSnapshot};
use crate::balance::resolve::Resolve;
use crate::balance::status::Report;
use crate::serve::connection::reset_on_close;
use crate::serve::error::ServeError;

/// A balancer at work on threads of its own. Dropping it stops it at once; [`Self::shutdown`] lets
/// connections end.
pub struct RunningTcpBalancer {
    settings: Mutex<TcpSettings>,
    local_addr: SocketAddr,
    status_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    crew: Crew,
}

/// What all its threads have.
#[derive(Debug)]
struct Shared {
    name: String,
    pool: Pool,
    counts: Counts,
    /// What connections are opened with; a reload changes it for those to come.
    opening: Mutex<Opening>,
    grace: Mutex<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Opening {
    connect_timeout: Duration,
    idle_timeout: Option<Duration>,
    proxy_protocol: Option<ProxyProtocol>,
}

impl Opening {
    /// What a backend is told first of a connection from `peer` that was accepted `here`.
    fn greeting(
        self,
        peer: SocketAddr,
        here: impl FnOnce() -> io::Result<SocketAddr>,
    ) -> io::Result<Vec<u8>> {
        match self.proxy_protocol {
            Some(version) => Ok(version.header(peer, here()?)),
            None => Ok(Vec::new()),
        }
    }
}

impl From<&TcpSettings> for Opening {
    fn from(settings: &TcpSettings) -> Self {
        Self {
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
            proxy_protocol: settings.proxy_protocol,
        }
    }
}

/// Starts a balancer. Names are looked up by `resolver`, for the first time before this returns; a name
/// that is not known yet is no error.
///
/// # Errors
/// [`ServeError`] when an address cannot be listened on, or the system has no threads.
pub fn start_tcp_balancer(
    settings: TcpSettings,
    resolver: Arc<dyn Resolve>,
) -> Result<RunningTcpBalancer, ServeError> {
    let bound = Bound::new(settings.listen, settings.status)?;
    let (local_addr, status_addr) = (bound.local_addr, bound.status_addr);
    let shared = Arc::new(Shared {
        name: format!("tcp {local_addr}"),
        pool: Pool::new(settings.pool.clone(), resolver, Arc::new(TcpConnect)),
        counts: Counts::default(),
        opening: Mutex::new(Opening::from(&settings)),
        grace: Mutex::new(settings.grace),
    });
    let statsd = match &settings.statsd {
        Some(to) => Some(Statsd::open(to, &id(local_addr))?),
        None => None,
    };
    let kept = Arc::clone(&shared);
    let keep = move |keeper: Keeper| async move {
        let report = Arc::clone(&kept) as _;
        let (look_up, keep) = (kept.pool.look_up(), kept.pool.keep());
        keeper.run(report, statsd, look_up, keep).await;
    };
    let threads = settings.threads.unwrap_or_else(cores);
    let crew = Crew::start(bound, threads, keep, |_, _| Arc::clone(&shared))?;
    Ok(RunningTcpBalancer {
        settings: Mutex::new(settings),
        local_addr,
        status_addr,
        shared,
        crew,
    })
}

fn id(local_addr: SocketAddr) -> String {
    format!("tcp-{}", local_addr.port())
}

impl RunningTcpBalancer {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it calls itself, in its metrics as well: `tcp-PORT`.
    pub fn id(&self) -> String {
        id(self.local_addr)
    }

    /// Where its page is, if it has one.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status_addr
    }

    /// What it has counted.
    pub fn counts(&self) -> Snapshot {
        self.shared.counts.snapshot()
    }

    /// What its page says, as JSON.
    pub fn status(&self) -> Value {
        self.shared.document()
    }

    /// Takes new settings. Connections that are open stay with whom they are; those to come go by the new
    /// ones.
    ///
    /// # Errors
    /// [`ReloadError`] when something is to change that needs a new start. Then nothing changes.
    pub fn reload(&self, settings: TcpSettings) -> Result<(), ReloadError> {
        let mut current = lock(&self.settings);
        let fixed = [
            ("listen", settings.listen != current.listen),
            ("threads", settings.threads != current.threads),
            ("status", settings.status != current.status),
            ("statsd", settings.statsd != current.statsd),
        ];
        if let Some((field, _)) = fixed.into_iter().find(|(_, changes)| *changes) {
            return Err(ReloadError { field });
        }
        *lock(&self.shared.opening) = Opening::from(&settings);
        *lock(&self.shared.grace) = settings.grace;
        self.shared.pool.apply(settings.pool.clone());
        *current = settings;
        Ok(())
    }

    /// Takes no more connections, lets those that are open end for as long as the grace, resets what is left,
    /// and returns when all threads have ended.
    pub fn shutdown(&self) {
        self.crew.end(Phase::Draining);
    }

    /// Resets all connections and returns when all threads have ended. Also cuts short a
    /// [`Self::shutdown`] that another thread waits in.
    pub fn stop(&self) {
        self.crew.end(Phase::Stopped);
    }
}

impl fmt::Debug for RunningTcpBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTcpBalancer")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl Report for Shared {
    fn document(&self) -> Value {
        json!({
            "balancer": self.name,
            "connections": self.counts.snapshot(),
            "pool": self.pool.snapshot(),
        })
    }

    fn families(&self) -> Vec<Family> {
        let mut families = self.counts.snapshot().families();
        families.extend(metrics::of_pool(&self.pool.snapshot(), &Vec::new()));
        families
    }

    fn pools(&self) -> Vec<(String, PoolSnapshot)> {
        vec![("backends".to_owned(), self.pool.snapshot())]
    }

    fn title(&self) -> String {
        format!("loadgen balance {}", self.name)
    }

    fn is_alive(&self) -> bool {
        self.pool.is_alive()
    }
}

impl Worker for Arc<Shared> {
    fn begin(&self, client: TcpStream, peer: SocketAddr, held: Held) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            shared.carry(client, peer).await;
            drop(held);
        });
    }

    fn accept_failed(&self) {
        self.counts.accept_failed();
    }

    fn grace(&self) -> Duration {
        *lock(&self.grace)
    }
}

impl Shared {
    async fn carry(&self, client: TcpStream, peer: SocketAddr) {
        let open = self.counts.accepted();
        let opening = *lock(&self.opening);
        let Ok(greeting) = opening.greeting(peer, || client.local_addr()) else {
            // The client is gone already. Nobody is told a connection of whom is not known.
            reset_on_close(&client);
            open.over(End::Broken);
            return;
        };
        // Boxed, or every connection would keep room for what is needed once.
        let connecting = Box::pin(connect(&self.pool, opening.connect_timeout));
        let (lease, backend) = match connecting.await {
            Ok(connected) => connected,
            Err(refusal) => {
                // A client that got an end in good order could take it for an answer.
                reset_on_close(&client);
                open.over(End::Refused(refusal));
                return;
            }
        };
        // Bytes go on as they come. One that cannot be told so is about to fail anyway.
        let _ = client.set_nodelay(true);
        let _ = backend.set_nodelay(true);
        let end = Pair::new(client, backend)
            .relay(greeting, lease.endpoint(), opening.idle_timeout)
            .await;
        open.over(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backend that expects the header would take the client's bytes for it.
    #[test]
    fn no_header_is_left_out_for_want_of_an_address() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let gone = || Err(io::ErrorKind::NotConnected.into());
        let opening = |proxy_protocol| Opening {
            connect_timeout: Duration::ZERO,
            idle_timeout: None,
            proxy_protocol,
        };
        for version in ProxyProtocol::ALL {
            assert!(opening(Some(version)).greeting(peer, gone).is_err());
            assert!(
                !opening(Some(version))
                    .greeting(peer, || Ok(peer))
                    .unwrap()
                    .is_empty()
            );
        }
        assert!(opening(None).greeting(peer, gone).unwrap().is_empty());
    }
}
