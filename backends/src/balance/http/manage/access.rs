//! Who may manage: whoever has the token, or, where there is none, whoever is on this machine. A browser that
//! pages from elsewhere are open in is on this machine, too: these are kept out by the names that they ask
//! for (rebound names) and by where they say they come from.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderMap, HeaderName};
use http::uri::Authority;
use http::{HeaderValue, Method};

use super::api::{Api, Peer};
use super::refusal::Refusal;
use super::token::Watched;

/// Who may manage.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) token: Option<Watched>,
    /// Pages from elsewhere that may change something; none where nobody can be told to let any.
    pub(crate) allowed_origins: Option<Vec<HeaderValue>>,
}

/// Lets through who may.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let from = request.extensions().get::<Peer>().map(ToString::to_string);
            let (method, path) = (request.method(), request.uri().path());
            tracing::warn!(from, %method, path, "refused: {refusal}");
            refusal.into_response()
        }
    }
}

impl Access {
    /// Whether whoever asks may.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            return self.check_page(request.method(), request.headers());
        };
        if is_open(request.uri().path()) {
            return Ok(());
        }
        let sent = request.headers().get(header::AUTHORIZATION);
        match sent.and_then(bearer) {
            None => Err(Refusal::NoToken),
            Some(sent) if token.is(sent) => Ok(()),
            Some(_) => Err(Refusal::WrongToken),
        }
    }

    fn check_page(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = the_one(headers, &header::HOST);
        if !host.is_some_and(is_this_machine) {
            let found = match host {
                Some(host) => format!("{host:?}"),
                None => "no `host`, or several".to_owned(),
            };
            return Err(Refusal::Host { found });
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let own = ["http", "https"].map(|it| format!("{it}://{}", host.unwrap_or_default()));
        let is_own = own.iter().any(|it| it.as_bytes() == origin.as_bytes());
        let only_reads = matches!(*method, Method::GET | Method::HEAD);
        let allowed = self.allowed_origins.as_deref();
        if is_own || only_reads || allowed.is_some_and(|it| it.contains(origin)) {
            return Ok(());
        }
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        Err(match allowed {
            Some(_) => Refusal::Origin { origin },
            None => Refusal::Foreign { origin },
        })
    }
}

/// What says nothing of the services: a browser cannot send a token with the page that it is typed into.
fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/docs" | "/openapi.json") || path.starts_with("/docs/")
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| token.trim_ascii())
}

fn the_one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether a host is a name that only this machine has for itself.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("localhost" => true)]
    #[test_case("LocalHost:8081" => true)]
    #[test_case("lb.localhost:8081" => true)]
    #[test_case("127.0.0.1:8081" => true)]
    #[test_case("127.1.2.3" => true)]
    #[test_case("[::1]:8081" => true)]
    #[test_case("evil.example:8081" => false)]
    #[test_case("localhost.evil.example" => false)]
    #[test_case("127.0.0.1.evil.example" => false)]
    #[test_case("192.0.2.1" => false)]
    #[test_case("evil.example@localhost" => false; "a user")]
    #[test_case("" => false; "empty")]
    fn this_machine(host: &str) -> bool {
        is_this_machine(host)
    }

    #[test_case("Bearer abc" => Some("abc"))]
    #[test_case("bearer  abc " => Some("abc"))]
    #[test_case("Basic abc" => None)]
    #[test_case("Bearer" => None)]
    fn bearers(value: &'static str) -> Option<&'static str> {
        let value = HeaderValue::from_static(value);
        let token = bearer(&value).map(|it| std::str::from_utf8(it).unwrap().to_owned());
        token.map(|it| &*it.leak())
    }
}
