//! HTTP scenarios: which fields go together. Those of a step are in `request`.

use std::time::Duration;

use super::plan::{HttpPlan, HttpRequest, HttpVersion};
use super::raw::RawHttpVersion;
use super::value::check_header_name;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::{Life, Room, Words};
use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::reader::Fields as _;
use crate::scenario::step::{Step, StreamEnd};
use crate::units::format_duration;

impl HttpPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        word: "http",
        name: "HTTP",
        fields: &[
            "http_version",
            "connections",
            "streams_per_connection",
            "keepalive",
            "connection_per",
            "connect_rate",
            "headers",
            "cookies",
            "redirects",
        ],
        instead: &[
            ("metadata", "what HTTP sends beside a body is `headers`"),
            ("subprotocols", "HTTP has no subprotocols"),
            (
                "compression",
                "compressed answers are asked for by a header field, such as \"accept-encoding\": \"gzip\"",
            ),
            ("protos", "HTTP bodies need no description"),
        ],
        identify: &["header", "trailer", "field", "pattern"],
        is_spoken: |step| !step.http.is_absent(),
    };
}

impl Room for HttpPlan {
    type Action = HttpRequest;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let version = version(layers);
        let connections = layers.pick("connections", |raw| &raw.connections);
        let streams = layers.pick("streams_per_connection", |raw| &raw.streams_per_connection);
        let keepalive = layers.pick("keepalive", |raw| &raw.keepalive);
        let connection_per = layers.pick("connection_per", |raw| &raw.connection_per);
        let connection_per = connection_per
            .entry
            .or(ConnectionPer::User, RawConnectionPer::plan);
        let connect_rate = layers.pick("connect_rate", |raw| &raw.connect_rate);
        let headers = layers.pick("headers", |raw| &raw.headers);
        let headers = headers.entry.or(Some(Vec::new()), |entries| {
            layers.headers(entries, &headers.path, check_header_name)
        });
        let cookies = layers.pick("cookies", |raw| &raw.cookies);
        let redirects = layers.pick("redirects", |raw| &raw.redirects);
        Some(Self {
            version: version?,
            connections: connections.entry.or(None, |count| Some(count.small()))?,
            streams_per_connection: streams.entry.or(None, |count| Some(count.small()))?,
            keepalive: keepalive.entry.or(None, |span| Some(span.0))?,
            connection_per: connection_per?,
            connect_rate: connect_rate.entry.or(None, |rate| Some(*rate))?,
            headers: headers??,
            cookies: cookies.entry.or(false, |are_kept| *are_kept)?,
            redirects: redirects.entry.or(0, |most| most.small())?,
            ..Self::default()
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<HttpRequest> {
        layers.request(step.http.given()?, &format!("{path}.http"))
    }

    fn short_name(request: &HttpRequest) -> (String, &'static str) {
        (request.short_name(), "the last part of its path")
    }

    fn agree(layers: &Layers<'_>, steps: &[(String, &RawStep)]) -> bool {
        if !steps.iter().any(|(_, step)| !step.http.is_absent()) {
            return true;
        }
        version(layers).is_none_or(|version| !has_fields_of_the_other(layers, version))
    }

    fn share(_: &mut Life<HttpRequest>) {}

    /// Whether no step may take longer than an iteration, and none listens for longer than it may take.
    fn fit(layers: &Layers<'_>, steps: &[(String, &Step<HttpRequest>)], timeout: Duration) -> bool {
        let mut fit = true;
        for (path, step) in steps {
            let Some(request) = step.spoken() else {
                continue;
            };
            if let Some(own) = request.timeout
                && own >= timeout
            {
                fit = false;
                let path = format!("{path}.http.timeout");
                layers.refuse_too_long(path, format_duration(own), timeout);
                continue;
            }
            let timeout = request.timeout.unwrap_or(timeout);
            if let Some(StreamEnd::After(each)) = request.stream
                && each >= timeout
            {
                fit = false;
                let path = format!("{path}.http.stream.for");
                layers.refuse_too_long(path, format_duration(each), timeout);
            }
        }
        fit
    }

    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)> {
        matches!(scheme, "ws" | "wss").then_some((
            "http://, https://, or no scheme",
            "ws:// and wss:// are for `websocket` steps",
        ))
    }

    fn names_host(layers: &Layers<'_>) -> bool {
        version(layers) == Some(HttpVersion::Http1)
    }

    fn with_steps(mut self, life: Life<HttpRequest>) -> Self {
        Life {
            setup: self.setup,
            begin: self.begin,
            steps: self.steps,
            end: self.end,
        } = life;
        self
    }
}

/// What version is spoken; `None` where that could not be read.
fn version(layers: &Layers<'_>) -> Option<HttpVersion> {
    let version = layers.pick("http_version", |raw| &raw.http_version);
    version
        .entry
        .or(HttpVersion::Http1, |version| match version {
            RawHttpVersion::Http1 => HttpVersion::Http1,
            RawHttpVersion::Http2 => HttpVersion::Http2,
        })
}

/// Whether the scenario itself has fields of the version that it does not speak; notes each. Those of
/// `defaults` and profiles are for whatever scenario they fit.
fn has_fields_of_the_other(layers: &Layers<'_>, version: HttpVersion) -> bool {
    let Some(own) = layers.own() else {
        return false;
    };
    let (fields, found, expected, help): (&[&str], _, _, _) = match version {
        HttpVersion::Http1 => (
            &["connections", "streams_per_connection", "keepalive"],
            "a field of HTTP/2 in a scenario of HTTP/1.1",
            "`\"http_version\": \"2\"` beside it, or not this field",
            "over HTTP/1.1 each user has a connection of its own and one request on it at a time: \
             `load.closed.users`, `load.open.users.max`",
        ),
        HttpVersion::Http2 => (
            &["connection_per", "connect_rate"],
            "a field of HTTP/1.1 in a scenario of HTTP/2",
            "`\"http_version\": \"1.1\"`, or not this field",
            "over HTTP/2 users share `connections`, which are opened before the load begins",
        ),
    };
    let wrong = fields.iter().filter(|field| own.has(field));
    let wrong = wrong.inspect(|field| {
        let path = format!("{}.{field}", layers.own_path);
        let help = Some(help.to_owned());
        layers.problems.add(path, found.to_owned(), expected, help);
    });
    wrong.count() > 0
}
