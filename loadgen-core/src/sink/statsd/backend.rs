//! What a reference backend sends of itself.

use std::io;
use std::net::ToSocketAddrs;

use super::{Emitter, Prefix, Scope, Unsent, clean};
use crate::clock::Clock;
use crate::process::Meter;
use crate::sink::Served;
use crate::sink::figures;

/// Sends the figures of the reference backends of this process to a StatsD server, once a second or
/// whenever it is told them.
#[derive(Debug)]
pub struct BackendSink {
    emitter: Emitter,
    prefix: Prefix,
    meter: Meter,
}

impl BackendSink {
    /// A sink whose figures of the process begin now.
    ///
    /// # Errors
    /// When the address cannot be resolved, or the system has no socket for it.
    pub fn new(address: impl ToSocketAddrs, prefix: &Prefix, clock: Clock) -> io::Result<Self> {
        let mut meter = Meter::new(clock);
        // The first reading of processor time is what the second is held against.
        meter.read();
        Ok(Self {
            emitter: Emitter::connect(address)?,
            prefix: prefix.clone(),
            meter,
        })
    }

    /// A handle on what did not go out.
    #[must_use]
    pub fn unsent(&self) -> Unsent {
        self.emitter.unsent()
    }

    /// Sends how all of them stand. Those that share an id share the figures of the process.
    pub fn tell(&mut self, servers: &[Served<'_>]) {
        let vitals = self.meter.read();
        for server in servers {
            let scope = self.scope(server);
            let mut take = scope.taking(&mut self.emitter);
            figures::totals_of_a_backend(server, &mut take);
            figures::backend_of_the_moment(server, &mut take);
            figures::of_the_process(vitals, &mut take);
        }
        self.emitter.flush();
    }

    /// Sends what came since, and that every gauge is zero. For when they have ended.
    pub fn finish(&mut self, servers: &[Served<'_>]) {
        for server in servers {
            let scope = self.scope(server);
            figures::totals_of_a_backend(server, &mut scope.taking(&mut self.emitter));
        }
        self.emitter.finish();
    }

    fn scope(&self, server: &Served<'_>) -> Scope {
        Scope::untagged(format!("{}.backend.{}", self.prefix, clean(server.id)))
    }
}
