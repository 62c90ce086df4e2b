//! What services there are, as a configuration says it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use http::Method;

use super::check::{CHECKS_FIELDS, HttpCheck};
use super::manage::ManagementSettings;
use super::route::{PATTERN, Route};
use super::wanted::WantedHeader;
use crate::balance::config::reader::{Field, Object};
use crate::balance::config::shared::pool;
use crate::balance::config::{ConfigError, Problems, parse, read_file};
use crate::balance::pool::PoolSettings;

/// What a service's name should be, as messages have it.
pub(super) const NAME: &str =
    "1 to 100 letters, digits, `-`, `_`, `~` or `.`, other than `.` and `..`";
const METHOD: &str = "a method in capital letters, like \"GET\"";
pub(super) const ROUTE_FIELDS: [&str; 2] = ["path", "methods"];
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
pub(super) const SERVICE_FIELDS: [&str; 12] = [
    "name",
    "headers",
    "routes",
    "algorithm",
    "backends",
    "health",
    "resolve_interval",
    "protocol",
    "connect_timeout",
    "response_timeout",
    "retries",
    "keep_alive",
];

/// The fields of an object that has services in it.
pub(super) const SERVICES_FIELDS: [&str; 3] = ["services", "default_service", "management"];

/// The services of a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicesSettings {
    /// All of them; no name twice.
    pub services: Vec<ServiceSettings>,
    /// The name of the one that is meant where a path names none.
    pub default_service: Option<String>,
    /// Where and by whom they are managed; nowhere by nobody without it. Not changed by a reload.
    pub management: Option<ManagementSettings>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Its name, which is the first segment of its paths.
    pub name: String,
    /// The header fields by which a request is for it where the path names no service; without them it is not.
    pub headers: Vec<WantedHeader>,
    /// What it answers; one route or more.
    pub routes: Vec<Route>,
    /// Who answers.
    pub pool: PoolSettings,
    /// What a health check asks for and expects; without it, a backend that takes a connection is well.
    pub check: Option<HttpCheck>,
    /// What its backends speak.
    pub protocol: BackendProtocol,
    /// A backend that takes no connection within this time is passed over.
    pub connect_timeout: Duration,
    /// A backend whose answer has not begun this long after the request went to it is given up.
    pub response_timeout: Duration,
    /// How often a request is tried again that a backend let go before it answered.
    pub retries: u32,
    /// The most idle connections that each thread keeps to an address of a backend.
    pub keep_alive: usize,
}

/// What backends speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendProtocol {
    /// HTTP/1.1, a request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2 without TLS, known beforehand: what gRPC takes.
    Http2,
}

impl BackendProtocol {
    const WORDS: [(&'static str, Self); 2] = [("http/1.1", Self::Http1), ("h2", Self::Http2)];

    /// What other programs call them.
    const OTHER_WORDS: [(&'static str, &'static str); 8] = [
        ("http", "http/1.1"),
        ("http1", "http/1.1"),
        ("http/1", "http/1.1"),
        ("http1.1", "http/1.1"),
        ("http2", "h2"),
        ("http/2", "h2"),
        ("h2c", "h2"),
        ("grpc", "h2"),
    ];
}

impl ServiceSettings {
    /// The defaults for a service with these routes and backends.
    #[must_use]
    pub fn new(name: &str, routes: Vec<Route>, pool: PoolSettings) -> Self {
        Self {
            name: name.to_owned(),
            headers: Vec::new(),
            routes,
            pool,
            check: None,
            protocol: BackendProtocol::default(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(60),
            retries: 2,
            keep_alive: 64,
        }
    }
}

impl ServicesSettings {
    /// Reads a configuration's file.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&path.display().to_string(), &read_file(path)?)
    }

    /// Reads a configuration from a text that came from `source_name`.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigError> {
        parse(source_name, text, |top, problems| {
            services(&top.object(&SERVICES_FIELDS)?, problems)
        })
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceSettings> {
        self.services.iter().find(|it| it.name == name)
    }

    /// The service that is meant where a path names none.
    #[must_use]
    pub fn default_service(&self) -> Option<&ServiceSettings> {
        self.service(self.default_service.as_deref()?)
    }
}

/// Reads the services of an object that has [`SERVICES_FIELDS`] among its fields.
pub(super) fn services(object: &Object<'_>, problems: &Problems) -> Option<ServicesSettings> {
    let management = match object.get("management") {
        Some(field) => ManagementSettings::read(&field, problems).map(Some),
        None => Some(None),
    };
    let elements = object.require("services", "an array of services")?.list()?;
    let mut read = Vec::<ServiceSettings>::with_capacity(elements.len());
    // By name, where it stands.
    let mut places = HashMap::<String, &str>::with_capacity(elements.len());
    let mut all_well = true;
    // Of those that cannot be read, a name is one all the same; one without may have any.
    let (mut unread, mut may_be_any) = (HashSet::new(), false);
    for element in &elements {
        let Some(service) = service(element, None, problems) else {
            all_well = false;
            match element.part("name").and_then(|it| it.text()) {
                Some(name) if is_name(&name) => {
                    unread.insert(name);
                }
                _ => may_be_any = true,
            }
            continue;
        };
        match places.entry(service.name.clone()) {
            Entry::Occupied(place) => {
                let found = format!("\"{}\", which is {} already", service.name, place.get());
                let path = format!("{}.name", element.path());
                problems.add(path, found, "each service once", None);
            }
            Entry::Vacant(place) => {
                place.insert(element.path());
            }
        }
        read.push(service);
    }
    let default = object.get("default_service");
    let default_service = match &default {
        Some(field) => Some(field.read("the name of a service", |it| Some(it.to_owned()))?),
        None => None,
    };
    if let (Some(field), false) = (&default, may_be_any)
        && !default_service
            .as_ref()
            .is_some_and(|it| places.contains_key(it) || unread.contains(it))
    {
        field.refuse("the name of one of the services", None);
    }
    let management = management?;
    all_well.then_some(ServicesSettings {
        services: read,
        default_service,
        management,
    })
}

/// Reads a service, which may leave out its name where that is `known` from elsewhere and must not have
/// another.
pub(super) fn service(
    field: &Field<'_>,
    known: Option<&str>,
    problems: &Problems,
) -> Option<ServiceSettings> {
    let object = field.object(&SERVICE_FIELDS)?;
    let named = match (object.get("name"), known) {
        (None, Some(_)) => None,
        _ => object.require("name", NAME),
    };
    let name = match (named, known) {
        (None, known) => known.map(str::to_owned),
        (Some(field), None) => field.read(NAME, |text| is_name(text).then(|| text.to_owned())),
        (Some(field), Some(known)) => {
            let expected = format!("\"{known}\", which is the name in the path");
            field.read(&expected, |text| (text == known).then(|| text.to_owned()))
        }
    };
    let headers = object.or("headers", Vec::new(), WantedHeader::read_all);
    let routes = object
        .require("routes", "an array of one route or more")
        .and_then(|it| routes(&it));
    let pool = pool(&object, &CHECKS_FIELDS, problems);
    let check = match object.get("health") {
        Some(field) => HttpCheck::read(&field),
        None => Some(None),
    };
    let limits = read_limits(&object);
    let mut service = ServiceSettings::new(&name?, routes?, pool?);
    service.headers = headers?;
    service.check = check?;
    limits?(&mut service);
    Some(service)
}

/// Reads what a service's requests are given; what comes of it is put into the service.
fn read_limits(object: &Object<'_>) -> Option<impl FnOnce(&mut ServiceSettings)> {
    let default = ServiceSettings::new("", Vec::new(), PoolSettings::new(Vec::new()));
    let protocol = object.or("protocol", default.protocol, |it| {
        it.word_known_as(&BackendProtocol::WORDS, &BackendProtocol::OTHER_WORDS)
    });
    let time = |name, default| object.or(name, default, |it| it.duration(MILLISECOND..=HOUR));
    let connect_timeout = time("connect_timeout", default.connect_timeout);
    let response_timeout = time("response_timeout", default.response_timeout);
    let retries = object.or("retries", default.retries, |it| {
        it.whole(0..=100).and_then(|it| u32::try_from(it).ok())
    });
    let keep_alive = object.or("keep_alive", default.keep_alive, |it| {
        it.whole(0..=10_000).and_then(|it| usize::try_from(it).ok())
    });
    let (protocol, connect_timeout, response_timeout) =
        (protocol?, connect_timeout?, response_timeout?);
    let (retries, keep_alive) = (retries?, keep_alive?);
    Some(move |service: &mut ServiceSettings| {
        service.protocol = protocol;
        service.connect_timeout = connect_timeout;
        service.response_timeout = response_timeout;
        service.retries = retries;
        service.keep_alive = keep_alive;
    })
}

pub(super) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '.');
    (1..=100).contains(&text.len()) && text.chars().all(is_part) && !matches!(text, "." | "..")
}

fn routes(field: &Field<'_>) -> Option<Vec<Route>> {
    let elements = field.list()?;
    if elements.is_empty() {
        field.refuse(
            "one route or more",
            Some("`/**` is for all paths".to_owned()),
        );
        return None;
    }
    let read: Vec<_> = elements.iter().map(route).collect();
    read.into_iter().collect()
}

fn route(field: &Field<'_>) -> Option<Route> {
    let object = field.object(&ROUTE_FIELDS)?;
    let methods = match object.get("methods") {
        Some(field) => methods(&field),
        None => Some(Vec::new()),
    };
    let route = object.require("path", PATTERN).and_then(|it| {
        it.read(PATTERN, |text| {
            Route::new(text, methods.clone().unwrap_or_default())
        })
    });
    methods.and(route)
}

fn methods(field: &Field<'_>) -> Option<Vec<Method>> {
    let elements = field.list()?;
    if elements.is_empty() {
        let help = "leave the field out for all methods".to_owned();
        field.refuse("one method or more", Some(help));
        return None;
    }
    let method = |text: &str| {
        let is_capital = text.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
        is_capital.then(|| Method::from_bytes(text.as_bytes()).ok())?
    };
    let read: Vec<_> = elements.iter().map(|it| it.read(METHOD, method)).collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn with(name: &str, routes: &str) -> String {
        format!(r#"{{ "name": {name}, "routes": {routes}, "backends": [{{ "address": "a:1" }}] }}"#)
    }

    #[test_case(r#""protocol": "h3""#, "services[0].protocol: found \"h3\", expected one of \"http/1.1\", \"h2\"; did you mean \"h2\"?"; "protocol")]
    #[test_case(r#""protocol": "http2""#, "services[0].protocol: found \"http2\", expected one of \"http/1.1\", \"h2\"; did you mean \"h2\"?"; "another word for a protocol")]
    #[test_case(r#""protocol": "HTTP/2""#, "services[0].protocol: found \"HTTP/2\", expected one of \"http/1.1\", \"h2\"; did you mean \"h2\"?"; "in capitals")]
    #[test_case(r#""protocol": "grpc""#, "services[0].protocol: found \"grpc\", expected one of \"http/1.1\", \"h2\"; did you mean \"h2\"?"; "what is spoken over it")]
    #[test_case(r#""headers": {}"#, "services[0].headers: found an object, expected one header field or more; leave the field out where the path alone tells"; "no header fields")]
    #[test_case(r#""headers": { "Version": "v1" }"#, "services[0].headers.Version: found the name \"Version\", expected the name of a header field in small letters, like \"agent-version\"; names are compared in small letters"; "a header's name")]
    #[test_case(r#""headers": { "version": "" }"#, "services[0].headers.version: found \"\", expected a pattern of 1 to 200 visible characters, like \"v1.*\""; "a header's pattern")]
    #[test_case(r#""headers": { "a": "1", "a": "2" }"#, "services[0].headers.a: found the field a second time, expected each field once"; "a header twice")]
    #[test_case(r#""retries": 101"#, "services[0].retries: found 101, expected a whole number from 0 to 100"; "retries")]
    #[test_case(r#""response_timeout": 5"#, "services[0].response_timeout: found 5, expected a duration from 1ms to 1h, like \"2s\" or \"250ms\""; "timeout")]
    #[test_case(r#""health": { "path": "ready" }"#, "services[0].health.path: found \"ready\", expected a path and query, like \"/health\""; "check's path")]
    #[test_case(r#""health": { "status": [200, 99] }"#, "services[0].health.status[1]: found 99, expected a whole number from 100 to 599"; "check's status")]
    #[test_case(r#""health": { "body": "" }"#, "services[0].health.body: found \"\", expected a text that the answer has in it"; "check's body")]
    #[test_case(r#""health": { "paths": "/" }"#, "services[0].health.paths: found an unknown field, expected a field that has a meaning here; did you mean `path`?"; "check's field")]
    fn one_message_for_each_field(field: &str, problem: &str) {
        let text = format!(
            r#"{{ "services": [{{ "name": "a", "routes": [{{ "path": "/" }}], "backends": [{{ "address": "a:1" }}], {field} }}] }}"#
        );
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        assert_eq!(told, format!("s.json: 1 problem\n  {problem}"));
    }

    #[test]
    fn everything_can_be_said_of_a_service() {
        let text = r#"{ "services": [{ "name": "a", "routes": [{ "path": "/**" }], "backends": [{ "address": "a:1" }],
            "health": { "interval": "1s", "path": "/ready", "status": [200, 204], "body": "ok" }, "protocol": "h2",
            "connect_timeout": "100ms", "response_timeout": "5s", "retries": 0, "keep_alive": 3 }] }"#;
        let settings = ServicesSettings::parse("s.json", text).unwrap();
        let service = settings.service("a").unwrap();
        let check = service.check.as_ref().unwrap();
        assert_eq!(
            (check.path.as_str(), &check.status[..]),
            ("/ready", &[200, 204][..])
        );
        assert_eq!(check.body.as_deref(), Some("ok"));
        assert_eq!(service.protocol, BackendProtocol::Http2);
        assert_eq!((service.retries, service.keep_alive), (0, 3));
        assert_eq!(service.response_timeout, Duration::from_secs(5));
    }

    #[test_case(r#""..""#, r#"[{ "path": "/" }]"#, "services[0].name: found \"..\", expected 1 to 100 letters"; "name")]
    #[test_case(r#""a""#, "[]", "services[0].routes: found an array, expected one route or more"; "no routes")]
    #[test_case(r#""a""#, r#"[{ "path": "a" }]"#, "services[0].routes[0].path: found \"a\", expected a path like"; "route")]
    #[test_case(r#""a""#, r#"[{ "path": "/", "methods": ["get"] }]"#, "services[0].routes[0].methods[0]: found \"get\", expected a method in capital letters"; "method")]
    #[test_case(r#""a""#, r#"[{ "path": "/", "methods": [] }]"#, "services[0].routes[0].methods: found an array, expected one method or more"; "no methods")]
    fn one_message_each(name: &str, routes: &str, problem: &str) {
        let text = format!(r#"{{ "services": [{}] }}"#, with(name, routes));
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        let wanted = format!("s.json: 1 problem\n  {problem}");
        assert!(told.starts_with(&wanted), "{told}");
    }

    #[test]
    fn names_are_unique_and_the_default_is_one_of_them() {
        let service = with(r#""a""#, r#"[{ "path": "/**" }]"#);
        let text = format!(r#"{{ "services": [{service}, {service}], "default_service": "b" }}"#);
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        let wanted = "s.json: 2 problems
  services[1].name: found \"a\", which is services[0] already, expected each service once
  default_service: found \"b\", expected the name of one of the services";
        assert_eq!(told, wanted);
    }

    #[test_case(r#""a""#, r#""b""#, 2; "it is none of them, also where one is not right")]
    #[test_case(r#""a""#, r#""a""#, 1; "it is the one that is not right")]
    #[test_case("7", r#""b""#, 2; "it may be the one without a name")]
    fn the_default_is_told_with_what_else_is_wrong(name: &str, default: &str, problems: usize) {
        let service = with(name, r#"[{ "path": "a" }]"#);
        let text = format!(r#"{{ "services": [{service}], "default_service": {default} }}"#);
        let told = ServicesSettings::parse("s.json", &text).unwrap_err();
        let ConfigError::Invalid {
            problems: found, ..
        } = &told
        else {
            panic!("{told}");
        };
        assert_eq!(found.len(), problems, "{told}");
        let of_default = found.iter().any(|it| it.path == "default_service");
        assert_eq!(
            of_default,
            (name, default) == (r#""a""#, r#""b""#),
            "{told}"
        );
    }

    #[test]
    fn thousands_of_services_are_told_apart() {
        let one = |name: &str| with(&format!("\"{name}\""), r#"[{ "path": "/**" }]"#);
        let names = (0..5000).map(|at| format!("service-{at}"));
        let texts: Vec<_> = names.chain(["service-4999".to_owned()]).collect();
        let texts: Vec<_> = texts.iter().map(|it| one(it)).collect();
        let text = format!(r#"{{ "services": [{}] }}"#, texts.join(","));
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        let wanted = "s.json: 1 problem
  services[5000].name: found \"service-4999\", which is services[4999] already, expected each service once";
        assert_eq!(told, wanted);
        let text = format!(r#"{{ "services": [{}] }}"#, texts[..5000].join(","));
        let settings = ServicesSettings::parse("s.json", &text).unwrap();
        assert_eq!(settings.services.len(), 5000);
    }

    /// Eight times as many take about eight times as long, not 64 times.
    #[test]
    fn the_time_to_read_backends_grows_with_their_number() {
        // Not the wall clock's: others work here as well.
        let worked = || {
            let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            Duration::try_from(spent).unwrap()
        };
        let took = |count: usize| {
            let backend = |at| format!(r#"{{ "address": "backend-{at}:80" }}"#);
            let backends: Vec<_> = (0..count).map(backend).collect();
            let text = format!(
                r#"{{ "services": [{{ "name": "a", "routes": [{{ "path": "/" }}], "backends": [{}] }}] }}"#,
                backends.join(",")
            );
            let once = || {
                let began = worked();
                assert!(ServicesSettings::parse("s.json", &text).is_ok());
                worked() - began
            };
            once().min(once()).min(once())
        };
        let (few, many) = (took(1250), took(10_000));
        assert!(many < few * 8 * 3, "{few:?}, {many:?}");
    }
}
