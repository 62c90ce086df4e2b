//! From a target to an open byte stream: resolving, TCP, TLS.
//!
//! Owns the transport below a protocol. Knows nothing of the protocol spoken over it beyond its
//! ALPN name.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::bind::Origins;
use super::connect_error::{ConnectError, Problem, Stage};
use super::listing::{Listed, Listing};
use super::lookup::Lookup;
use super::tls::{self, Alpn};
use super::traffic::Traffic;
use super::wire::{self, Socket, Wire};
use crate::scenario::{AddressList, Target};
use crate::workload::Lookout;

/// A target, ready to be connected to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    lookup: Lookup,
    /// The UNIX socket it is, if it is one.
    socket: Option<PathBuf>,
    /// The list of addresses that it stands for, if it does.
    list: Option<List>,
    /// The address of a list that it is, if it is one.
    listed: Option<Listed>,
    /// Whether it is told that it is asked for as that address.
    is_told_address: bool,
    /// Whether it is none of the scenario's: a redirection leads there.
    is_elsewhere: bool,
    /// `host:port`, brackets included, or `unix:` and a path: what people say.
    pub(crate) name: String,
    /// What the other side is told whom a connection is for.
    pub(crate) authority: String,
    tls: Option<Encryption>,
    origins: Origins,
}

/// A list of addresses, as those who connect to them have to know it.
#[derive(Debug, Clone)]
struct List {
    listing: Listing,
    /// Whether they are the addresses of one name: that is what certificates are for.
    is_name: bool,
    /// Whether each connection is told that it is for its address, and not all of them the same: what the
    /// scenario says, or the name.
    is_told_address: bool,
}

/// What stands for the addresses of a list where nothing is sent.
const NOBODY: &str = "list.invalid";

/// What a name resolves to.
pub(crate) type Addresses = Rc<[SocketAddr]>;

/// How to encrypt.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    pub(crate) client: tls::Client,
    /// What is to be spoken over it.
    pub(crate) alpn: &'static Alpn,
    /// The name the certificate must carry instead of the host.
    pub(crate) server_name: Option<String>,
}

impl Endpoint {
    /// `authority` takes the place of the target's own.
    pub(crate) fn new(target: &Target, authority: Option<&str>, tls: Option<Encryption>) -> Self {
        let socket = target.socket().map(Path::to_owned);
        // A socket has no name that could be told; this is what gRPC's own libraries say.
        let (name, own) = match (&socket, target.host.contains(':')) {
            _ if target.list().is_some() => (target.to_string(), of_list(target)),
            (Some(_), _) => (target.to_string(), "localhost".to_owned()),
            (None, true) => {
                let own = format!("[{}]:{}", target.host, target.port);
                (own.clone(), own)
            }
            (None, false) => {
                let own = format!("{}:{}", target.host, target.port);
                (own.clone(), own)
            }
        };
        let host = match (&socket, target.list()) {
            (Some(_), _) => "localhost",
            (None, Some(AddressList::Dns { name })) => name,
            (None, _) => &target.host,
        };
        Self {
            host: host.to_owned(),
            port: target.port,
            lookup: Lookup::new(host, target.port),
            socket,
            list: None,
            listed: None,
            is_told_address: false,
            is_elsewhere: false,
            name,
            authority: authority.map_or(own, str::to_owned),
            tls,
            origins: Origins::default(),
        }
    }

    /// The same, which stands for the addresses of this list. `authority` is what the scenario says.
    pub(super) fn standing_for(
        self,
        target: &Target,
        listing: Listing,
        authority: Option<&str>,
    ) -> Self {
        let is_name = matches!(target.list(), Some(AddressList::Dns { .. }));
        let list = List {
            listing,
            is_name,
            is_told_address: !is_name && authority.is_none(),
        };
        Self {
            list: Some(list),
            ..self
        }
    }

    /// The list of addresses that it stands for, if it does: nothing can be connected to but these.
    pub(crate) fn listing(&self) -> Option<&Listing> {
        Some(&self.list.as_ref()?.listing)
    }

    /// Whom its requests are for, as it is shown: where that is nobody, its list.
    pub(crate) fn shown(&self) -> &str {
        match self.authority == NOBODY {
            true => &self.name,
            false => &self.authority,
        }
    }

    /// Whether it is one of the addresses of a list.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// One of the addresses of its list.
    pub(crate) fn at(&self, listed: &Listed) -> Self {
        let name = listed.to_string();
        let list = self.list.as_ref();
        let is_told_address = list.is_some_and(|it| it.is_told_address);
        Self {
            host: match list.is_some_and(|it| it.is_name) {
                true => self.host.clone(),
                false => listed.host.clone(),
            },
            port: listed.port,
            lookup: Lookup::new(&listed.host, listed.port),
            list: None,
            listed: Some(listed.clone()),
            is_told_address,
            authority: match is_told_address {
                true => name.clone(),
                false => self.authority.clone(),
            },
            name,
            ..self.clone()
        }
    }

    /// Whom its connections are told that they are for, where that is another one than for its target.
    pub(crate) fn told_address(&self) -> Option<http::uri::Authority> {
        self.is_told_address
            .then(|| self.authority.parse().ok())
            .flatten()
    }

    /// The addresses that can be connected to: itself, or those of its list.
    ///
    /// # Errors
    /// Why its list is not known.
    pub(crate) async fn each(&self, limit: std::time::Duration) -> Result<Vec<Self>, Problem> {
        let Some(listing) = self.listing() else {
            return Ok(vec![self.clone()]);
        };
        let list = listing.first(limit).await.map_err(Problem::Unlisted)?;
        Ok(list.iter().map(|it| self.at(it)).collect())
    }

    /// The same, which is none of the scenario's: its addresses are none of a target's.
    pub(crate) fn elsewhere(self) -> Self {
        Self {
            is_elsewhere: true,
            ..self
        }
    }

    /// The same, connected to from these addresses.
    pub(crate) fn from(self, origins: &Origins) -> Self {
        Self {
            origins: origins.clone(),
            ..self
        }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What it means that an encrypted connection ended right after the handshake, for this reason:
    /// with TLS 1.3 that is when a server has looked at the client's certificate.
    pub(crate) fn ended_after_handshake(&self, reason: &str) -> Option<Problem> {
        let client = &self.tls.as_ref()?.client;
        tls::late_alert(reason).or_else(|| client.now().for_want_of_a_certificate(reason))
    }

    /// The protocol, where it is to be agreed on in the TLS handshake.
    pub(crate) fn alpn(&self) -> Option<&'static Alpn> {
        let tls = self.tls.as_ref()?;
        tls.client.offers_alpn.then_some(tls.alpn)
    }

    /// The files that its settings are made of, where there are any.
    pub(crate) fn lookout(&self) -> Option<Arc<dyn Lookout>> {
        self.tls.as_ref()?.client.lookout()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// This endpoint could not be connected to.
    pub(crate) fn failed<P>(&self, problem: P) -> ConnectError<P> {
        ConnectError {
            target: self.name.clone(),
            problem,
        }
    }

    /// Opens the byte stream. `resolving` is [`Self::resolve`], which several attempts may share;
    /// `nth` is the connection's number: where a name has several addresses, connections start at
    /// different ones. `stage` tells how far it came, for whoever
    /// gives up waiting, and `deadline` when that will be.
    pub(crate) async fn connect<S: From<Stage>>(
        &self,
        resolving: impl Future<Output = Result<Addresses, Problem>>,
        nth: usize,
        deadline: Instant,
        stage: &Cell<S>,
        traffic: &Rc<Traffic>,
    ) -> Result<Transport, Problem> {
        stage.set(Stage::Resolving.into());
        let addresses = resolving.await?;
        stage.set(Stage::Connecting.into());
        let socket = match &self.socket {
            Some(path) => connect_to_socket(path).await?,
            None => {
                let tcp = connect_any(&addresses, &self.origins, nth, deadline).await?;
                let to = match &self.listed {
                    Some(listed) => Some(listed.to_string()),
                    None => tcp.peer_addr().ok().map(|it| it.to_string()),
                };
                if let Some(to) = to.filter(|_| !self.is_elsewhere) {
                    traffic.goes_to(to);
                }
                // Requests are small and must leave at once.
                tcp.set_nodelay(true)
                    .map_err(|error| Problem::Io(error.to_string()))?;
                traffic.comes_from(tcp.local_addr().ok().map(|it| it.ip()));
                Socket::Tcp(tcp)
            }
        };
        let wire = Wire::new(socket, traffic);
        let Some(encryption) = &self.tls else {
            return Ok(Transport::Plain(wire));
        };
        stage.set(Stage::TlsHandshake.into());
        let name = encryption.server_name.as_ref().unwrap_or(&self.host);
        let name =
            ServerName::try_from(name.clone()).map_err(|_| Problem::BadServerName(name.clone()))?;
        let settings = encryption.client.now();
        let from = traffic.stamps().clock().now();
        let stream = TlsConnector::from(Arc::clone(&settings.config))
            .connect(name, wire.encrypted())
            .await
            .map_err(|error| {
                let problem = tls::diagnose(&error, encryption.alpn);
                let wanted = match &problem {
                    Problem::Tls(reason) => settings.for_want_of_a_certificate(reason),
                    _ => None,
                };
                wanted.unwrap_or(problem)
            })?;
        traffic.is_encrypted_since(from);
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// The addresses of its name, one at least; a UNIX socket has none.
    pub(crate) async fn resolve(&self) -> Result<Addresses, Problem> {
        if self.socket.is_some() {
            return Ok(Rc::new([]));
        }
        if let Some(address) = self.listed.as_ref().and_then(Listed::address) {
            return Ok(Rc::new([address]));
        }
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(Rc::new([SocketAddr::new(address, self.port)]));
        }
        let found = self.lookup.ask().await.map_err(Problem::Unresolved)?;
        if found.is_empty() {
            return Err(Problem::Unresolved("no address".to_owned()));
        }
        Ok(found.into())
    }
}

/// Whom connections to the addresses of a list are told that they are for, as far as that is known ahead.
fn of_list(target: &Target) -> String {
    match target.list() {
        Some(AddressList::Dns { name }) if name.contains(':') => {
            format!("[{name}]:{}", target.port)
        }
        Some(AddressList::Dns { name }) => format!("{name}:{}", target.port),
        Some(_) | None => NOBODY.to_owned(),
    }
}

async fn connect_to_socket(path: &Path) -> Result<Socket, Problem> {
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Socket::Unix(stream)),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => Problem::NoSocket,
            io::ErrorKind::ConnectionRefused => Problem::NobodyListens,
            io::ErrorKind::PermissionDenied => Problem::SocketDenied,
            _ => Problem::Io(error.to_string()),
        }),
    }
}

/// Connects to the first address that takes it, of those that can be reached from where it is to come from.
/// Each gets an equal share of the time that is left,
/// so that one that swallows everything leaves some for the others.
async fn connect_any(
    addresses: &[SocketAddr],
    origins: &Origins,
    nth: usize,
    deadline: Instant,
) -> Result<TcpStream, Problem> {
    let addresses = &*origins.reachable(addresses)?;
    let mut last = Problem::Unresolved("no address".to_owned());
    let shares = (1..=addresses.len()).rev();
    for (offset, share) in shares.enumerate() {
        let address = addresses[(nth + offset) % addresses.len()];
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left / u32::try_from(share).unwrap_or(u32::MAX);
        let connecting = origins.connect(address, nth, addresses.len());
        last = match timeout(limit, connecting).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(problem)) => problem,
            // The last one's time ends with the whole attempt's, whoever waits for that says so.
            Err(_) if share == 1 => std::future::pending().await,
            Err(_) => continue,
        };
    }
    Err(last)
}

/// An open byte stream, encrypted or not.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
    /// What a fuzzer makes up in a server's place.
    #[cfg(fuzzing)]
    Replay(super::replay::Replay),
}

impl Transport {
    /// The protocol agreed on in the TLS handshake.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            _ => None,
        }
    }
}

impl AsyncRead for Transport {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Self::Tls(stream) => wire::poll_decrypted(stream, cx, buf),
            #[cfg(fuzzing)]
            Self::Replay(replay) => Pin::new(replay).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            #[cfg(fuzzing)]
            Self::Replay(replay) => Pin::new(replay).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            #[cfg(fuzzing)]
            Self::Replay(replay) => Pin::new(replay).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            #[cfg(fuzzing)]
            Self::Replay(replay) => Pin::new(replay).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1", 80 => "127.0.0.1:80")]
    #[test_case("::1", 50051 => "[::1]:50051")]
    #[test_case("greeter.example", 443 => "greeter.example:443")]
    #[test_case("/run/a.sock", 0 => "localhost"; "a UNIX socket")]
    fn authority(host: &str, port: u16) -> String {
        let target = Target {
            host: host.to_owned(),
            port,
            tls: false,
        };
        Endpoint::new(&target, None, None).authority
    }

    /// Once the first address of a name had all the time there was.
    #[cfg(target_os = "linux")]
    #[test_case(false; "the hole first")]
    #[test_case(true; "the hole last")]
    #[tokio::test]
    async fn an_address_that_swallows_everything_leaves_time_for_the_next(last: bool) {
        // One connection fills the line of those to be accepted; what comes then is not answered.
        let hole = tokio::net::TcpSocket::new_v4().expect("a socket");
        hole.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let hole = hole.listen(0).expect("listens");
        let hole_address = hole.local_addr().expect("bound");
        let _first = TcpStream::connect(hole_address).await.expect("one fits");
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let good = good.expect("a free port");
        let good_address = good.local_addr().expect("bound");
        let mut addresses = [hole_address, good_address];
        if last {
            addresses.reverse();
        }
        let limit = Duration::from_millis(400);
        let deadline = Instant::now() + limit;
        let connected = timeout(
            limit,
            connect_any(&addresses, &Origins::default(), 0, deadline),
        )
        .await;
        let connected = connected.expect("in time").expect("the good one");
        assert_eq!(connected.peer_addr().expect("connected"), good_address);
    }

    /// Once those of the other family were tried too: the address that comes after them got their share.
    #[tokio::test]
    async fn addresses_that_cannot_be_reached_from_ours_skew_nothing() {
        let listeners = [
            tokio::net::TcpListener::bind("127.0.0.1:0").await,
            tokio::net::TcpListener::bind("127.0.0.1:0").await,
        ];
        let own = listeners.map(|it| it.expect("a free port"));
        let own = [0, 1].map(|at| own[at].local_addr().expect("bound"));
        let addresses = ["[::1]:9".parse().expect("an address"), own[0], own[1]];
        let origins = Origins::of(&[IpAddr::from([127, 0, 0, 1])]);
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut seen = [0, 0];
        for nth in 0..6 {
            let connected = connect_any(&addresses, &origins, nth, deadline).await;
            let to = connected.expect("listens").peer_addr().expect("connected");
            seen[usize::from(to == own[1])] += 1;
        }
        assert_eq!(seen, [3, 3]);
    }

    /// Once that hid what was wrong with those that can.
    #[test_case(&["[::1]:9", "127.0.0.1:0"] => false; "the other family first")]
    #[test_case(&["127.0.0.1:0", "[::1]:9"] => false; "the other family last")]
    #[test_case(&["[::1]:9", "[::1]:10"] => true; "nothing else")]
    #[tokio::test]
    async fn only_where_none_can_be_reached_it_is_for_want_of_a_source(to: &[&str]) -> bool {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let free = free.expect("a free port");
        let parsed = to.iter().map(|it| it.parse().expect("an address"));
        let own = |it: SocketAddr| if it.is_ipv4() { free } else { it };
        let addresses: Vec<SocketAddr> = parsed.map(own).collect();
        let origins = Origins::of(&[IpAddr::from([127, 0, 0, 1])]);
        let deadline = Instant::now() + Duration::from_secs(5);
        match connect_any(&addresses, &origins, 0, deadline).await {
            Err(Problem::NoSource) => true,
            Err(Problem::Refused) => false,
            other => panic!("{other:?}"),
        }
    }
}
