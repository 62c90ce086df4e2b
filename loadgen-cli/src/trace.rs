//! `--trace N`: some exchanges in full, failures first.
//!
//! Owns what is kept of them and how it is shown. Keeps N failures and N others at the most, so that a
//! run of any length takes no more memory.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_core::driver::grpc::{GrpcExchange, Interceptor};
use loadgen_core::scenario::{ScenarioPlan, to_json};
use loadgen_core::secrets::Secrets;
use loadgen_core::units::human;
use loadgen_core::workload::Split;
use serde_json::{Map, Value, json};

use crate::flow;

/// Lines of a message.
const MOST_LINES: usize = 60;

/// The exchanges that are kept.
pub(crate) struct Trace {
    most: usize,
    /// What is not shown: of the plan, and of the run once it is put together.
    secrets: Mutex<Vec<Secrets>>,
    /// Names of metadata whose values stand in the environment or in a file.
    kept_elsewhere: BTreeSet<String>,
    kept: Mutex<Kept>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Kept {
    failed: Vec<Traced>,
    others: Vec<Traced>,
}

/// One exchange.
#[derive(Debug)]
struct Traced {
    title: String,
    /// What went there and came back, each with its arrow.
    parts: Vec<(&'static str, Value)>,
    detail: Option<String>,
    times: Split,
}

impl Trace {
    /// Keeps so many exchanges of these scenarios, whose secrets it does not show.
    pub(crate) fn of(most: usize, scenarios: &[ScenarioPlan]) -> Self {
        let plan = to_json(scenarios);
        let mut kept_elsewhere = BTreeSet::new();
        find_elsewhere(&plan, &mut kept_elsewhere);
        Self {
            most,
            secrets: Mutex::new(vec![Secrets::of(&plan)]),
            kept_elsewhere,
            kept: Mutex::default(),
        }
    }

    /// What a run has learnt of secrets is not shown either.
    pub(crate) fn hide(&self, secrets: Vec<Secrets>) {
        self.secrets().extend(secrets);
    }

    fn secrets(&self) -> MutexGuard<'_, Vec<Secrets>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn masked(&self, text: &str) -> String {
        let all = self.secrets();
        all.iter()
            .fold(text.to_owned(), |text, secrets| secrets.masked(&text))
    }

    /// The same, its texts masked before they are broken into lines.
    fn masked_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked(&text)),
            Value::Array(items) => items.into_iter().map(|it| self.masked_in(it)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                fields
                    .map(|(name, it)| (self.masked(&name), self.masked_in(it)))
                    .collect()
            }
            other => other,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is shown, as lines of so many columns.
    pub(crate) fn text(&self, columns: usize) -> String {
        let kept = self.kept();
        let all: Vec<&Traced> = kept
            .failed
            .iter()
            .chain(&kept.others)
            .take(self.most)
            .collect();
        if all.is_empty() {
            return "trace: no call was answered\n".to_owned();
        }
        let of = all.len();
        let each = all.into_iter().enumerate();
        let each = each.map(|(number, it)| it.text(number + 1, of, columns));
        self.masked(&each.collect::<Vec<_>>().join("\n"))
    }
}

impl Interceptor for Trace {
    fn exchange(&self, exchange: &GrpcExchange<'_>) {
        let mut kept = self.kept();
        let list = match exchange.outcome().is_ok() {
            true => &mut kept.others,
            false => &mut kept.failed,
        };
        if list.len() < self.most {
            list.push(self.traced(exchange));
        }
    }
}

impl Trace {
    fn traced(&self, exchange: &GrpcExchange<'_>) -> Traced {
        let request = exchange.request();
        let mut parts = Vec::new();
        let sent = request.metadata().map(|(name, value)| {
            let is_secret = self.kept_elsewhere.contains(name);
            (name, if is_secret { "***".to_owned() } else { value })
        });
        metadata("->", "metadata", sent, &mut parts);
        parts.extend(request.messages().map(|it| ("->", part("message", it))));
        metadata("<-", "metadata", exchange.metadata(), &mut parts);
        let mut shown = 0;
        for reply in exchange.replies().take(MOST_REPLIES) {
            parts.push(("<-", part("message", reply)));
            shown += 1;
        }
        if exchange.count() > shown {
            let more = format!("{} more messages", exchange.count() - shown);
            parts.push(("<-", json!({ "left out": more })));
        }
        metadata("<-", "trailers", exchange.trailers(), &mut parts);
        Traced {
            title: format!(
                "{} at {}, user {}, iteration {}: {}",
                request.method(),
                request.target(),
                request.user().0,
                request.iteration(),
                exchange.outcome(),
            ),
            parts: parts
                .into_iter()
                .map(|(arrow, part)| (arrow, self.masked_in(part)))
                .collect(),
            detail: exchange.detail().map(|it| self.masked(it)),
            times: exchange.times(),
        }
    }
}

/// Metadata in which a value is an object: it says where the value stands.
fn find_elsewhere(plan: &Value, names: &mut BTreeSet<String>) {
    match plan {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Object(pairs) if name == "metadata" => {
                        let elsewhere = pairs.iter().filter(|(_, value)| value.is_object());
                        names.extend(elsewhere.map(|(name, _)| name.clone()));
                    }
                    other => find_elsewhere(other, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| find_elsewhere(it, names)),
        _ => {}
    }
}

/// Messages of one answer that are shown.
const MOST_REPLIES: usize = 10;

/// A part with its secrets masked: those that its names give away.
fn part(name: &str, value: Value) -> Value {
    let mut part = Value::Object(Map::from_iter([(name.to_owned(), value)]));
    Secrets::mask_in(&mut part);
    part
}

fn metadata<'a>(
    arrow: &'static str,
    name: &'static str,
    pairs: impl Iterator<Item = (&'a str, String)>,
    parts: &mut Vec<(&'static str, Value)>,
) {
    let mut fields = Map::new();
    for (key, value) in pairs {
        match fields.get_mut(key) {
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(first) => *first = json!([first.take(), value]),
            None => {
                fields.insert(key.to_owned(), json!(value));
            }
        }
    }
    if !fields.is_empty() {
        // Names of secrets are looked for in what is called so.
        let masked = part("metadata", fields.into());
        parts.push((arrow, json!({ name: masked["metadata"] })));
    }
}

impl Traced {
    fn text(&self, number: usize, of: usize, columns: usize) -> String {
        let label = format!("trace {number} of {of}: ");
        let mut lines = flow::hanging(&label, 6, &self.title, columns);
        for (arrow, part) in &self.parts {
            for (name, value) in part.as_object().into_iter().flatten() {
                lines.extend(shown(arrow, name, value, columns));
            }
        }
        if let Some(detail) = &self.detail {
            lines.extend(flow::hanging("  ", 4, detail, columns));
        }
        lines.extend(flow::hanging("  ", 4, &times(&self.times), columns));
        lines.join("\n") + "\n"
    }
}

/// A value in one line where it fits, and else as JSON is read best.
fn shown(arrow: &str, name: &str, value: &Value, columns: usize) -> Vec<String> {
    let begin = format!("  {arrow} {name} ");
    let line = format!("{begin}{value}");
    if flow::columns(&line) <= columns {
        return vec![line];
    }
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut lines = text.lines();
    let mut all = vec![format!("{begin}{}", lines.next().unwrap_or_default())];
    let indent = " ".repeat(5);
    let further = lines.map(|line| {
        let line = format!("{indent}{line}");
        flow::cut(&line, columns.max(20))
    });
    all.extend(further.take(MOST_LINES));
    let left = text.lines().count().saturating_sub(all.len());
    if left > 0 {
        all.push(format!("{indent}… {left} more lines"));
    }
    all
}

/// The parts of a time, those that are not there left out.
fn times(split: &Split) -> String {
    let micros = |nanos: u64| human::micros(nanos as f64 / 1e3);
    let parts = [
        ("queue wait", split.queue_wait),
        ("start lag", split.start_lag),
        ("send lag", split.send_lag),
        ("service time", split.service_time),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, nanos)| *nanos > 0)
        .map(|(name, nanos)| format!("{name} {}", micros(nanos)))
        .collect();
    let read_lag = split
        .read_lag
        .map(|it| format!("; read lag {}", micros(it)));
    format!(
        "{} = {}{}",
        micros(split.response_time()),
        parts.join(" + "),
        read_lag.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced() -> Traced {
        let mut times = Split::default();
        times.send_lag = 20_000;
        times.service_time = 1_200_000;
        times.read_lag = Some(5_000);
        Traced {
            title: "shop.v1.Shop/PlaceOrder at http://127.0.0.1:50051, user 3, iteration 17: grpc.UNAVAILABLE".to_owned(),
            parts: vec![
                ("->", part("metadata", json!({"authorization": "Bearer abcdefgh", "x-tenant": "blue"}))),
                ("->", part("message", json!({"item": "tea", "password": "abcdefgh", "notes": "no sugar"}))),
                ("<-", json!({"trailers": {"retry-after": "1"}})),
            ],
            detail: Some("the server answered UNAVAILABLE: sold out".to_owned()),
            times,
        }
    }

    #[test]
    fn an_exchange_reads_well() {
        insta::assert_snapshot!(traced().text(1, 3, 100), @r#"
    trace 1 of 3: shop.v1.Shop/PlaceOrder at http://127.0.0.1:50051, user 3, iteration 17:
          grpc.UNAVAILABLE
      -> metadata {"authorization":"***","x-tenant":"blue"}
      -> message {"item":"tea","password":"***","notes":"no sugar"}
      <- trailers {"retry-after":"1"}
      the server answered UNAVAILABLE: sold out
      1.22 ms = send lag 20 µs + service time 1.2 ms; read lag 5 µs
    "#);
    }

    #[test]
    fn an_exchange_reads_well_where_there_is_little_room() {
        let text = traced().text(1, 3, 60);
        for line in text.lines() {
            assert!(flow::columns(line) <= 60, "{line}");
        }
        insta::assert_snapshot!(text, @r#"
    trace 1 of 3: shop.v1.Shop/PlaceOrder at
          http://127.0.0.1:50051, user 3, iteration 17:
          grpc.UNAVAILABLE
      -> metadata {"authorization":"***","x-tenant":"blue"}
      -> message {
           "item": "tea",
           "password": "***",
           "notes": "no sugar"
         }
      <- trailers {"retry-after":"1"}
      the server answered UNAVAILABLE: sold out
      1.22 ms = send lag 20 µs + service time 1.2 ms; read lag
        5 µs
    "#);
    }
}
