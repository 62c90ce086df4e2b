//! Looking a host up before anything is started.

use std::net::{SocketAddr, ToSocketAddrs};

use loadgen_core::sink::post::Url;

use super::error::SinkError;

/// Makes sure that a host has an address.
pub(super) fn look_up(url: &Url, what: &'static str) -> Result<(), SinkError> {
    let found = (url.host(), url.port()).to_socket_addrs();
    found
        .map(|_: std::vec::IntoIter<SocketAddr>| ())
        .map_err(|source| SinkError::Lookup {
            what,
            address: url.to_string(),
            source,
        })
}
