//! Looking a name up, so that nobody has to wait for it longer than they want to.
//!
//! The system's resolver blocks its thread for as long as it pleases, half a minute where no name
//! server answers, and cannot be called off. On a runtime's own pool of threads it would keep that
//! runtime from ending. Here it has a thread that nobody waits for, and one at a time for each name:
//! who asks while it is at work is told the same.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::watch;

/// The addresses of a name, or why there are none.
pub(in crate::driver) type Found = Result<Vec<SocketAddr>, String>;

/// How a name is looked up, however long that takes.
type Resolver = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// A name that may be looked up; clones share what is under way.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Lookup {
    host: String,
    port: u16,
    resolver: Resolver,
    under_way: Arc<Mutex<Option<watch::Receiver<Option<Found>>>>>,
}

impl Lookup {
    pub(in crate::driver) fn new(host: &str, port: u16) -> Self {
        Self::by(
            |host, port| Ok((host, port).to_socket_addrs()?.collect()),
            host,
            port,
        )
    }

    fn by(resolver: Resolver, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            resolver,
            under_way: Arc::default(),
        }
    }

    /// What the resolver says. Dropping this ends the wait, not the resolver's work.
    pub(in crate::driver) async fn ask(&self) -> Found {
        let mut answer = self.start().map_err(|error| error.to_string())?;
        let found = answer.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|found| found.clone());
        // Its thread has ended without a word; that is a panic, and none is known.
        found.unwrap_or_else(|| Err("the resolver failed".to_owned()))
    }

    /// Has the name looked up, unless that is under way.
    fn start(&self) -> io::Result<watch::Receiver<Option<Found>>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &*under_way
            && answer.has_changed().is_ok()
            && answer.borrow().is_none()
        {
            return Ok(answer.clone());
        }
        let (sender, answer) = watch::channel(None);
        let (resolver, host, port) = (self.resolver, self.host.clone(), self.port);
        thread::Builder::new()
            .name("lookup".to_owned())
            .spawn(move || {
                let found = resolver(&host, port).map_err(|error| error.to_string());
                sender.send_replace(Some(found));
            })?;
        *under_way = Some(answer.clone());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    fn local(_: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![([127, 0, 0, 1], port).into()])
    }

    fn unknown(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no such name"))
    }

    static SILENT_ASKED: AtomicU32 = AtomicU32::new(0);

    /// A name server that never answers.
    fn silent(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        SILENT_ASKED.fetch_add(1, Ordering::Relaxed);
        loop {
            thread::park();
        }
    }

    #[tokio::test]
    async fn each_is_told_what_was_found() {
        let lookup = Lookup::by(local, "name.test", 80);
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        for _ in 0..2 {
            let found = join_all([lookup.ask(), lookup.ask()]).await;
            assert_eq!(found, vec![Ok(vec![address]); 2]);
        }
    }

    #[tokio::test]
    async fn an_error_is_told_and_asked_again() {
        let lookup = Lookup::by(unknown, "name.test", 80);
        for _ in 0..2 {
            assert_eq!(lookup.ask().await, Err("no such name".to_owned()));
        }
    }

    #[tokio::test]
    async fn a_resolver_that_panics_is_a_failure() {
        let lookup = Lookup::by(|_, _| panic!("as is tested"), "name.test", 80);
        for _ in 0..2 {
            let found = lookup.ask().await;
            assert_eq!(found, Err("the resolver failed".to_owned()));
        }
    }

    /// It once kept the runtime from ending, and each further attempt took a thread of its own.
    #[test]
    fn a_silent_resolver_holds_up_nothing_and_is_asked_once() {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let lookup = Lookup::by(silent, "name.test", 80);
        runtime.block_on(async {
            for _ in 0..3 {
                let waited = timeout(Duration::from_millis(5), lookup.clone().ask()).await;
                assert!(waited.is_err(), "{waited:?}");
            }
        });
        // Would never come back if the runtime waited for the thread.
        drop(runtime);
        assert!(SILENT_ASKED.load(Ordering::Relaxed) <= 1);
    }
}
