//! Where lists of addresses come from.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::bind::Origins;
use super::entries::{self, Listed};
use crate::input;
use crate::scenario::AddressList;

/// How a name is looked up, however long that takes.
type Resolver = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Where a list comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The addresses of a name.
    Name {
        host: String,
        port: u16,
        resolver: Resolver,
        /// Where connections to them come from.
        from: Origins,
    },
    /// What is in a file.
    File(PathBuf),
    /// A service's healthy instances, by Consul's word.
    #[cfg(feature = "services")]
    Consul(super::services::Consul),
    /// What stands in etcd below a prefix.
    #[cfg(feature = "services")]
    Etcd(super::services::Etcd),
}

/// The program was built without what it takes to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("loadgen-core was built without the feature `services`")]
pub(crate) struct NotBuilt;

impl Source {
    /// That of a target's list, to whose addresses connections come from these.
    ///
    /// # Errors
    /// [`NotBuilt`] for Consul and etcd where the program cannot ask them.
    pub(crate) fn of(list: &AddressList<'_>, port: u16, from: &Origins) -> Result<Self, NotBuilt> {
        match list {
            AddressList::Dns { name } => Ok(Self::Name {
                host: (*name).to_owned(),
                port,
                resolver: |host, port| Ok((host, port).to_socket_addrs()?.collect()),
                from: from.clone(),
            }),
            AddressList::File { path } => Ok(Self::File((*path).to_owned())),
            #[cfg(feature = "services")]
            AddressList::Consul { authority, service } => Ok(Self::Consul(
                super::services::Consul::new(authority, service),
            )),
            #[cfg(feature = "services")]
            AddressList::Etcd { authority, prefix } => {
                Ok(Self::Etcd(super::services::Etcd::new(authority, prefix)))
            }
            #[cfg(not(feature = "services"))]
            AddressList::Consul { .. } | AddressList::Etcd { .. } => Err(NotBuilt),
        }
    }

    /// The list as it is now. Blocks.
    pub(super) fn ask(&self) -> Result<Vec<Listed>, String> {
        match self {
            Self::Name {
                host,
                port,
                resolver,
                from,
            } => {
                let found = resolver(host, *port).map_err(|error| {
                    format!("the name does not resolve ({error}); check its spelling")
                })?;
                // As of a name that is connected to as such: those of both families are one service's.
                let found = from.reachable(&found);
                let found = found.map_err(|problem| problem.to_string())?;
                Ok(found.iter().copied().map(Listed::from).collect())
            }
            Self::File(path) => {
                let list = settled(path).and_then(|text| entries::of_text(&text));
                list.map_err(|problem| match path.is_relative() {
                    // As it is written, nobody knows where it was looked for.
                    true => format!("{}: {problem}", whole(path)),
                    false => problem,
                })
            }
            #[cfg(feature = "services")]
            Self::Consul(consul) => consul.ask(),
            #[cfg(feature = "services")]
            Self::Etcd(etcd) => etcd.ask(),
        }
    }
}

/// How long after a look at a file the next is taken, and how many there are at the most until two of them
/// find the same: it may be being written.
const AGAIN: Duration = Duration::from_millis(20);
const LOOKS: usize = 50;

/// A path with the folder that it is looked for in.
fn whole(path: &Path) -> String {
    let whole = std::path::absolute(path);
    crate::text::line(&whole.as_deref().unwrap_or(path).display().to_string())
}

/// A file's text, once it is the same in two looks.
fn settled(path: &Path) -> Result<String, String> {
    let read = || input::read_text(path).map_err(|error| error.to_string());
    let mut last = read();
    for _ in 1..LOOKS {
        thread::park_timeout(AGAIN);
        let now = read();
        if now == last {
            return now;
        }
        last = now;
    }
    Err("it does not stop changing".to_owned())
}
