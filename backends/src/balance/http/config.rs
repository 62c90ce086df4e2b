//! What the HTTP balancer can be told, and its configuration file.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::settings::{SERVICES_FIELDS, ServicesSettings, services};
use crate::balance::config::reader::{Field, Object};
use crate::balance::config::shared::{StatsdSettings, listen_address, statsd, tls_files};
use crate::balance::config::{self, ConfigError, Problems};
use crate::serve::tls::TlsFiles;

/// Where it listens, unless told: where the original one did, for this machine alone.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8000);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const MOST_THREADS: u64 = 1024;

const FIELDS: [&str; 7] = [
    "listen", "tls", "limits", "threads", "grace", "status", "statsd",
];

/// What an HTTP balancer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it listens; port 0 takes any free one. Not changed by a reload.
    pub listen: SocketAddr,
    /// What there is to balance.
    pub services: ServicesSettings,
    /// Certificate and key, with which it speaks TLS and nothing else. Not changed by a reload; the files are
    /// read again when they change.
    pub tls: Option<TlsFiles>,
    /// What clients may ask of it.
    pub limits: HttpLimits,
    /// Threads that carry requests; without a number, one for each core the process may use. Not changed by a
    /// reload.
    pub threads: Option<usize>,
    /// How long a stop waits for requests to end.
    pub grace: Duration,
    /// Where its page is. Not changed by a reload.
    pub status: Option<SocketAddr>,
    /// Where its metrics go, once a second. Not changed by a reload.
    pub statsd: Option<StatsdSettings>,
}

/// The most that clients may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once; those above are reset.
    pub connections: usize,
    /// Requests under way at once, on all connections; those above are answered by 503.
    pub requests: u64,
    /// Bytes of a request's head, all of its lines together.
    pub header_bytes: u32,
    /// For the whole of a request's head, and for a TLS handshake. Over HTTP/1.1 from the end of the answer
    /// before on, so that it is also how long a connection may be idle.
    pub header_timeout: Duration,
    /// Bytes of a request's body; any number without it.
    pub body_bytes: Option<u64>,
    /// From one piece of a request's body to the next, until its answer begins; and how long a client may take
    /// nothing of an answer that is there for it.
    pub body_timeout: Duration,
    /// How long a connection over HTTP/2 may be open without a request.
    pub idle_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: 10_000,
            header_bytes: 32 << 10,
            header_timeout: Duration::from_secs(30),
            body_bytes: None,
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

impl HttpSettings {
    /// The defaults for these services.
    #[must_use]
    pub fn new(services: ServicesSettings) -> Self {
        Self {
            listen: LISTEN.into(),
            services,
            tls: None,
            limits: HttpLimits::default(),
            threads: None,
            grace: Duration::from_secs(10),
            status: None,
            statsd: None,
        }
    }

    /// Reads a configuration file. Files that it names are looked for beside it.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let settings = Self::parse(&path.display().to_string(), &config::read_file(path)?)?;
        Ok(match path.parent() {
            Some(folder) => settings.relative_to(folder),
            None => settings,
        })
    }

    /// The same with its files looked for in `folder`, where their paths are relative.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        let management = self.services.management.take();
        self.services.management = management.map(|it| it.relative_to(folder));
        self
    }

    /// Reads a configuration's text, which came from `source_name`.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(source_name, text, read)
    }
}

fn read(top: &Field<'_>, problems: &Problems) -> Option<HttpSettings> {
    if top.part("services").is_none() && top.part("backends").is_some() {
        top.refuse_as(
            "a configuration of the layer-4 balancer: `backends` and no `services`",
            "one of the HTTP balancer",
            "`loadgen balance tcp --config FILE` takes it; here backends belong to a service",
        );
        return None;
    }
    let known: Vec<_> = FIELDS.into_iter().chain(SERVICES_FIELDS).collect();
    let object = top.object(&known)?;
    let listen = object.or("listen", LISTEN.into(), listen_address);
    let services = services(&object, problems);
    let tls = object.or("tls", None, |it| tls_files(it).map(Some));
    let limits = object.or("limits", HttpLimits::default(), limits);
    let threads = object.or("threads", None, |it| {
        let threads = it.whole(1..=MOST_THREADS)?;
        Some(usize::try_from(threads).ok())
    });
    let grace = object.or("grace", Duration::from_secs(10), |it| {
        it.duration(Duration::ZERO..=HOUR * 24)
    });
    let status = object.or("status", None, |it| listen_address(it).map(Some));
    let statsd = object.or("statsd", None, |it| statsd(it).map(Some));
    Some(HttpSettings {
        listen: listen?,
        services: services?,
        tls: tls?,
        limits: limits?,
        threads: threads?,
        grace: grace?,
        status: status?,
        statsd: statsd?,
    })
}

fn limits(field: &Field<'_>) -> Option<HttpLimits> {
    let object = field.object(&[
        "connections",
        "requests",
        "header_bytes",
        "header_timeout",
        "body_bytes",
        "body_timeout",
        "idle_timeout",
    ])?;
    let default = HttpLimits::default();
    let time = |object: &Object<'_>, name, default| {
        object.or(name, default, |it| it.duration(MILLISECOND..=HOUR))
    };
    let connections = object.or("connections", default.connections, |it| {
        let connections = it.whole(1..=1_000_000)?;
        usize::try_from(connections).ok()
    });
    let requests = object.or("requests", default.requests, |it| it.whole(1..=1_000_000));
    let header_bytes = object.or("header_bytes", default.header_bytes, |it| {
        u32::try_from(it.whole(1024..=1 << 20)?).ok()
    });
    let header_timeout = time(&object, "header_timeout", default.header_timeout);
    let body_bytes = object.or("body_bytes", default.body_bytes, |it| {
        it.whole(0..=1 << 50).map(Some)
    });
    let body_timeout = time(&object, "body_timeout", default.body_timeout);
    let idle_timeout = time(&object, "idle_timeout", default.idle_timeout);
    Some(HttpLimits {
        connections: connections?,
        requests: requests?,
        header_bytes: header_bytes?,
        header_timeout: header_timeout?,
        body_bytes: body_bytes?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const SERVICES: &str = r#""services": [{ "name": "a", "routes": [{ "path": "/**" }], "backends": [{ "address": "a:1" }] }]"#;

    #[test]
    fn everything_can_be_said() {
        let text = format!(
            r#"{{ {SERVICES}, "default_service": "a", "listen": "127.0.0.1:0",
            "tls": {{ "cert_file": "cert.pem", "key_file": "key.pem" }},
            "limits": {{ "connections": 10, "requests": 20, "header_bytes": 2048, "header_timeout": "1s", "body_bytes": 100,
                "body_timeout": "2s", "idle_timeout": "3s" }},
            "threads": 2, "grace": "1s", "status": "127.0.0.1:8404", "statsd": {{ "address": "localhost:8125" }} }}"#
        );
        let settings = HttpSettings::parse("lb.json", &text).unwrap();
        assert_eq!(settings.services.default_service.as_deref(), Some("a"));
        let limits = HttpLimits {
            connections: 10,
            requests: 20,
            header_bytes: 2048,
            header_timeout: Duration::from_secs(1),
            body_bytes: Some(100),
            body_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(3),
        };
        assert_eq!(settings.limits, limits);
        assert_eq!(settings.tls.unwrap().key, Path::new("key.pem"));
        assert_eq!(settings.threads, Some(2));
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
        let services: Vec<_> = texts.filter(|text| text.contains("\"services\"")).collect();
        assert!(services.len() >= 3, "{}", services.len());
        for text in services {
            if let Err(error) = HttpSettings::parse("example", text) {
                panic!("{text}\n{error}");
            }
        }
    }

    #[test]
    fn little_needs_to_be_said() {
        let settings = HttpSettings::parse("lb.json", &format!("{{ {SERVICES} }}")).unwrap();
        assert_eq!(settings, HttpSettings::new(settings.services.clone()));
    }

    #[test_case(r#""tls": { "cert_file": "a" }"#, "tls.key_file: found nothing, expected a path"; "tls")]
    #[test_case(r#""limits": { "connections": 0 }"#, "limits.connections: found 0, expected a whole number from 1 to 1000000"; "connections")]
    #[test_case(r#""limits": { "header_bytes": 1 }"#, "limits.header_bytes: found 1, expected a whole number from 1024 to 1048576"; "header")]
    #[test_case(r#""limits": { "body_tiemout": "1s" }"#, "limits.body_tiemout: found an unknown field, expected a field that has a meaning here; did you mean `body_timeout`?"; "misspelt")]
    #[test_case(r#""backends": []"#, "backends: found an unknown field, expected a field that has a meaning here; fields here are listen, tls, limits, threads, grace, status, statsd, services, default_service, management"; "a field of the other balancer")]
    fn one_message_each(field: &str, problem: &str) {
        let text = format!("{{ {SERVICES}, {field} }}");
        let told = HttpSettings::parse("lb.json", &text)
            .unwrap_err()
            .to_string();
        assert_eq!(told, format!("lb.json: 1 problem\n  {problem}"));
    }
}
