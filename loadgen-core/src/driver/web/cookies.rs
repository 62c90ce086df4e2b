//! The cookies of one user (RFC 6265), as far as a load generator needs them.
//!
//! Owns what is kept and where it is sent. A user has few of them: those of the servers that it opens
//! connections to.

use std::time::{Duration, SystemTime};

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::cookie_date;
use super::redirect::Address;

/// Cookies that a user keeps, at most. The oldest goes first.
const MOST: usize = 64;
/// The longest name and value of one, together.
const MOST_BYTES: usize = 4096;

/// What one user keeps.
#[derive(Debug, Default)]
pub(in crate::driver) struct Jar(Vec<Cookie>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether it is for that host alone, and not for those below it.
    is_host_only: bool,
    path: String,
    is_secure: bool,
    /// `None` is as long as the user.
    expires: Option<SystemTime>,
}

impl Jar {
    /// Takes what an answer from this address sets. One that is over is one that is deleted.
    pub(in crate::driver) fn take(&mut self, headers: &HeaderMap, from: &Address, now: SystemTime) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().ok();
            let Some(cookie) = line.and_then(|line| Cookie::parse(line, from, now)) else {
                continue;
            };
            let known = self.0.iter().position(|it| it.is_replaced_by(&cookie));
            match (known, cookie.is_over(now)) {
                (Some(known), true) => {
                    self.0.remove(known);
                    continue;
                }
                // It is as old as the one whose place it takes.
                (Some(known), false) => {
                    self.0[known] = cookie;
                    continue;
                }
                (None, true) => continue,
                (None, false) => {}
            }
            if self.0.len() == MOST {
                self.0.remove(0);
            }
            self.0.push(cookie);
        }
    }

    /// The header field for a request to this address. `own` is what the scenario says; of a name that
    /// stands in both, the kept one is sent.
    pub(in crate::driver) fn header(
        &self,
        to: &Address,
        own: Option<&HeaderValue>,
        now: SystemTime,
    ) -> Option<HeaderValue> {
        let fits = |cookie: &&Cookie| !cookie.is_over(now) && cookie.is_for(to);
        let mut kept: Vec<&Cookie> = self.0.iter().filter(fits).collect();
        // Those that fit best come first, and of these the oldest.
        kept.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let is_kept = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default().trim();
            kept.iter().any(|cookie| cookie.name == name)
        };
        let own = own.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let own = own.split(';').map(str::trim);
        let own = own.filter(|pair| !pair.is_empty() && !is_kept(pair));
        let mut pairs: Vec<String> = own.map(str::to_owned).collect();
        pairs.extend(kept.iter().map(|it| format!("{}={}", it.name, it.value)));
        if pairs.is_empty() {
            return None;
        }
        HeaderValue::from_str(&pairs.join("; ")).ok()
    }
}

impl Cookie {
    /// What one line sets. `None` where it may not (RFC 6265, 5.3).
    fn parse(line: &str, from: &Address, now: SystemTime) -> Option<Self> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > MOST_BYTES {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: from.host(),
            is_host_only: true,
            path: default_path(from.path()).to_owned(),
            is_secure: false,
            expires: None,
        };
        let mut has_max_age = false;
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.is_secure = true,
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "domain" if !value.is_empty() => cookie.widen(value)?,
                "max-age" => {
                    if let Ok(seconds) = value.parse::<i64>() {
                        has_max_age = true;
                        let seconds = u64::try_from(seconds).unwrap_or(0);
                        // What is beyond all time is never over.
                        cookie.expires = now.checked_add(Duration::from_secs(seconds));
                    }
                }
                // The other one counts.
                "expires" if !has_max_age => cookie.expires = cookie_date::parse(value),
                _ => {}
            }
        }
        (!cookie.is_secure || from.is_secure).then_some(cookie)
    }

    /// Has it sent to all hosts of a domain. `None` where the one that sets it is none of them, or the
    /// domain has but one name, and is all the world's.
    fn widen(&mut self, domain: &str) -> Option<()> {
        let domain = domain.strip_prefix('.').unwrap_or(domain);
        let domain = domain.to_ascii_lowercase();
        if self.domain == domain {
            // Nothing is below an address, or a name such as `localhost`.
            self.is_host_only = !domain.contains('.') || is_address(&domain);
            return Some(());
        }
        let may =
            domain.contains('.') && !is_address(&self.domain) && is_below(&self.domain, &domain);
        may.then(|| {
            self.domain = domain;
            self.is_host_only = false;
        })
    }

    fn is_replaced_by(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn is_for(&self, to: &Address) -> bool {
        let host = to.host();
        let host_fits =
            host == self.domain || (!self.is_host_only && is_below(&host, &self.domain));
        let path_fits = to.path().strip_prefix(&self.path).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        host_fits && path_fits && (!self.is_secure || to.is_secure)
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

fn is_below(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.ends_with('.'))
}

/// The folder of a path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::driver::transport::net::Endpoint;

    fn address(text: &str) -> Address {
        let anywhere = "ws://anywhere:1".parse().expect("a target");
        let anywhere = Address::of(&Endpoint::new(&anywhere, None, None), "/");
        let mut headers = HeaderMap::new();
        let to = HeaderValue::from_str(text).expect("a value");
        headers.insert(http::header::LOCATION, to);
        let anywhere = anywhere.expect("an address");
        anywhere.led_to(&headers).expect("an address")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// What is sent there 100 s later of what these lines set.
    fn sent(from: &str, lines: &[&str], to: &str) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_str(line).expect("a value");
            headers.append(SET_COOKIE, line);
        }
        let mut jar = Jar::default();
        jar.take(&headers, &address(from), at(1000));
        let header = jar.header(&address(to), None, at(1100));
        header.map_or_else(String::new, |it| it.to_str().expect("text").to_owned())
    }

    const A: &str = "ws://a.example.org:80/v1/login";

    #[test_case(&["a=1"], "ws://a.example.org:81/v1/chat" => "a=1"; "a port does not count")]
    #[test_case(&["a=1"], "ws://a.example.org:80/v2" => ""; "another folder")]
    #[test_case(&["a=1; Path=/"], "ws://a.example.org:80/v2" => "a=1"; "all folders")]
    #[test_case(&["a=1; path=/v"], "ws://a.example.org:80/v2" => ""; "half a folder")]
    #[test_case(&["a=1; path=x"], "ws://a.example.org:80/v1/x" => "a=1"; "no path")]
    #[test_case(&["a=1; Path=/"], "ws://b.example.org:80/" => ""; "another host")]
    #[test_case(&["a=1; Path=/; Domain=.Example.org"], "ws://b.example.org:80/" => "a=1"; "a domain")]
    #[test_case(&["a=1; Path=/; Domain=ample.org"], "ws://a.example.org:80/" => ""; "half a name")]
    #[test_case(&["a=1; Path=/; Domain=org"], "ws://a.example.org:80/" => ""; "all the world")]
    #[test_case(&["a=1; Path=/; Domain=b.example.org"], "ws://b.example.org:80/" => ""; "one's neighbour")]
    #[test_case(&["a=1; Path=/; Secure"], "wss://a.example.org:443/" => ""; "secure from one that is not")]
    #[test_case(&["a=1; Path=/; Max-Age=200"], "ws://a.example.org:80/" => "a=1"; "not over")]
    #[test_case(&["a=1; Path=/; Max-Age=100; Expires=Wed, 21 Oct 2037 07:28:00 GMT"], "ws://a.example.org:80/" => ""; "over")]
    #[test_case(&["a=1; Path=/", "a=; Path=/; Max-Age=0"], "ws://a.example.org:80/" => ""; "deleted")]
    #[test_case(&["a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT"], "ws://a.example.org:80/" => ""; "over long since")]
    #[test_case(&["a=1; Path=/; Expires=Wed, 21-Oct-2037 07:28:00 GMT"], "ws://a.example.org:80/" => "a=1"; "with dashes")]
    #[test_case(&["a=1; Path=/; Expires=Sunday, 06-Nov-94 08:49:37 GMT"], "ws://a.example.org:80/" => "a=1"; "not over in RFC 850's form")]
    #[test_case(&["a=1; Path=/; Expires=Thu, 01-Jan-70 00:00:10 GMT"], "ws://a.example.org:80/" => ""; "over, with two digits for a year")]
    #[test_case(&["a=1; Path=/; Expires=Thu Jan  1 00:00:10 1970"], "ws://a.example.org:80/" => ""; "over, as C writes it")]
    #[test_case(&["a=1; Path=/; Expires=soon"], "ws://a.example.org:80/" => "a=1"; "no date")]
    #[test_case(&["a=1; Path=/", "b=2", "c=3; Path=/"], "ws://a.example.org:80/v1/x" => "b=2; a=1; c=3"; "the best first")]
    #[test_case(&["a=1; Path=/", "a=2; Path=/"], "ws://a.example.org:80/" => "a=2"; "another value")]
    #[test_case(&["a=1; Path=/", "b=1; Path=/", "a=2; Path=/"], "ws://a.example.org:80/" => "a=2; b=1"; "in the place of the one before")]
    #[test_case(&["a", "=1", "b=x=y; Path=/; HttpOnly; SameSite=Lax"], "ws://a.example.org:80/" => "b=x=y"; "not all are cookies")]
    fn keeps(lines: &[&str], to: &str) -> String {
        sent(A, lines, to)
    }

    #[test_case("ws://127.0.0.1:80/", "a=1; Domain=0.0.1", "ws://127.0.0.1:80/" => ""; "nothing is below an address")]
    #[test_case("ws://127.0.0.1:80/", "a=1; Domain=127.0.0.1", "ws://127.0.0.1:81/" => "a=1")]
    #[test_case("wss://a.example.org:443/", "a=1; Secure", "wss://a.example.org:443/" => "a=1")]
    #[test_case("wss://a.example.org:443/", "a=1; Secure", "ws://a.example.org:80/" => "")]
    fn elsewhere(from: &str, line: &str, to: &str) -> String {
        sent(from, &[line], to)
    }

    #[test]
    fn the_scenarios_own_go_along() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("sid=new; Path=/"));
        let mut jar = Jar::default();
        let own = HeaderValue::from_static("lang=en; sid=old");
        let here = address(A);
        let header = |jar: &Jar, own| jar.header(&here, own, at(1));
        assert_eq!(header(&jar, Some(&own)), Some(own.clone()));
        assert_eq!(header(&jar, None), None);
        jar.take(&headers, &here, at(1));
        let both = HeaderValue::from_static("lang=en; sid=new");
        assert_eq!(header(&jar, Some(&own)), Some(both));
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let mut headers = HeaderMap::new();
        for number in 0..=MOST {
            let line = format!("c{number}=1");
            headers.append(SET_COOKIE, HeaderValue::from_str(&line).expect("a value"));
        }
        let long = format!("long={}", "x".repeat(MOST_BYTES));
        headers.append(SET_COOKIE, HeaderValue::from_str(&long).expect("a value"));
        let mut jar = Jar::default();
        jar.take(&headers, &address(A), at(1));
        assert_eq!((jar.0.len(), jar.0[0].name.as_str()), (MOST, "c1"));
    }
}
