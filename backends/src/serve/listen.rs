//! Opening the listening socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::serve::error::ServeError;

/// Connections that may wait to be accepted. The system cuts it to its own limit; a generator that
/// opens thousands at once should wait for nothing else.
const BACKLOG: i32 = 65_535;

/// Listens on `address`, and says where that is: port 0 takes any free one.
///
/// # Errors
/// [`ServeError::AddressInUse`] or [`ServeError::Listen`].
pub(crate) fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let opened = open(address).and_then(|listener| {
        let local_addr = listener.local_addr()?;
        Ok((listener, local_addr))
    });
    opened.map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse { address },
        _ => ServeError::Listen { address, reason },
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A server that is restarted must not wait for its old connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
