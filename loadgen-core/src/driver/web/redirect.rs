//! Where a connection is opened, and where a redirection leads from there.
//!
//! Owns addresses as a client sees them (RFC 9110, 10.2.2 and 15.4) and what is not told to another
//! server. Opens nothing itself.

use http::header::{HOST, HeaderName, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};

use crate::driver::transport::bind::Origins;
use crate::driver::transport::connect_error::Problem;
use crate::driver::transport::endpoints;
use crate::driver::transport::net::{Encryption, Endpoint};
use crate::driver::transport::tls::Alpn;
use crate::scenario::{ScenarioPlan, Target};

/// An address as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::driver) struct Address {
    pub(in crate::driver) is_secure: bool,
    authority: Authority,
    /// Path and query.
    path_and_query: String,
}

/// The statuses that send a request elsewhere.
pub(in crate::driver) fn redirects(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl Address {
    /// That of a path of one of the scenario's targets. `None` where its authority is none, which was
    /// found before the run.
    pub(in crate::driver) fn of(endpoint: &Endpoint, path: &str) -> Option<Self> {
        Some(Self {
            is_secure: endpoint.is_encrypted(),
            authority: endpoint.authority.parse().ok()?,
            path_and_query: path.to_owned(),
        })
    }

    /// The host, in small letters and without brackets.
    pub(in crate::driver) fn host(&self) -> String {
        let host = self.authority.host().to_ascii_lowercase();
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        inner.map(str::to_owned).unwrap_or(host)
    }

    fn port(&self) -> u16 {
        let default = if self.is_secure { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// The path without its query.
    pub(in crate::driver) fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    /// Whether both are the same server's.
    pub(in crate::driver) fn is_same_server(&self, other: &Self) -> bool {
        self.is_secure == other.is_secure
            && self.host() == other.host()
            && self.port() == other.port()
    }

    /// Where an answer from here leads to; `Err` is what it says instead of that.
    pub(in crate::driver) fn led_to(&self, headers: &HeaderMap) -> Result<Self, String> {
        let Some(location) = headers.get(LOCATION) else {
            return Err("nowhere: it has no `location`".to_owned());
        };
        let text = location.to_str().ok();
        text.and_then(|text| self.join(text.trim())).ok_or_else(|| {
            let text = String::from_utf8_lossy(location.as_bytes());
            format!("{text:?}, which is no address of ws, wss, http or https")
        })
    }

    /// What a reference means here (RFC 3986, 5.2).
    fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = reference.split_once(':').map(|(scheme, _)| scheme);
        let has_scheme = scheme.is_some_and(|scheme| !scheme.contains(['/', '?']));
        if has_scheme || reference.starts_with("//") {
            let own = if self.is_secure { "wss:" } else { "ws:" };
            let whole = match has_scheme {
                true => reference.to_owned(),
                false => format!("{own}{reference}"),
            };
            return Self::absolute(&whole.parse().ok()?);
        }
        let path = self.path();
        let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let (target, query) = match reference.split_once('?') {
            Some((target, query)) => (target, format!("?{query}")),
            None => (reference, String::new()),
        };
        let target = match target {
            "" => path.to_owned(),
            rooted if rooted.starts_with('/') => without_dots(rooted),
            relative => without_dots(&format!("{folder}{relative}")),
        };
        let path_and_query: http::uri::PathAndQuery = (target + &query).parse().ok()?;
        Some(Self {
            path_and_query: path_and_query.as_str().to_owned(),
            ..self.clone()
        })
    }

    fn absolute(uri: &Uri) -> Option<Self> {
        let is_secure = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return None,
        };
        let given = uri.authority()?;
        // Who asks is for `headers` to say.
        let host = given.as_str().rsplit('@').next().unwrap_or_default();
        let authority: Authority = host.parse().ok()?;
        let has_port = authority.as_str() != authority.host();
        let is_port = |port: u16| port > 0;
        if authority.host().is_empty() || has_port != authority.port_u16().is_some_and(is_port) {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self {
            is_secure,
            authority,
            path_and_query: format!("{slash}{path}"),
        })
    }

    /// The target it is.
    pub(in crate::driver) fn target(&self) -> Target {
        Target {
            host: self.host(),
            port: self.port(),
            tls: self.is_secure,
        }
    }

    /// The request of the first address, sent to this one.
    pub(in crate::driver) fn request(
        &self,
        first: &Self,
        request: &Request<()>,
    ) -> Option<Request<()>> {
        let mut request = request.clone();
        *request.uri_mut() = Uri::builder()
            .scheme("ws")
            .authority(self.authority.clone())
            .path_and_query(self.path_and_query.as_str())
            .build()
            .ok()?;
        let host = HeaderValue::from_str(self.authority.as_str()).ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        if !self.is_same_server(first) {
            // What opens one server's door is not for another to know.
            let secrets = headers.iter().filter(|(_, value)| value.is_sensitive());
            let secrets: Vec<HeaderName> = secrets.map(|(name, _)| name.clone()).collect();
            for secret in secrets {
                headers.remove(secret);
            }
        }
        Some(request)
    }
}

/// How other servers than the scenario's targets are connected to.
#[derive(Debug)]
pub(in crate::driver) struct Elsewhere(Result<Encryption, String>, Origins);

impl Elsewhere {
    /// What a scenario says of it, whose requests may be redirected so many times.
    pub(in crate::driver) fn of(
        scenario: &ScenarioPlan,
        redirects: u32,
        alpn: &'static Alpn,
    ) -> Self {
        let encryption = match redirects {
            0 => Err("no redirection is followed".to_owned()),
            _ => endpoints::encryption(scenario, alpn)
                .map(|encryption| Encryption {
                    // That name is the targets'.
                    server_name: None,
                    ..encryption
                })
                .map_err(|error| error.to_string()),
        };
        Self(encryption, Origins::of(&scenario.bind))
    }

    /// The server of an address.
    ///
    /// # Errors
    /// Why it cannot be connected to.
    pub(in crate::driver) fn endpoint(&self, to: &Address) -> Result<Endpoint, Problem> {
        let encryption = match (to.is_secure, &self.0) {
            (false, _) => None,
            (true, Ok(encryption)) => Some(encryption.clone()),
            (true, Err(problem)) => return Err(Problem::Tls(problem.clone())),
        };
        let endpoint = Endpoint::new(&to.target(), None, encryption);
        Ok(endpoint.elsewhere().from(&self.1))
    }
}

impl std::fmt::Display for Address {
    /// Without the query, in which there may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path())
    }
}

/// A path whose `.` and `..` are taken for what they mean (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn address(text: &str) -> Address {
        Address::absolute(&text.parse().expect("a URI")).expect("an address")
    }

    #[test_case("/login" => "ws://a.example:9000/login ")]
    #[test_case("login?x=1" => "ws://a.example:9000/v1/login x=1"; "relative")]
    #[test_case("../login" => "ws://a.example:9000/login "; "one up")]
    #[test_case("./../../a/./b/" => "ws://a.example:9000/a/b/ "; "beyond the root")]
    #[test_case("?token=7#x" => "ws://a.example:9000/v1/chat token=7"; "only a query")]
    #[test_case("" => "ws://a.example:9000/v1/chat "; "nothing")]
    #[test_case("//b.example/x" => "ws://b.example/x "; "the same scheme")]
    #[test_case("https://b.example" => "wss://b.example/ "; "no path")]
    #[test_case("HTTP://B.example:81/x/../y?a=b:c" => "ws://B.example:81/x/../y a=b:c")]
    #[test_case("wss://me:secret@[::1]:9/x" => "wss://[::1]:9/x "; "whoever asks")]
    #[test_case("http://b.example?x" => "ws://b.example/ x"; "a query without a path")]
    #[test_case("/a:b" => "ws://a.example:9000/a:b "; "a colon that is no scheme's")]
    #[test_case("ftp://b.example/" => "none")]
    #[test_case("mailto:me@b.example" => "none")]
    #[test_case("http://" => "none")]
    #[test_case("http://b.example:0/" => "none")]
    #[test_case("http://b.example:99999/" => "none")]
    #[test_case("/a b" => "none")]
    fn joins(reference: &str) -> String {
        let here = address("ws://a.example:9000/v1/chat?old=1");
        here.join(reference).map_or("none".to_owned(), |it| {
            let query = it
                .path_and_query
                .split_once('?')
                .map_or("", |(_, query)| query);
            format!("{it} {query}")
        })
    }

    #[test_case("ws://a.example/", "http://A.example:80/x" => true)]
    #[test_case("wss://a.example/", "https://a.example:443/x" => true)]
    #[test_case("ws://a.example/", "wss://a.example/" => false; "encrypted")]
    #[test_case("ws://a.example/", "ws://a.example:81/" => false; "another port")]
    #[test_case("ws://a.example/", "ws://b.example/" => false; "another host")]
    fn servers(one: &str, other: &str) -> bool {
        address(one).is_same_server(&address(other))
    }

    #[test]
    fn another_server_is_not_told_who_asks() {
        let first = address("ws://a.example/");
        let mut request = Request::new(());
        for (name, value) in [
            ("host", "a.example"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("x-team", "7"),
        ] {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(["authorization", "cookie"].contains(&name));
            request.headers_mut().insert(name, value);
        }
        let names = |to: &str| {
            let request = address(to).request(&first, &request).expect("a request");
            let mut names: Vec<String> =
                request.headers().keys().map(ToString::to_string).collect();
            names.sort();
            (names.join(" "), request.headers()[HOST].clone())
        };
        let all = "authorization cookie host x-team".to_owned();
        assert_eq!(names("http://a.example:80/x").0, all);
        let (left, host) = names("http://b.example/x");
        assert_eq!(
            (left.as_str(), host.as_bytes()),
            ("host x-team", &b"b.example"[..])
        );
    }
}
