//! Prometheus: the figures as they stand, for whoever comes to scrape them.
//!
//! Owns which name each metric has there, and the endpoint. The endpoint has a thread of its own:
//! the run hands it a picture once a second, and what a scrape costs is paid there.

mod encode;
mod server;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use self::encode::Exposition;
use self::server::Server;
use super::RunInfo;
use super::picture::{Picture, Sampler};
use crate::engine::Event;
use crate::record::Names;

/// The port of the endpoint unless told.
pub const DEFAULT_PORT: u16 = 9464;

/// Shows a run's figures to Prometheus at `http://ADDRESS/metrics`. Hand each [`Event`] to
/// [`hear`](Self::hear).
///
/// It speaks OpenMetrics to whoever asks for that, as Prometheus does, and the older text format to
/// others. The endpoint answers from the moment it is made for as long as the sink or an
/// [`Endpoint`] is there: keep one to have the last figures scraped after the run.
///
/// ```
/// use std::net::TcpListener;
///
/// use loadgen_core::engine::{Event, Options, Run};
/// use loadgen_core::sink::RunInfo;
/// use loadgen_core::sink::prometheus::PrometheusSink;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = Run::new(Options::default());
/// let info = RunInfo::new("20261103T141502Z-7f3a9c", "1.0");
/// let mut sink = PrometheusSink::new(TcpListener::bind("127.0.0.1:0")?, &run.names(), &info)?;
/// let endpoint = sink.endpoint();
/// println!("http://{}/metrics", endpoint.address());
/// let run = run.listen(move |event: &Event<'_>| sink.hear(event));
/// run.execute()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PrometheusSink {
    sampler: Sampler,
    endpoint: Endpoint,
}

/// The place that is scraped; it answers for as long as this or a clone of it is there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the server with the last of its owners.
    _server: Arc<Server>,
}

/// The picture on show, and who has seen it.
#[derive(Debug)]
struct Shared {
    exposition: Exposition,
    shown: Mutex<Shown>,
    seen: Condvar,
}

#[derive(Debug)]
struct Shown {
    picture: Arc<Picture>,
    /// Whether it is the last of the run.
    last: bool,
    /// Whether that one has been scraped.
    last_seen: bool,
}

impl PrometheusSink {
    /// A sink for a run whose scenarios have these names ([`Run::names`](crate::engine::Run::names)),
    /// in its order. It answers at the listener's address from now on.
    ///
    /// # Errors
    /// When the system refuses the endpoint its thread or what it needs to listen.
    pub fn new(listener: TcpListener, scenarios: &[Names], run: &RunInfo) -> io::Result<Self> {
        let (sampler, scopes) = Sampler::new(scenarios);
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            exposition: Exposition::new(&scopes, run),
            shown: Mutex::new(Shown {
                picture: Arc::new(sampler.before(scenarios)),
                last: false,
                last_seen: false,
            }),
            seen: Condvar::new(),
        });
        let server = Server::start(listener, Arc::clone(&shared))?;
        Ok(Self {
            sampler,
            endpoint: Endpoint {
                address,
                shared,
                _server: Arc::new(server),
            },
        })
    }

    /// A handle on the place that is scraped.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Takes in what the run tells, and shows it.
    pub fn hear(&mut self, event: &Event<'_>) {
        if let Some(picture) = self.sampler.take(event) {
            let mut shown = self.endpoint.shared.shown();
            shown.picture = picture;
            shown.last = matches!(event, Event::Finished(_));
            shown.last_seen = false;
        }
    }
}

impl Endpoint {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the last figures of the run have been scraped, at most so long. Says whether they
    /// were.
    #[must_use]
    pub fn wait_for_last_scrape(&self, at_most: Duration) -> bool {
        let shown = self.shared.shown();
        let waited = self
            .shared
            .seen
            .wait_timeout_while(shown, at_most, |shown| !shown.last_seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.last_seen
    }
}

impl Shared {
    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        // Whoever held it did nothing that could leave it half done.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on show, as text, and whether it is the last.
    fn text(&self, format: encode::Format) -> (String, bool) {
        let (picture, last) = {
            let shown = self.shown();
            (Arc::clone(&shown.picture), shown.last)
        };
        (self.exposition.text(&picture, format), last)
    }

    /// The last figures have gone out.
    fn last_was_seen(&self) {
        self.shown().last_seen = true;
        self.seen.notify_all();
    }
}

#[cfg(test)]
#[cfg(all(feature = "prometheus", feature = "otlp", feature = "graphite"))]
mod tests;
