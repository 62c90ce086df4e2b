//! Who may look: whoever has the token of this run, from a page of its own, under a name that is this machine's.
//!
//! The token comes in the address that is printed, once, and is exchanged for a cookie. Pages from elsewhere are
//! kept out by where they say they come from, and names from elsewhere that lead here (rebound names) by not being
//! ours.

use std::io;
use std::net::IpAddr;

use data_encoding::HEXLOWER;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::Authority;
use http::{HeaderValue, Request};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

use super::reply::Refusal;

/// Bytes of a token.
const TOKEN: usize = 32;

/// Who may look.
#[derive(Debug)]
pub(super) struct Access {
    token: String,
    names: Names,
}

/// Which hosts may be asked for.
#[derive(Debug)]
enum Names {
    /// Those that only this machine has for itself.
    Loopback,
    /// Any address, which no name can be rebound to, and these names.
    Public(Vec<String>),
}

impl Access {
    /// With a token that nobody has had before. `address` is where it listens, as it was given.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new(is_public: bool, address: &str) -> io::Result<Self> {
        let mut random = [0; TOKEN];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| io::Error::other("the system gave no random bytes"))?;
        Ok(Self {
            token: HEXLOWER.encode(&random),
            names: match is_public {
                true => Names::Public(own_names(address)),
                false => Names::Loopback,
            },
        })
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether somebody asks for this machine, from a page of ours or from none.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = the_one(headers, &header::HOST).filter(|it| self.names.have(it));
        let host = host.ok_or(Refusal::Host)?;
        let own = format!("http://{host}");
        let is_own = match headers.contains_key(header::ORIGIN) {
            true => {
                the_one(headers, &header::ORIGIN).is_some_and(|it| it.eq_ignore_ascii_case(&own))
            }
            false => true,
        };
        is_own.then_some(()).ok_or(Refusal::Origin)
    }

    /// Whether somebody has the cookie.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_cookie(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let name = cookie_name(headers);
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let pairs = cookies.flat_map(|it| it.as_bytes().split(|byte| *byte == b';'));
        let mut own = pairs.filter_map(|it| {
            let it = it.trim_ascii();
            let value = it.strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        });
        match own.any(|it| self.is_token(it)) {
            true => Ok(()),
            false => Err(Refusal::NoToken),
        }
    }

    /// The token that an address has, where it has one: the cookie that it is exchanged for.
    pub(super) fn exchange<Body>(
        &self,
        request: &Request<Body>,
    ) -> Option<Result<HeaderValue, Refusal>> {
        let mut pairs = request.uri().query()?.split('&');
        let token = pairs.find_map(|it| it.strip_prefix("token="))?;
        if !self.is_token(token.as_bytes()) {
            return Some(Err(Refusal::WrongToken));
        }
        let (cookie, token) = (cookie_name(request.headers()), &self.token);
        let value = format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Strict");
        // It is of ASCII.
        HeaderValue::try_from(value).ok().map(Ok)
    }

    /// How long it takes to tell says nothing of what is right in it.
    fn is_token(&self, sent: &[u8]) -> bool {
        self.token.as_bytes().ct_eq(sent).into()
    }
}

impl Names {
    fn have(&self, host: &str) -> bool {
        let authority = host.parse::<Authority>();
        let Some(authority) = authority.ok().filter(|_| !host.contains('@')) else {
            return false;
        };
        let name = authority.host();
        let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let ip = bare.unwrap_or(name).parse::<IpAddr>();
        let name = name.to_ascii_lowercase();
        let is_local = name == "localhost" || name.ends_with(".localhost");
        match (self, ip) {
            (Self::Loopback, Ok(ip)) => ip.to_canonical().is_loopback(),
            (Self::Loopback, Err(_)) => is_local,
            (Self::Public(_), Ok(_)) => true,
            (Self::Public(names), Err(_)) => is_local || names.contains(&name),
        }
    }
}

/// The name in the address, and that of the machine.
fn own_names(address: &str) -> Vec<String> {
    let given = address.rsplit_once(':').map(|(host, _)| host.to_owned());
    let names = given.into_iter().chain([super::own_name()]);
    names.map(|it| it.to_ascii_lowercase()).collect()
}

/// All ports of a host have one jar: a run has a cookie of its own there, and replaces that of the run before it at
/// the same port.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = the_one(headers, &header::HOST).and_then(|it| it.parse::<Authority>().ok());
    let port = host.and_then(|it| it.port_u16()).unwrap_or(80);
    format!("loadgen_{port}")
}

fn the_one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("localhost:8089" => true)]
    #[test_case("127.0.0.1:9" => true; "another port, over ssh")]
    #[test_case("[::1]:8089" => true)]
    #[test_case("evil.example:8089" => false)]
    #[test_case("127.0.0.1.evil.example" => false)]
    #[test_case("evil.example@localhost" => false; "a user")]
    #[test_case("192.0.2.1" => false; "not here")]
    #[test_case("" => false; "nothing")]
    fn on_the_loopback(host: &str) -> bool {
        Names::Loopback.have(host)
    }

    #[test_case("192.0.2.1:8089" => true; "an address")]
    #[test_case("Bench.example:8089" => true; "as it was given")]
    #[test_case("evil.example:8089" => false)]
    fn for_others(host: &str) -> bool {
        Names::Public(own_names("bench.example:8089")).have(host)
    }

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test_case(&[(header::HOST, "localhost:1")] => Ok(()); "no page")]
    #[test_case(&[(header::HOST, "localhost:1"), (header::ORIGIN, "http://localhost:1")] => Ok(()); "its own page")]
    #[test_case(&[(header::HOST, "localhost:1"), (header::ORIGIN, "http://localhost:2")] => Err(Refusal::Origin); "of another port")]
    #[test_case(&[(header::HOST, "localhost:1"), (header::ORIGIN, "null")] => Err(Refusal::Origin); "of a file")]
    #[test_case(&[(header::HOST, "evil.example"), (header::ORIGIN, "http://evil.example")] => Err(Refusal::Host); "a rebound name")]
    #[test_case(&[(header::HOST, "localhost:1"), (header::ORIGIN, "http://localhost:1"), (header::ORIGIN, "null")] => Err(Refusal::Origin); "two of them")]
    #[test_case(&[] => Err(Refusal::Host); "no host")]
    fn origins(pairs: &[(HeaderName, &'static str)]) -> Result<(), Refusal> {
        let access = Access::new(false, "127.0.0.1:0").unwrap();
        access.check_origin(&headers(pairs))
    }

    #[test]
    fn the_cookie_is_the_token_among_others() {
        let access = Access::new(false, "127.0.0.1:0").unwrap();
        let token = access.token();
        let cookie = "loadgen_8089";
        let check = |value: String| {
            let mut headers = headers(&[(header::HOST, "localhost:8089")]);
            headers.insert(header::COOKIE, HeaderValue::try_from(value).unwrap());
            access.check_cookie(&headers)
        };
        assert_eq!(check(format!("a=b; {cookie}={token}; c=d")), Ok(()));
        assert_eq!(
            check(format!("loadgen_8090={token}")),
            Err(Refusal::NoToken)
        );
        assert_eq!(check(format!("{cookie}=")), Err(Refusal::NoToken));
        assert_eq!(
            check(format!("{cookie}={}", &token[1..])),
            Err(Refusal::NoToken)
        );
        assert_eq!(token.len(), 64);
    }
}
