//! The metric set: every metric's name, kind and unit, the same for all sinks.
//!
//! Owns the definitions that `docs/src/metrics.md` lists, and nothing of how a sink writes them.

use std::fmt;

/// How a metric's values are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Since the run began; never falls.
    Counter,
    /// Of the last second.
    Gauge,
}

/// What a metric's values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Iterations,
    IterationsPerSecond,
    Requests,
    RequestsPerSecond,
    Messages,
    Checks,
    Connections,
    Streams,
    Users,
    Samples,
    Threads,
    Descriptors,
    Bytes,
    Microseconds,
    Cores,
    /// A part of a whole, 0 to 1.
    Share,
    /// A custom metric's own.
    Own,
}

impl Unit {
    /// What its values are, where a name without its unit tells too little.
    fn noun(self) -> &'static str {
        match self {
            Self::Iterations => "iterations ",
            Self::IterationsPerSecond => "iterations per second ",
            Self::Requests => "requests ",
            Self::RequestsPerSecond => "requests per second ",
            Self::Messages => "messages ",
            Self::Checks => "checks ",
            Self::Connections => "connections ",
            Self::Streams => "streams ",
            Self::Users => "users ",
            Self::Samples => "samples ",
            Self::Threads => "threads ",
            Self::Descriptors => "descriptors ",
            Self::Bytes => "bytes ",
            Self::Microseconds => "time ",
            Self::Cores => "cores ",
            Self::Share => "share ",
            Self::Own => "",
        }
    }
}

/// One metric, or several that differ in what stands for `<…>` in its name.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name below that of its scenario, its generator or its backend: parts joined by dots, of
    /// which those like `<step>` stand for a label.
    pub name: &'static str,
    /// How its values are to be read.
    pub kind: Kind,
    /// What they are counted in.
    pub unit: Unit,
    /// What is counted or shown, in a few words.
    pub help: &'static str,
}

impl Metric {
    pub(crate) const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit,
            help,
        }
    }

    pub(crate) const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, unit, help)
        }
    }

    /// A sentence about it, without an end.
    #[must_use]
    pub fn description(&self) -> String {
        format!("{}{}", self.unit.noun(), self.help)
    }

    /// The labels in its name, in their order.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.parts().filter_map(|part| match part {
            Part::Label(label, _) => Some(label),
            Part::Word(_) => None,
        })
    }

    /// What its name is made of.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.name.split('.').map(|part| {
            let label = part.strip_prefix('<').and_then(|it| it.split_once('>'));
            label.map_or(Part::Word(part), |(label, rest)| Part::Label(label, rest))
        })
    }
}

/// A part of a metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Stands for itself.
    Word(&'static str),
    /// Stands for a label's value, with what follows it in the same part.
    Label(&'static str, &'static str),
}

/// A metric's value at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A counter's, since the run began.
    Count(u64),
    /// A gauge's.
    Level(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Level(level) => level.fmt(f),
        }
    }
}

macro_rules! metrics {
    ($(#[$doc:meta])* $all:ident: $($kind:ident $constant:ident $name:literal $unit:ident $help:literal;)*) => {
        $(pub(crate) static $constant: Metric = Metric::$kind($name, Unit::$unit, $help);)*
        $(#[$doc])*
        pub static $all: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    /// What is told of each scenario.
    SCENARIO:
    counter PLANNED "planned" Iterations "arrivals that fell due, or iterations handed out";
    counter STARTED "started" Iterations "that a user began";
    counter COMPLETED "completed" Iterations "that ended ok";
    counter FAILED "failed" Iterations "that ended in a failure";
    counter INTERRUPTED "interrupted" Iterations "cut off by the end of the run";
    counter DROPPED "dropped" Iterations "that fell due and never started";
    counter UNANSWERED "unanswered" Iterations "that the service left without an answer";
    counter LATE "late" Iterations "started later than the tolerance through the generator's fault";
    counter OUTCOMES "outcomes.<outcome>" Iterations "by how they ended";
    counter BYTES_SENT "bytes.sent" Bytes "written to sockets";
    counter BYTES_RECEIVED "bytes.received" Bytes "read from sockets";
    counter MESSAGES_SENT "messages.sent" Messages "of all steps of iterations";
    counter MESSAGES_RECEIVED "messages.received" Messages "of all steps of iterations";
    counter CONNECTIONS_OPENED "connections.opened" Connections "opened, reconnects included";
    counter CONNECTIONS_FAILED "connections.failed" Connections "attempts that failed";
    counter CONNECTIONS_DROPPED "connections.dropped" Connections "ended without our asking";
    counter CONNECTIONS_RECONNECTED "connections.reconnected" Connections "opened in place of a dropped one";
    counter CONNECTIONS_REDIRECTS "connections.redirects" Requests "for a connection that were redirected and followed";
    counter STEP_REQUESTS "steps.<step>.requests" Requests "that ended";
    counter STEP_FAILED "steps.<step>.failed" Requests "that ended in a failure";
    counter STEP_OUTCOMES "steps.<step>.outcomes.<outcome>" Requests "by how they ended";
    counter STEP_MESSAGES_SENT "steps.<step>.messages_sent" Messages "sent";
    counter STEP_MESSAGES_RECEIVED "steps.<step>.messages_received" Messages "received";
    counter STEP_MESSAGES_MISSING "steps.<step>.messages_missing" Messages "left out and never came";
    counter STEP_MESSAGES_OUT_OF_ORDER "steps.<step>.messages_out_of_order" Messages "came after a later one";
    counter STEP_MESSAGES_UNEXPECTED "steps.<step>.messages_unexpected" Messages "that nothing had asked for";
    counter STEP_MESSAGES_TOO_LATE "steps.<step>.messages_too_late" Messages "came after their iteration had been given up";
    counter STEP_CHECKS_PASSED "steps.<step>.checks_passed" Checks "of replies that held";
    counter STEP_CHECKS_FAILED "steps.<step>.checks_failed" Checks "of replies that did not hold";
    counter BACKEND_REQUESTS "backends.<backend>.requests" Requests "answered by this server";
    counter BACKEND_FAILED "backends.<backend>.failed" Requests "answered by this server with a failure";
    counter CUSTOM_COUNTER "custom.<name>" Own "a custom workload's counter";
    counter CUSTOM_SAMPLES "custom.<name>_us.samples" Samples "of a custom workload's timing";
    counter RETRY_ATTEMPTS "grpc.retries.attempts" Requests "made again, each time they were";
    counter RETRY_OK "grpc.retries.ok" Requests "that ended ok after more than one attempt";
    counter RETRY_FAILED "grpc.retries.failed" Requests "that failed after more than one attempt";
    counter RETRY_THROTTLED "grpc.retries.throttled" Requests "not made again because too many failed";
    gauge USERS "users" Users "busy with an iteration";
    gauge IN_FLIGHT "in_flight" Requests "sent and not answered";
    gauge WAITING "waiting" Iterations "due, and in line for a user";
    gauge THROUGHPUT "throughput_per_s" IterationsPerSecond "completed";
    gauge RESPONSE_TIME "response_time_us.<statistic>" Microseconds "from due until the reply was received";
    gauge SERVICE_TIME "service_time_us.<statistic>" Microseconds "from when the request left until the reply was received";
    gauge START_LAG "start_lag_us.<statistic>" Microseconds "the generator's own lateness";
    gauge QUEUE_WAIT "queue_wait_us.<statistic>" Microseconds "from due until a user was free";
    gauge SEND_LAG "send_lag_us.<statistic>" Microseconds "from the start until the system took the request's last byte";
    gauge READ_LAG "read_lag_us.<statistic>" Microseconds "from the receipt of the reply's last byte until it was seen";
    gauge GENERATOR_PART "generator_us.<statistic>" Microseconds "the generator's part: start, send and read lag together";
    gauge CONNECTIONS_OPEN "connections.open" Connections "open";
    gauge CONNECT_TIME "connect_time_us.<statistic>" Microseconds "from resolving the name until ready for requests";
    gauge TLS_TIME "tls_time_us.<statistic>" Microseconds "the TLS handshake's part of the connect time";
    gauge STREAMS_IN_USE "grpc.streams_in_use" Streams "in use on the open connections";
    gauge STREAMS_ALLOWED "grpc.streams_allowed" Streams "that may be in use on the open connections";
    gauge REPLIES_OWED "websocket.replies_owed" Messages "sent and not answered";
    gauge STEP_THROUGHPUT "steps.<step>.throughput_per_s" RequestsPerSecond "that ended ok";
    gauge STEP_RESPONSE_TIME "steps.<step>.response_time_us.<statistic>" Microseconds "from due until the reply was received";
    gauge STEP_SERVICE_TIME "steps.<step>.service_time_us.<statistic>" Microseconds "from when the request left until the reply was received";
    gauge STEP_FIRST_BYTE "steps.<step>.first_byte_us.<statistic>" Microseconds "from when a request left until the first byte of its answer";
    gauge STEP_FIRST_MESSAGE "steps.<step>.first_message_us.<statistic>" Microseconds "from a stream's start until its first message";
    gauge STEP_MESSAGE_GAP "steps.<step>.message_gap_us.<statistic>" Microseconds "between one message of a stream and the next";
    gauge STEP_ROUND_TRIP "steps.<step>.round_trip_us.<statistic>" Microseconds "from when a message was due, or left, until the reply to it";
    gauge STEP_MESSAGE_LAG "steps.<step>.message_lag_us.<statistic>" Microseconds "how late messages with due times left";
    gauge STEP_STREAM_WAIT "steps.<step>.stream_wait_us.<statistic>" Microseconds "waiting for a free stream on a connection";
    gauge BACKEND_RESPONSE_TIME "backends.<backend>.response_time_us.<statistic>" Microseconds "of what this server answered";
    gauge CUSTOM_GAUGE "custom.<name>" Own "a custom workload's gauge";
    gauge CUSTOM_TIMING "custom.<name>_us.<statistic>" Microseconds "a custom workload's timing";
}

metrics! {
    /// What is told of the generator.
    GENERATOR:
    gauge WORKERS "workers" Threads "that make load";
    gauge CPU_BUSY "cpu_busy" Share "of its core that the busiest worker used";
    gauge CPU_CORES "cpu_cores" Cores "that the process used";
    gauge THROTTLED_SHARE "throttled_share" Share "of the time that a control group was stopped for its quota";
    gauge STALL "stall_us" Microseconds "the longest that a worker's heartbeat stood still";
    gauge MEMORY "memory_bytes" Bytes "resident";
    gauge OPEN_FILES "open_files" Descriptors "open";
    gauge OPEN_FILES_LIMIT "open_files_limit" Descriptors "that may be open";
}

metrics! {
    /// What a reference backend tells of itself.
    BACKEND:
    counter SERVED_REQUESTS "<protocol>.requests" Requests "that were answered";
    counter SERVED_FAILED "<protocol>.failed" Requests "that were answered with a failure";
    counter SERVED_OPENED "<protocol>.connections.opened" Connections "that were taken";
    gauge SERVED_OPEN "<protocol>.connections.open" Connections "open";
    gauge HANDLING_TIME "<protocol>.handling_time_us.<statistic>" Microseconds "from having a request until its answer is handed to the connection";
    gauge PROCESS_CPU "process.cpu_cores" Cores "that the process used";
    gauge PROCESS_MEMORY "process.memory_bytes" Bytes "resident";
    gauge PROCESS_FILES "process.open_files" Descriptors "open";
    gauge PROCESS_FILES_LIMIT "process.open_files_limit" Descriptors "that may be open";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What the tables of a section of `docs/src/metrics.md` say: kind and unit by name.
    fn documented(of: &str) -> BTreeMap<String, (Kind, String)> {
        let text = include_str!("../../../docs/src/metrics.md");
        let mut found = BTreeMap::new();
        let (mut kind, mut section) = (None, "");
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                kind = match title {
                    "Counters" => Some(Kind::Counter),
                    "Gauges" => Some(Kind::Gauge),
                    _ => None,
                };
            } else if let Some(title) = line.strip_prefix("### ") {
                section = title;
            }
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            if let (Some(kind), [_, names, unit, ..]) = (kind, &*cells)
                && section.starts_with(of)
            {
                let names = names.split(", ").filter_map(|name| {
                    let name = name.strip_prefix('`')?.strip_suffix('`')?;
                    Some((format!("{kind:?} {name}"), (kind, (*unit).to_owned())))
                });
                found.extend(names);
            }
        }
        found
    }

    fn in_words(unit: Unit) -> &'static str {
        match unit {
            Unit::Iterations => "iterations",
            Unit::IterationsPerSecond => "iterations/s",
            Unit::Requests => "requests",
            Unit::RequestsPerSecond => "requests/s",
            Unit::Messages => "messages",
            Unit::Checks => "checks",
            Unit::Connections => "connections",
            Unit::Streams => "streams",
            Unit::Users => "users",
            Unit::Samples => "samples",
            Unit::Threads => "threads",
            Unit::Descriptors => "descriptors",
            Unit::Bytes => "bytes",
            Unit::Microseconds => "microseconds",
            Unit::Cores => "cores",
            Unit::Share => "share, 0 to 1",
            Unit::Own => "its own",
        }
    }

    #[test]
    fn the_documentation_has_every_metric_and_no_other() {
        for (title, metrics) in [
            ("Of a scenario", SCENARIO),
            ("Of the generator", GENERATOR),
            ("Of a reference backend", BACKEND),
        ] {
            let defined: BTreeMap<_, _> = metrics
                .iter()
                .map(|it| {
                    let name = format!("{:?} {}", it.kind, it.name);
                    (name, (it.kind, in_words(it.unit).to_owned()))
                })
                .collect();
            assert_eq!(documented(title), defined, "{title}");
        }
    }

    #[test]
    fn names_are_taken_apart() {
        let parts: Vec<_> = CUSTOM_TIMING.parts().collect();
        let expected = [
            Part::Word("custom"),
            Part::Label("name", "_us"),
            Part::Label("statistic", ""),
        ];
        assert_eq!(parts, expected);
        assert!(CUSTOM_TIMING.labels().eq(["name", "statistic"]));
    }
}
