//! What the layer-4 balancer can be told, and its configuration file.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::proxy::ProxyProtocol;
use crate::balance::config::reader::{Field, Object};
use crate::balance::config::shared::{
    HEALTH_FIELDS, POOL_FIELDS, StatsdSettings, listen_address, pool, pool_with, statsd,
};
use crate::balance::config::{self, ConfigError, Problems};
use crate::balance::pool::{BackendSettings, PoolSettings};

/// Where it listens, unless told: where the original one did, for this machine alone.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const MOST_THREADS: u64 = 1024;

const FIELDS: [&str; 8] = [
    "listen",
    "connect_timeout",
    "idle_timeout",
    "proxy_protocol",
    "threads",
    "grace",
    "status",
    "statsd",
];

/// What a layer-4 balancer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpSettings {
    /// Where it listens; port 0 takes any free one. Not changed by a reload.
    pub listen: SocketAddr,
    /// Who gets the connections.
    pub pool: PoolSettings,
    /// A backend that does not take a connection within this time is passed over.
    pub connect_timeout: Duration,
    /// A connection on which nothing has moved for this time, either way, is reset; `None` lets them be.
    pub idle_timeout: Option<Duration>,
    /// The header by which backends are told who the client is.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Threads that carry bytes; without a number, one for each core the process may use. Not changed by a
    /// reload.
    pub threads: Option<usize>,
    /// How long a stop waits for connections to end.
    pub grace: Duration,
    /// Where its page is. Not changed by a reload.
    pub status: Option<SocketAddr>,
    /// Where its metrics go, once a second. Not changed by a reload.
    pub statsd: Option<StatsdSettings>,
}

impl TcpSettings {
    /// The defaults for these backends.
    #[must_use]
    pub fn new(backends: Vec<BackendSettings>) -> Self {
        Self {
            listen: LISTEN.into(),
            pool: PoolSettings::new(backends),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: None,
            proxy_protocol: None,
            threads: None,
            grace: Duration::from_secs(10),
            status: None,
            statsd: None,
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&path.display().to_string(), &config::read_file(path)?)
    }

    /// Reads a configuration's text, which came from `source_name`.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(source_name, text, |top, problems| read(top, None, problems))
    }

    /// Reads a configuration file with these backends in the place of its own, of which it then needs none.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn read_with(path: &Path, backends: Vec<BackendSettings>) -> Result<Self, ConfigError> {
        let text = config::read_file(path)?;
        config::parse(&path.display().to_string(), &text, |top, problems| {
            read(top, Some(backends), problems)
        })
    }
}

fn read(
    top: &Field<'_>,
    given: Option<Vec<BackendSettings>>,
    problems: &Problems,
) -> Option<TcpSettings> {
    if top.part("services").is_some() {
        top.refuse_as(
            "a configuration of the HTTP balancer: `services`",
            "one of the layer-4 balancer",
            "`loadgen balance http --config FILE` takes it",
        );
        return None;
    }
    let known: Vec<_> = FIELDS.into_iter().chain(POOL_FIELDS).collect();
    let object = top.object(&known)?;
    let default = TcpSettings::new(Vec::new());
    let pool = match given {
        None => pool(&object, &HEALTH_FIELDS, problems),
        Some(given) => pool_with(given, &object, &HEALTH_FIELDS, problems),
    };
    let listen = or(&object, "listen", default.listen, listen_address);
    let connect_timeout = or(&object, "connect_timeout", default.connect_timeout, |it| {
        it.duration(MILLISECOND..=HOUR)
    });
    let idle_timeout = or(&object, "idle_timeout", None, |it| {
        it.duration(MILLISECOND..=HOUR * 24).map(Some)
    });
    let versions = ProxyProtocol::ALL.map(|it| (it.as_str(), Some(it)));
    let proxy_protocol = or(&object, "proxy_protocol", None, |it| it.word(&versions));
    let threads = or(&object, "threads", None, |it| {
        let threads = it.whole(1..=MOST_THREADS)?;
        Some(usize::try_from(threads).ok())
    });
    let grace = or(&object, "grace", default.grace, |it| {
        it.duration(Duration::ZERO..=HOUR * 24)
    });
    let status = or(&object, "status", None, |it| listen_address(it).map(Some));
    let statsd = or(&object, "statsd", None, |it| statsd(it).map(Some));
    Some(TcpSettings {
        listen: listen?,
        pool: pool?,
        connect_timeout: connect_timeout?,
        idle_timeout: idle_timeout?,
        proxy_protocol: proxy_protocol?,
        threads: threads?,
        grace: grace?,
        status: status?,
        statsd: statsd?,
    })
}

/// The field as `read` has it, or the default where it is not there.
fn or<T>(
    object: &Object<'_>,
    name: &str,
    default: T,
    read: impl FnOnce(&Field<'_>) -> Option<T>,
) -> Option<T> {
    match object.get(name) {
        Some(field) => read(&field),
        None => Some(default),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn everything_can_be_said() {
        let text = r#"{
            "listen": "127.0.0.1:0",
            "algorithm": "weighted_round_robin",
            "backends": [{ "address": "localhost:9001", "weight": 3 }],
            "connect_timeout": "500ms",
            "idle_timeout": "10m",
            "proxy_protocol": "v2",
            "threads": 2,
            "grace": "0s",
            "status": "127.0.0.1:8404",
            "statsd": { "address": "localhost:8125", "prefix": "lb" }
        }"#;
        let settings = TcpSettings::parse("lb.json", text).unwrap();
        assert_eq!(settings.proxy_protocol, Some(ProxyProtocol::V2));
        assert_eq!(settings.idle_timeout, Some(Duration::from_secs(600)));
        assert_eq!(settings.threads, Some(2));
        assert_eq!(settings.grace, Duration::ZERO);
        assert_eq!(settings.status, Some("127.0.0.1:8404".parse().unwrap()));
        let statsd = settings.statsd.unwrap();
        assert_eq!((statsd.host.as_str(), statsd.port), ("localhost", 8125));
        assert_eq!(statsd.prefix, "lb");
    }

    #[test]
    fn the_examples_of_the_book_are_valid() {
        const PAGES: [&str; 2] = [
            include_str!("../../../../docs/src/balancers.md"),
            include_str!("../../../../docs/src/migration.md"),
        ];
        let blocks = PAGES
            .into_iter()
            .flat_map(|page| page.split("```json\n").skip(1));
        let texts = blocks.filter_map(|block| block.split("```").next());
        let is_layer_4 =
            |text: &&str| text.contains("\"listen\"") && !text.contains("\"services\"");
        let layer_4: Vec<_> = texts.filter(is_layer_4).collect();
        assert!(layer_4.len() >= 4, "{}", layer_4.len());
        for text in layer_4 {
            if let Err(error) = TcpSettings::parse("example", text) {
                panic!("{text}\n{error}");
            }
        }
    }

    #[test_case(r#""listen": "8080""#, r#"listen: found "8080", expected IP:PORT, like "127.0.0.1:8080" or "[::]:8080""#; "listen")]
    #[test_case(r#""proxy_protocol": "v3""#, r#"proxy_protocol: found "v3", expected one of "v1", "v2"; did you mean "v1"?"#; "proxy")]
    #[test_case(r#""threads": 0"#, "threads: found 0, expected a whole number from 1 to 1024"; "threads")]
    #[test_case(r#""conect_timeout": "1s""#, "conect_timeout: found an unknown field, expected a field that has a meaning here; did you mean `connect_timeout`?"; "misspelt")]
    #[test_case(r#""statsd": { "address": "x" }"#, r#"statsd.address: found "x", expected HOST:PORT with a port from 1 to 65535, like "localhost:8125""#; "statsd")]
    #[test_case(r#""statsd": { "address": "x:1", "prefix": "a b" }"#, r#"statsd.prefix: found "a b", expected ASCII letters, digits, `.`, `-` and `_`, like "loadgen""#; "prefix")]
    fn one_message_each(field: &str, problem: &str) {
        let text = format!(r#"{{ "backends": [{{ "address": "a:1" }}], {field} }}"#);
        let told = TcpSettings::parse("lb.json", &text)
            .unwrap_err()
            .to_string();
        assert_eq!(told, format!("lb.json: 1 problem\n  {problem}"));
    }
}
