//! gRPC scenarios and steps: which fields go together.

use std::time::Duration;

use super::plan::{Compression, GrpcCall, GrpcPlan, GrpcStreamEnd};
use super::raw::{RawChecked, RawCompression, RawGrpc, RawStreamEnd};
use super::value::{Lasting, Message, check_metadata_name, check_reference_method};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::{Life, Room, Words};
use crate::scenario::reader::{Entries, Entry, Fields as _};
use crate::scenario::step::Step;
use crate::scenario::value::base64::from_base64;
use crate::scenario::value::{MAX_MESSAGES, RawSource, Source};
use crate::units::format_duration;

/// What has each call choose where it goes.
const CHOOSES: [&str; 3] = ["pick", "health_check", "circuit_breaker"];

impl GrpcPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        word: "grpc",
        name: "gRPC",
        fields: &[
            "connections",
            "connection_per",
            "connect_rate",
            "streams_per_connection",
            "codec",
            "keepalive",
            "wait_for_ready",
            "metadata",
            "protos",
            "retry",
            "pick",
            "health_check",
            "circuit_breaker",
        ],
        instead: &[
            ("headers", "what gRPC sends beside messages is `metadata`"),
            ("subprotocols", "gRPC has no subprotocols"),
        ],
        identify: &["header", "trailer", "field"],
        is_spoken: |step| !step.grpc.is_absent(),
    };
}

impl Room for GrpcPlan {
    type Action = GrpcCall;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let connections = layers.connections();
        let streams = layers.pick("streams_per_connection", |raw| &raw.streams_per_connection);
        let codec = layers.pick("codec", |raw| &raw.codec);
        let keepalive = layers.pick("keepalive", |raw| &raw.keepalive);
        let waits = layers.pick("wait_for_ready", |raw| &raw.wait_for_ready);
        let protos = layers.pick("protos", |raw| &raw.protos);
        let protos = protos.entry.or(Some(Vec::new()), |list| {
            list.all(|file| layers.resolve(file))
        });
        let retry = layers.retry();
        let has_own = connections
            .as_ref()
            .is_some_and(|it| it.connection_per.is_some());
        let is_divided = layers.is_divided();
        let pick = layers.pick_of_calls();
        let pick = pick.filter(|_| is_divided);
        let health_check = layers.checks_of_health();
        let circuit_breaker = layers.circuit_breaker();
        let metadata = layers.pick("metadata", |raw| &raw.metadata);
        let metadata = metadata.entry.or(Some(Vec::new()), |entries| {
            layers.metadata(entries, &metadata.path)
        });
        Some(Self {
            streams_per_connection: streams.entry.or(None, |count| Some(count.small()))?,
            codec: codec.entry.or(None, |codec| Some(codec.plan()))?,
            keepalive: keepalive.entry.or(None, |span| Some(span.0))?,
            wait_for_ready: waits.entry.or(false, |waits| *waits)?,
            metadata: metadata??,
            protos: protos??,
            retry: retry?.map(Box::new),
            // Those of another layer are for whatever scenario they fit.
            pick: pick?.filter(|_| !has_own),
            health_check: health_check?.filter(|_| !has_own).map(Box::new),
            circuit_breaker: circuit_breaker?.filter(|_| !has_own),
            ..connections?
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<GrpcCall> {
        layers.call(step.grpc.given()?, &format!("{path}.grpc"))
    }

    fn short_name(call: &GrpcCall) -> (String, &'static str) {
        let of = match call.is_health_check {
            true => "`health`",
            false => "its method",
        };
        (call.short_name(), of)
    }

    fn agree(_: &Layers<'_>, _: &[(String, &RawStep)]) -> bool {
        true
    }

    fn share(_: &mut Life<GrpcCall>) {}

    fn fit(layers: &Layers<'_>, steps: &[(String, &Step<GrpcCall>)], timeout: Duration) -> bool {
        let mut fit = true;
        for (path, step) in steps {
            if let Some(call) = step.spoken()
                && let Some(GrpcStreamEnd::After(each)) = call.stream
                && each >= timeout
            {
                fit = false;
                let path = format!("{path}.grpc.stream.for");
                layers.refuse_too_long(path, format_duration(each), timeout);
            }
        }
        fit
    }

    fn lasts_as_load(call: &GrpcCall) -> bool {
        call.stream == Some(GrpcStreamEnd::Load)
    }

    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)> {
        let help = match scheme {
            "ws" | "wss" => "ws:// and wss:// are for `websocket` steps",
            "tcp" | "tls" => "tcp:// and tls:// are for `tcp` steps",
            _ => return None,
        };
        Some(("http://, https://, or no scheme", help))
    }

    fn with_steps(mut self, life: Life<GrpcCall>) -> Self {
        Life {
            setup: self.setup,
            begin: self.begin,
            steps: self.steps,
            end: self.end,
        } = life;
        self
    }
}

impl Layers<'_> {
    /// Whose the connections are: the first layer that says so decides. What `defaults` and profiles say is
    /// for whatever scenario it fits.
    fn connections(&self) -> Option<GrpcPlan> {
        let mut fits = true;
        let mut refuse = |field: &str, found: &str, expected: &str, help: &str| {
            fits = false;
            let path = format!("{}.{field}", self.own_path);
            self.problems
                .add(path, found, expected, Some(help.to_owned()));
        };
        let says = |field| self.layers.iter().position(|layer| layer.raw.has(field));
        let own = self.own();
        let own_says = |field| own.is_some_and(|own| own.has(field));
        if own_says("connections") && own_says("connection_per") {
            refuse(
                "connections",
                "`connections` beside `connection_per`",
                "one or the other",
                "users share `connections`; with `connection_per` each has one of its own",
            );
        }
        let is_own = match (says("connections"), says("connection_per")) {
            (Some(shared), Some(per)) => per < shared,
            (_, per) => per.is_some(),
        };
        // Where calls choose, too, connections are shared.
        let chooses = CHOOSES.into_iter().filter_map(says).min();
        let is_own = is_own && chooses.is_none_or(|first| says("connection_per") <= Some(first));
        if own_says("connect_rate") && !is_own {
            refuse(
                "connect_rate",
                "`connect_rate` where users share connections",
                "`\"connection_per\": \"user\"` beside it, or not this field",
                "connections that gRPC users share are opened before the load begins",
            );
        }
        let connections = self.pick("connections", |raw| &raw.connections).entry;
        let connections = connections.or(None, |count| Some(count.small()));
        let per = self.pick("connection_per", |raw| &raw.connection_per).entry;
        let per = per.or(None, |per| Some(per.plan()));
        let rate = self.pick("connect_rate", |raw| &raw.connect_rate).entry;
        let rate = rate.or(None, |rate| Some(*rate));
        let (connections, per, rate) = (connections?, per?, rate?);
        let plan = match is_own {
            true => GrpcPlan {
                connection_per: per,
                connect_rate: rate,
                ..GrpcPlan::default()
            },
            false => GrpcPlan {
                connections,
                ..GrpcPlan::default()
            },
        };
        fits.then_some(plan)
    }

    /// Whether what says where calls go stands where they may go to any connection; notes where not.
    fn is_divided(&self) -> bool {
        let own = self.own();
        let own_says = |field| own.is_some_and(|own| own.has(field));
        if !own_says("connection_per") {
            return true;
        }
        let mut fits = true;
        for field in CHOOSES.into_iter().filter(|field| own_says(field)) {
            fits = false;
            self.problems.add(
                format!("{}.{field}", self.own_path),
                format!("`{field}` beside `connection_per`"),
                "one or the other",
                Some(
                    "a user's own connection goes to one target, and so do all of its calls"
                        .to_owned(),
                ),
            );
        }
        fits
    }

    fn call(&self, raw: &RawGrpc, path: &str) -> Option<GrpcCall> {
        let metadata = raw.metadata.or(Some(Vec::new()), |entries| {
            self.metadata(entries, &format!("{path}.metadata"))
        });
        let compression = raw.compression.or(None, |compression| {
            Some(match compression {
                RawCompression::Gzip => Compression::Gzip,
                RawCompression::Zstd => Compression::Zstd,
            })
        });
        if !raw.health.is_absent() {
            return self.health_check(raw, metadata??, compression?, path);
        }
        if raw.method.is_absent() {
            // A slip in the name of one has been told already.
            if !self.problems.any_below(path) {
                let expected = "a `method` to call, or `health`";
                self.problems.add(path, "nothing to call", expected, None);
            }
            return None;
        }
        let method = raw.method.given().map(|method| method.0.clone());
        if let Some(method) = &method
            && self.pick("protos", |raw| &raw.protos).entry.is_absent()
            && let Err(help) = check_reference_method(method)
        {
            self.problems.add(
                format!("{path}.method"),
                format!("`{method}`"),
                "a method of loadgen.v1.Greeter",
                help,
            );
            return None;
        }
        let stream = raw.stream.or(Some(None), |end| {
            self.stream_end(end, &format!("{path}.stream")).map(Some)
        });
        let at_least = raw.stream.or(Some(None), |end| {
            end.at_least.or(None, |it| Some(it.small()))
        });
        let stream = stream??;
        let every = raw.every.or(None, |span| Some(span.0))?;
        let repeat = match stream == Some(GrpcStreamEnd::Load) && every.is_some() {
            true => MAX_MESSAGES,
            false => 1,
        };
        Some(GrpcCall {
            stream,
            at_least: at_least??,
            method: method?,
            message: raw
                .message
                .or_else_with(|| serde_json::json!({}), |Message(message)| message.clone())?,
            repeat: raw.repeat.or(repeat, |count| count.small())?,
            every,
            in_flight: raw.in_flight.or(1, |count| count.small())?,
            match_id: raw.match_id.or(None, |field| Some(field.0.clone()))?,
            checks_each: raw.checked.or(false, |it| *it == RawChecked::Each)?,
            metadata: metadata??,
            compression: compression?,
            is_health_check: false,
        })
    }

    fn health_check(
        &self,
        raw: &RawGrpc,
        metadata: Vec<(String, Source)>,
        compression: Option<Compression>,
        path: &str,
    ) -> Option<GrpcCall> {
        let besides = [
            ("method", !raw.method.is_absent()),
            ("message", !raw.message.is_absent()),
            ("repeat", !raw.repeat.is_absent()),
            ("every", !raw.every.is_absent()),
            ("in_flight", !raw.in_flight.is_absent()),
            ("match_id", !raw.match_id.is_absent()),
            ("stream", !raw.stream.is_absent()),
            ("checked", !raw.checked.is_absent()),
        ];
        let mut fits = true;
        for (field, _) in besides.into_iter().filter(|(_, is_given)| *is_given) {
            fits = false;
            self.problems.add(
                format!("{path}.{field}"),
                format!("`{field}` beside `health`"),
                "`health` with `metadata` and `compression` at most",
                Some(
                    "it asks `grpc.health.v1.Health/Check` once and has a message of its own"
                        .to_owned(),
                ),
            );
        }
        let service = raw.health.given().filter(|_| fits)?;
        Some(GrpcCall {
            metadata,
            compression,
            ..GrpcCall::health(&service.0)
        })
    }

    fn stream_end(&self, raw: &RawStreamEnd, path: &str) -> Option<GrpcStreamEnd> {
        if !raw.at_least.is_absent() && raw.duration.is_absent() && !raw.messages.is_absent() {
            self.problems.add(
                format!("{path}.at_least"),
                "`at_least` beside `messages`",
                "`at_least` beside `for` only",
                Some("a stream that ends after so many `messages` has had them".to_owned()),
            );
            return None;
        }
        match (&raw.messages, &raw.duration) {
            (Entry::Given(count), Entry::Absent) => Some(GrpcStreamEnd::Messages(count.small())),
            (Entry::Absent, Entry::Given(lasting)) => Some(match *lasting {
                Lasting::Time(duration) => GrpcStreamEnd::After(duration),
                Lasting::Load => GrpcStreamEnd::Load,
            }),
            (messages, _) => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let found = match messages.is_absent() {
                        true => "neither",
                        false => "both",
                    };
                    let expected = "when we end the stream: `messages` or `for`";
                    self.problems.add(path, found, expected, None);
                }
                None
            }
        }
    }

    fn metadata(&self, entries: &Entries<RawSource>, path: &str) -> Option<Vec<(String, Source)>> {
        let checked: Vec<Option<_>> = entries
            .0
            .iter()
            .map(|(name, value)| {
                let shown: String = name.chars().take(60).collect();
                let named = check_metadata_name(name).map_err(|help| {
                    self.problems.add(
                        path,
                        format!("the name {shown:?}"),
                        "the name of a piece of metadata",
                        Some(help),
                    );
                });
                let value = self.source(value)?;
                if let Some(value) = value.literal()
                    && name.ends_with("-bin")
                    && from_base64(value).is_none()
                {
                    self.problems.add(
                        format!("{path}.{shown}"),
                        format!("{value:?}"),
                        "base64, since the name ends in `-bin`",
                        None,
                    );
                    return None;
                }
                named.ok()?;
                Some((name.clone(), value))
            })
            .collect();
        checked.into_iter().collect()
    }
}
