//! The documents that are sent and answered, for OpenAPI to describe. What a configuration may say is its
//! reader's to judge; a test holds that both know the same fields.

#![expect(dead_code, reason = "they are described, and never made")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// The services of a balancer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Services {
    /// All of them; no name twice.
    services: Vec<Service>,
    /// The name of the one that is meant where a path names none.
    #[schema(example = "web")]
    default_service: Option<String>,
}

/// A service: what it answers, and who answers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "routes": [{ "path": "/hello", "methods": ["GET"] }, { "path": "/files/**" }],
    "algorithm": "weighted_round_robin",
    "backends": [{ "address": "localhost:9001", "weight": 3 }, { "address": "localhost:9002" }],
    "health": { "interval": "2s" },
}))]
pub(super) struct Service {
    /// The first segment of its paths: letters, digits, `-`, `_`, `~` and `.`. May be left out where the path
    /// has it; another than that is refused.
    #[schema(pattern = "^[A-Za-z0-9._~-]{1,100}$")]
    name: Option<String>,
    /// By the names of header fields in small letters, patterns of their values (`*` any number of characters, `?`
    /// one): a request that has all of them, and whose path names no service, is for it.
    #[schema(example = json!({ "agent-version": "v1.*" }))]
    headers: Option<BTreeMap<String, String>>,
    /// What it answers.
    #[schema(min_items = 1)]
    routes: Vec<Route>,
    /// How backends take turns; `round_robin` unless told.
    algorithm: Option<Algorithm>,
    /// Who answers.
    #[schema(min_items = 1, max_items = 10_000)]
    backends: Vec<Backend>,
    /// How backends are checked; `"off"` has all count as up.
    health: Option<Health>,
    /// How often names of backends are looked up again, 100 ms to 1 h; `5s` unless told.
    #[schema(example = "5s")]
    resolve_interval: Option<String>,
    /// What its backends speak; `http/1.1` unless told, `h2` for gRPC.
    protocol: Option<Protocol>,
    /// A backend that takes no connection within this time is passed over, 1 ms to 1 h; `1s` unless told.
    #[schema(example = "1s")]
    connect_timeout: Option<String>,
    /// A backend whose answer has not begun by then is given up, 1 ms to 1 h; `1m` unless told.
    #[schema(example = "1m")]
    response_timeout: Option<String>,
    /// How often a request is tried again that a backend let go before it answered; 2 unless told.
    #[schema(minimum = 0, maximum = 100)]
    retries: Option<u32>,
    /// The most idle connections that each thread keeps to an address of a backend; 64 unless told.
    #[schema(minimum = 0, maximum = 10_000)]
    keep_alive: Option<u32>,
}

/// What backends speak.
#[derive(ToSchema)]
pub(super) enum Protocol {
    #[serde(rename = "http/1.1")]
    Http1,
    #[serde(rename = "h2")]
    Http2,
}

/// A path that a service answers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// Without the service's name. `*` stands for any one segment, `**` at the end for all below.
    #[schema(example = "/users/*")]
    path: String,
    /// The methods that it is answered for; all unless told.
    #[schema(min_items = 1, example = json!(["GET", "HEAD"]))]
    methods: Option<Vec<String>>,
}

/// How backends take turns.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Algorithm {
    RoundRobin,
    WeightedRoundRobin,
    LeastConnections,
}

/// Who answers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backend {
    /// `HOST:PORT`, by name or address.
    #[schema(example = "localhost:9001")]
    address: String,
    /// Its share of the work; 1 unless told.
    #[schema(minimum = 1, maximum = 65_535)]
    weight: Option<u32>,
    /// Whether it gets no new work and may finish what it has.
    drain: Option<bool>,
}

/// How backends are checked.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Health {
    Checks(Checks),
    Off(Off),
}

/// They are not: all count as up.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Off {
    Off,
}

/// When a check is due, and how many of them are believed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checks {
    /// From one check's start to the next one's, 1 ms to 1 h; `2s` unless told.
    #[schema(example = "2s")]
    interval: Option<String>,
    /// A check that takes longer has failed; `1s` unless told.
    #[schema(example = "1s")]
    timeout: Option<String>,
    /// So many good checks in a row bring a backend back; 2 unless told.
    #[schema(minimum = 1, maximum = 1000)]
    rise: Option<u32>,
    /// So many bad checks in a row take a backend out; 3 unless told.
    #[schema(minimum = 1, maximum = 1000)]
    fall: Option<u32>,
    /// What is asked for, from `/`. With any of this and those below a check is a request, without a connection.
    #[schema(example = "/health")]
    path: Option<String>,
    /// The statuses of a backend that is well; 200 to 299 unless told.
    status: Option<Statuses>,
    /// A text that the first 64 KiB of the answer have in them.
    #[schema(min_length = 1)]
    body: Option<String>,
}

/// One status, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Statuses {
    One(u16),
    Several(Vec<u16>),
}

/// How the backends of a service stand.
#[derive(ToSchema)]
pub(super) struct Status {
    /// How they take turns.
    algorithm: Algorithm,
    /// Each address of each backend.
    backends: Vec<BackendStatus>,
    /// Names that cannot be looked up now.
    unresolved: Vec<Unresolved>,
}

/// How an address of a backend stands.
#[derive(ToSchema)]
pub(super) struct BackendStatus {
    /// As it is configured.
    #[schema(example = "localhost:9001")]
    backend: String,
    /// Where that leads.
    #[schema(example = "127.0.0.1:9001")]
    address: String,
    /// Its share.
    weight: u32,
    /// Whether it takes new work.
    state: State,
    /// Requests that are open on it.
    open: u64,
    /// Requests that were given to it.
    opened: u64,
    /// Requests that it did not take.
    failed: u64,
    /// Bytes that went to it.
    bytes_sent: u64,
    /// Bytes that came from it.
    bytes_received: u64,
    /// Health checks.
    checks: u64,
    /// Health checks that failed.
    checks_failed: u64,
    /// How often checks took it out or brought it back.
    state_changes: u64,
    /// How long the last check took, in microseconds.
    last_check_us: Option<u64>,
    /// Why it is down, or what went wrong last.
    last_failure: Option<String>,
}

/// Whether a backend takes new work.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Up,
    Down,
    Draining,
}

/// A name that cannot be looked up.
#[derive(ToSchema)]
pub(super) struct Unresolved {
    /// The backend, as it is configured.
    backend: String,
    /// Why.
    reason: String,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;
    use test_case::test_case;

    use crate::balance::config::shared::BACKEND_FIELDS;
    use crate::balance::http::check::CHECKS_FIELDS;
    use crate::balance::http::manage::document::LISTED;
    use crate::balance::http::manage::openapi::description;
    use crate::balance::http::settings::{ROUTE_FIELDS, SERVICE_FIELDS};
    use crate::balance::http::{Services, ServicesSettings};
    use crate::balance::resolve::SystemResolver;
    use crate::balance::selection::Algorithm;

    fn schema(name: &str) -> Value {
        let described = serde_json::to_value(description(false)).unwrap();
        described["components"]["schemas"][name].clone()
    }

    /// What the configuration's reader knows and what the description does.
    #[test_case("Services", &LISTED; "all services")]
    #[test_case("Service", &SERVICE_FIELDS; "a service")]
    #[test_case("Route", &ROUTE_FIELDS; "a route")]
    #[test_case("Backend", &BACKEND_FIELDS; "a backend")]
    #[test_case("Checks", &CHECKS_FIELDS; "checks")]
    fn fields_are_the_readers(name: &str, known: &[&str]) {
        let schema = schema(name);
        let fields: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(fields, known);
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn algorithms_are_those_that_there_are() {
        let words = Algorithm::ALL.map(Algorithm::as_str);
        assert_eq!(schema("Algorithm")["enum"], serde_json::json!(words));
    }

    fn keys(value: &Value) -> Vec<&String> {
        value.as_object().unwrap().keys().collect()
    }

    /// What is answered is what is described.
    #[tokio::test]
    async fn a_status_has_the_fields_that_are_described() {
        let text = r#"{ "services": [{ "name": "a", "routes": [{ "path": "/**" }], "health": "off",
            "backends": [{ "address": "127.0.0.1:1" }] }] }"#;
        let settings = ServicesSettings::parse("s.json", text).unwrap();
        let services = Services::new(settings, Arc::new(SystemResolver), 1).unwrap();
        services.look_up().await;
        let status = services.status("a").unwrap();
        let backend = &status["backends"][0];
        for (name, value) in [("Status", &status), ("BackendStatus", backend)] {
            assert_eq!(keys(value), keys(&schema(name)["properties"]), "{name}");
        }
    }
}
