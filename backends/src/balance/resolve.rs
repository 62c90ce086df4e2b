//! Names and their addresses, which may be several and may change.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

/// What looking up a name comes to.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host` with this port; an error where there are none.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The system's resolver: the hosts file, DNS and whatever else is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let mut addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
            // The same address may stand there once for each kind of socket, and in any order.
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the name has no address",
                ));
            }
            Ok(addresses)
        })
    }
}
