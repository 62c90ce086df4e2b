//! Heads on their way: what is for one connection only is taken out, and who asked is put in.

use std::net::SocketAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, request, response};
use hyper::body::Body;

use super::problem::{Problem, ProblemKind};
use super::settings::BackendProtocol;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Who asks, and over what.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) peer: SocketAddr,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// What the balancer calls itself.
    pub(super) via: HeaderValue,
}

/// The head of a request as a backend gets it.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) method: http::Method,
    path: PathAndQuery,
    authority: Option<Authority>,
    headers: HeaderMap,
    /// What is to be spoken instead, if this is about that.
    upgrade: Option<HeaderValue>,
}

impl Head {
    /// The head for what `path` (and the query) is left of a request.
    ///
    /// # Errors
    /// A [`Problem`] where it can be read in two ways, or comes round again.
    pub(super) fn new(parts: &request::Parts, path: &str, asker: &Asker) -> Result<Self, Problem> {
        let malformed = |detail: &str| Problem::new(ProblemKind::Malformed, detail);
        let authority = authority(parts)?;
        let path = match parts.uri.query() {
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
            None => PathAndQuery::try_from(path),
        };
        let path = path.map_err(|_| malformed("the path is malformed"))?;
        let mut headers = parts.headers.clone();
        if headers.get_all(VIA).iter().any(|it| passed(it, &asker.via)) {
            let detail = "the request came through this balancer before";
            return Err(Problem::new(ProblemKind::Loop, detail));
        }
        let upgrade = upgrade(parts);
        let takes_trailers = headers
            .get_all(TE)
            .iter()
            .any(|it| has_token(it, "trailers"));
        strip(&mut headers);
        if takes_trailers {
            headers.insert(TE, TRAILERS);
        }
        // The balancer has answered it, by reading the body.
        headers.remove(EXPECT);
        headers.remove(HOST);
        join_cookies(&mut headers);
        forwarded(&mut headers, authority.as_ref(), asker);
        headers.append(VIA, asker.via.clone());
        Ok(Self {
            method: parts.method.clone(),
            path,
            authority,
            headers,
            upgrade,
        })
    }

    /// What is to be spoken instead of HTTP, if the client asks for that.
    pub(super) fn upgrade(&self) -> Option<&HeaderValue> {
        self.upgrade.as_ref()
    }

    /// The request for a backend of this name.
    pub(super) fn request<B: Body>(
        &self,
        protocol: BackendProtocol,
        name: &str,
        body: B,
    ) -> http::Request<B> {
        let has_unknown_length = !body.is_end_stream()
            && body.size_hint().exact().is_none()
            && !self.headers.contains_key(CONTENT_LENGTH);
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.path.clone());
        match protocol {
            BackendProtocol::Http1 => {
                let host = self.authority.as_ref().map_or(name, Authority::as_str);
                if let Ok(host) = HeaderValue::try_from(host) {
                    request.headers_mut().insert(HOST, host);
                }
                if has_unknown_length {
                    // Unless it is told, there is no body where a method seldom has one.
                    let chunked = HeaderValue::from_static("chunked");
                    request.headers_mut().insert(TRANSFER_ENCODING, chunked);
                }
                if let Some(upgrade) = &self.upgrade {
                    request.headers_mut().insert(UPGRADE, upgrade.clone());
                    let asks = HeaderValue::from_static("upgrade");
                    request.headers_mut().insert(CONNECTION, asks);
                }
            }
            BackendProtocol::Http2 => {
                *request.version_mut() = Version::HTTP_2;
                uri.scheme = Some(Scheme::HTTP);
                let named = || Authority::try_from(name).ok();
                uri.authority = self.authority.clone().or_else(named);
            }
        }
        if let Ok(uri) = Uri::from_parts(uri) {
            *request.uri_mut() = uri;
        }
        request
    }
}

/// The one authority that a request is for; none over HTTP/1.0 without any.
fn authority(parts: &request::Parts) -> Result<Option<Authority>, Problem> {
    let malformed = |detail: &str| Problem::new(ProblemKind::Malformed, detail).ends_connection();
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(malformed("there is more than one Host"));
    }
    let read = match (parts.uri.authority(), host) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).ok(),
        (None, None) if parts.version == Version::HTTP_10 => return Ok(None),
        (None, None) => return Err(malformed("there is no Host")),
    };
    let plain = read.filter(|it| !it.as_str().contains('@'));
    plain
        .map(Some)
        .ok_or_else(|| malformed("the Host is malformed"))
}

/// What is to be spoken instead, if this asks for it. HTTP/2 has no such thing.
fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
    let asks = parts.version == Version::HTTP_11
        && parts
            .headers
            .get_all(CONNECTION)
            .iter()
            .any(|it| has_token(it, "upgrade"));
    // HTTP/2 in plain text is asked for by those who can do without.
    let to = parts
        .headers
        .get(UPGRADE)
        .filter(|it| !has_token(it, "h2c"));
    asks.then(|| to.cloned()).flatten()
}

/// Takes out what is for one connection only (RFC 9110, 7.6.1).
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .filter_map(|it| HeaderName::try_from(it.trim()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        HTTP2_SETTINGS,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// One line of cookies, of which HTTP/2 may make several.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Says who asked: behind what was said of it before, which anybody can say; of the others only what is known
/// here.
fn forwarded(headers: &mut HeaderMap, authority: Option<&Authority>, asker: &Asker) {
    let mut addresses: Vec<u8> = Vec::new();
    for before in headers.get_all(&FORWARDED_FOR) {
        addresses.extend_from_slice(before.as_bytes());
        addresses.extend_from_slice(b", ");
    }
    addresses.extend_from_slice(asker.peer.ip().to_canonical().to_string().as_bytes());
    if let Ok(addresses) = HeaderValue::from_bytes(&addresses) {
        headers.insert(FORWARDED_FOR, addresses);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(asker.scheme));
    headers.remove(FORWARDED_HOST);
    if let Some(host) = authority.and_then(|it| HeaderValue::try_from(it.as_str()).ok()) {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// Makes the head of a backend's answer the client's.
pub(super) fn answer(parts: &mut response::Parts) {
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        // The body was read by its chunks, and another length would cut it (RFC 9112, 6.3).
        parts.headers.remove(CONTENT_LENGTH);
    }
    strip(&mut parts.headers);
}

/// Makes it one that says that something else is spoken from here on.
pub(super) fn switches(parts: &mut response::Parts, to: HeaderValue) {
    parts.headers.insert(UPGRADE, to);
    let switches = HeaderValue::from_static("upgrade");
    parts.headers.insert(CONNECTION, switches);
}

/// Whether a body is packed in more than chunks, which nobody here unpacks.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = codings.flat_map(|it| it.as_bytes().split(|byte| *byte == b','));
    codings.any(|it| !it.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether a list has this word in it.
fn has_token(value: &HeaderValue, token: &str) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',')
        .any(|it| it.trim().eq_ignore_ascii_case(token))
}

/// Whether a list of those whom a message passed has this one in it.
fn passed(value: &HeaderValue, via: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let own = via.to_str().unwrap_or_default();
    text.split(',').any(|it| it.trim() == own)
}

/// The bytes of a head, as its lines would have them.
pub(super) fn bytes(parts: &request::Parts) -> usize {
    let uri = &parts.uri;
    let line = uri.path().len()
        + uri.query().map_or(0, str::len)
        + uri.authority().map_or(0, |it| it.as_str().len())
        + parts.method.as_str().len();
    let lines = parts.headers.iter();
    line + lines
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>()
}
