//! Posting over HTTP, for sinks that do; and a single request to anybody ([`Once`]).
//!
//! Owns what counts as an address to post to. Every post has a time after which it is given up; who
//! calls does so on a thread of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::text;

/// The most of an answer that is read, unless told.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Where to post: `http://` or `https://`, a host, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    uri: Uri,
}

/// What is no address to post to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct UrlError(&'static str);

const EXPECTED: UrlError = UrlError("a URL like `http://HOST:PORT` or `https://HOST/path`");
const EXPECTED_PORT: UrlError =
    UrlError("a URL like `http://HOST:PORT` with a port from 1 to 65535");
const EXPECTED_NO_USER: UrlError =
    UrlError("a URL like `http://HOST:PORT`, without user and password");
const EXPECTED_NO_QUERY: UrlError =
    UrlError("a URL like `http://HOST:PORT/path`, without `?` and `#`");

impl UrlError {
    /// What was expected instead.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.0
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(EXPECTED);
        }
        let authority = uri.authority().ok_or(EXPECTED)?;
        if authority.as_str().contains('@') {
            return Err(EXPECTED_NO_USER);
        }
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        if bare.unwrap_or(host).is_empty() {
            return Err(EXPECTED);
        }
        // A number that is no port is none to the parser.
        let port = authority.as_str().strip_prefix(host).unwrap_or_default();
        if !port.is_empty() && matches!(uri.port_u16(), None | Some(0)) {
            return Err(EXPECTED_PORT);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(EXPECTED_NO_QUERY);
        }
        Ok(Self {
            text: text.to_owned(),
            uri,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Url {
    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        bare.unwrap_or(host)
    }

    /// The port, its scheme's own where none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        let own = if self.is_encrypted() { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(own)
    }

    /// Whether it names something at its host.
    #[must_use]
    pub fn has_path(&self) -> bool {
        !matches!(self.uri.path(), "" | "/")
    }

    /// Its scheme, host and port, without the path: that may be somebody's secret.
    #[must_use]
    pub fn origin(&self) -> String {
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        format!(
            "{}://{authority}",
            self.uri.scheme_str().unwrap_or_default()
        )
    }

    /// What lies below it: `path` without a slash at its beginning.
    ///
    /// ```
    /// use loadgen_core::sink::post::Url;
    ///
    /// let url: Url = "http://127.0.0.1:8081/graphite/".parse()?;
    /// assert_eq!(url.below("events/").to_string(), "http://127.0.0.1:8081/graphite/events/");
    /// # Ok::<_, loadgen_core::sink::post::UrlError>(())
    /// ```
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let text = format!("{}/{path}", self.text.trim_end_matches('/'));
        // Where it cannot be part of a URL it is left out.
        match text.parse() {
            Ok(uri) => Self { text, uri },
            Err(_) => self.clone(),
        }
    }

    fn is_encrypted(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

/// Why a post did not get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether the same may be taken a moment later.
    pub(super) may_pass: bool,
}

/// Posts to one address.
#[cfg(any(feature = "otlp", feature = "graphite"))]
#[derive(Debug)]
pub(super) struct Poster {
    agent: Agent,
    url: Url,
    headers: Vec<(String, String)>,
}

/// Whoever sends requests. Where these go is what was said, and by no proxy's way.
fn agent(is_encrypted: bool) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("loadgen/", env!("CARGO_PKG_VERSION")));
    if is_encrypted {
        let native = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<_> = native
            .iter()
            .map(|it| Certificate::from_der(it).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}

/// A request that is sent once, to whatever address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Once {
    /// Its method.
    pub method: String,
    /// Where it goes, with `http://` or `https://`.
    pub url: String,
    /// Its header fields.
    pub headers: Vec<(String, String)>,
    /// What is sent with it: nothing unless told.
    pub body: Vec<u8>,
}

impl Once {
    /// A request without header fields and body.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Sends it and waits for its answer, whose status must be one of 200 to 299.
    ///
    /// # Errors
    /// Why it was not answered so within the time: what the system, the protocol or the status said.
    pub fn send(&self, at_most: Duration) -> Result<(), String> {
        self.answered(at_most, LONGEST_ANSWER).map(|_| ())
    }

    /// The same, for what the answer says: so many bytes of it at the most.
    ///
    /// # Errors
    /// As for [`Self::send`]; and where the answer is longer, or breaks off.
    pub fn answer(&self, at_most: Duration, longest: u64) -> Result<Vec<u8>, String> {
        let body = self.answered(at_most, longest)?;
        body.map_err(|error| format!("its answer could not be read: {error}"))
    }

    fn answered(&self, at_most: Duration, longest: u64) -> Result<Told, String> {
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(self.url.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(self.body.as_slice());
        let request = request.map_err(|error| error.to_string())?;
        let agent = agent(self.url.starts_with("https://"));
        let request = agent
            .configure_request(request)
            .timeout_global(Some(at_most))
            .allow_non_standard_methods(true)
            .build();
        let answer = agent.run(request).map_err(|error| match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        })?;
        taken(answer, longest).map_err(|failed| failed.why)
    }
}

/// What an answer has to say, where that could be read.
type Told = Result<Vec<u8>, ureq::Error>;

/// What an answer has to say, in so many bytes at the most, where its status is a good one.
fn taken(mut answer: http::Response<Body>, longest: u64) -> Result<Told, Failed> {
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(longest);
    let body = body.read_to_vec();
    if status.is_success() {
        return Ok(body);
    }
    let body = body.unwrap_or_default();
    let answered = String::from_utf8_lossy(&body);
    let first = answered.lines().next().unwrap_or_default().trim();
    // A page of HTML says nothing in its first line.
    let first: String = match first.starts_with('<') {
        true => String::new(),
        false => text::line(first).chars().take(120).collect(),
    };
    let colon = if first.is_empty() { "" } else { ": " };
    Err(Failed {
        why: format!("it answered {status}{colon}{first}"),
        may_pass: matches!(status.as_u16(), 429 | 502..=504),
    })
}

#[cfg(any(feature = "otlp", feature = "graphite"))]
impl Poster {
    pub(super) fn new(url: Url, headers: Vec<(String, String)>) -> Self {
        Self {
            agent: agent(url.is_encrypted()),
            url,
            headers,
        }
    }

    /// Posts, and returns the answer to what was taken.
    pub(super) fn post(
        &self,
        content_type: &str,
        body: &[u8],
        at_most: Duration,
    ) -> Result<Vec<u8>, Failed> {
        let mut request = self.agent.post(self.url.uri.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request
            .config()
            .timeout_global(Some(at_most))
            .build()
            .content_type(content_type)
            .send(body);
        let answer = answer.map_err(|error| Failed {
            why: match error {
                ureq::Error::Io(error) => error.to_string(),
                error => error.to_string(),
            },
            may_pass: true,
        })?;
        Ok(taken(answer, LONGEST_ANSWER)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("http://127.0.0.1:4318" => Ok(("127.0.0.1".to_owned(), 4318)))]
    #[test_case("https://collector.example/v1/metrics" => Ok(("collector.example".to_owned(), 443)))]
    #[test_case("http://localhost" => Ok(("localhost".to_owned(), 80)))]
    #[test_case("http://[::1]:1/x" => Ok(("::1".to_owned(), 1)))]
    #[test_case("" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "empty")]
    #[test_case("localhost:4318" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "no scheme")]
    #[test_case("/v1/metrics" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "a path")]
    #[test_case("grpc://localhost:4317" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "another scheme")]
    #[test_case("http://" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "no host")]
    #[test_case("http://:80" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "only a port")]
    #[test_case("http://a:0" => Err("expected a URL like `http://HOST:PORT` with a port from 1 to 65535".to_owned()); "port zero")]
    #[test_case("http://a:65536" => Err("expected a URL like `http://HOST:PORT` with a port from 1 to 65535".to_owned()); "a port above")]
    #[test_case("http://a:" => Err("expected a URL like `http://HOST:PORT` with a port from 1 to 65535".to_owned()); "an empty port")]
    #[test_case("http://me:secret@a" => Err("expected a URL like `http://HOST:PORT`, without user and password".to_owned()); "a password")]
    #[test_case("http://a/b?c" => Err("expected a URL like `http://HOST:PORT/path`, without `?` and `#`".to_owned()); "a query")]
    #[test_case("http://a b/" => Err("expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "a blank")]
    fn urls(text: &str) -> Result<(String, u16), String> {
        let url: Url = text.parse().map_err(|error: UrlError| error.to_string())?;
        Ok((url.host().to_owned(), url.port()))
    }

    #[test_case("http://a" => ("http://a/v1/metrics".to_owned(), false))]
    #[test_case("http://a/" => ("http://a/v1/metrics".to_owned(), false); "a slash")]
    #[test_case("http://a/b//" => ("http://a/b/v1/metrics".to_owned(), true); "a path")]
    fn below(text: &str) -> (String, bool) {
        let url: Url = text.parse().unwrap();
        (url.below("v1/metrics").to_string(), url.has_path())
    }
}
