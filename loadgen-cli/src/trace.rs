//! `--trace N`: some exchanges in full, failures first.
//!
//! Owns what is kept of them and how it is shown. Keeps N failures and N others at the most, so that a
//! run of any length takes no more memory.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen_core::driver::{Content, Exchange, Interceptor, Message};
use loadgen_core::scenario::{ScenarioPlan, to_json};
use loadgen_core::secrets::Secrets;
use loadgen_core::units::human;
use loadgen_core::workload::Split;
use serde_json::{Map, Value, json};

use crate::flow;

/// Lines of a message.
const MOST_LINES: usize = 60;
/// Messages of one exchange that are shown.
const MOST_MESSAGES: usize = 20;
/// Characters of a text.
const MOST_CHARS: usize = 400;
/// Bytes of a binary message.
const MOST_BYTES: usize = 32;
/// Where the further lines of a part begin.
const INDENT: usize = 5;
/// What stands in place of a secret.
const MASK: &str = "***";

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
    parts: Vec<Part>,
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

    /// The same of a value in a message, all of which is what others say.
    fn masked_value(&self, text: &str) -> String {
        let all = self.secrets();
        all.iter()
            .fold(text.to_owned(), |text, secrets| secrets.masked_value(&text))
    }

    /// A message, its values masked before they are broken into lines. A number may be a secret, and what is
    /// `true` a password.
    fn masked_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked_value(&text)),
            Value::Array(items) => items.into_iter().map(|it| self.masked_in(it)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                fields
                    .map(|(name, it)| (self.masked(&name), self.masked_in(it)))
                    .collect()
            }
            Value::Number(_) | Value::Bool(_) => {
                let text = value.to_string();
                match self.masked_value(&text) == text {
                    true => value,
                    false => Value::String(MASK.to_owned()),
                }
            }
            Value::Null => value,
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
            return "trace: nothing was sent whose end was seen\n".to_owned();
        }
        let of = all.len();
        let each = all.into_iter().enumerate();
        let each = each.map(|(number, it)| it.text(number + 1, of, columns));
        self.masked(&each.collect::<Vec<_>>().join("\n"))
    }
}

impl Interceptor for Trace {
    fn exchange(&self, exchange: &Exchange<'_>) {
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
    fn traced(&self, exchange: &Exchange<'_>) -> Traced {
        let request = exchange.request();
        let mut parts = Parts::default();
        let sent = request.fields().map(|(name, value)| {
            let is_secret = self.kept_elsewhere.contains(name);
            (name, if is_secret { MASK.to_owned() } else { value })
        });
        parts.fields("->", request.fields_are(), sent);
        let (mut sent, mut received) = (0, 0);
        let before_answer = exchange.messages_before_answer();
        let mut messages = exchange.messages().take(MOST_MESSAGES);
        let mut said = |message: &Message, parts: &mut Parts| {
            match message.is_sent() {
                true => sent += 1,
                false => received += 1,
            }
            self.message(message, parts);
        };
        for message in messages.by_ref().take(before_answer) {
            said(message, &mut parts);
        }
        if let Some(status) = exchange.status() {
            parts.say("<-", "status", status.to_owned());
        }
        parts.fields("<-", request.fields_are(), exchange.fields());
        for message in messages {
            said(message, &mut parts);
        }
        left_out("->", exchange.sent() - sent, &mut parts);
        left_out("<-", exchange.received() - received, &mut parts);
        parts.fields("<-", "trailers", exchange.trailers());
        Traced {
            title: self.masked(&format!(
                "{} at {}, user {}, iteration {}: {}",
                without_secrets(request.what()),
                request.target(),
                request.user().0,
                request.iteration(),
                exchange.outcome(),
            )),
            parts: parts.0.into_iter().map(|it| self.hidden_in(it)).collect(),
            detail: exchange.detail().map(|it| self.masked(it)),
            times: exchange.times(),
        }
    }

    fn message(&self, message: &Message, parts: &mut Parts) {
        let arrow = if message.is_sent() { "->" } else { "<-" };
        let name = match message.is_sent() || message.is_reply() {
            true => message.kind().to_owned(),
            false => format!("{} (not waited for)", message.kind()),
        };
        match message.content() {
            Content::Json(value) => parts.json(arrow, &name, value),
            // What is no object or list is a text all the same.
            Content::Text(text) => match serde_json::from_str(&text) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => parts.json(arrow, &name, value),
                _ => parts.json(arrow, &name, json!(text)),
            },
            Content::Binary(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let has_secret = self.masked_value(&text) != text;
                parts.say(arrow, &name, binary(&bytes, has_secret));
            }
            other => parts.say(arrow, &name, format!("{other:?}")),
        }
    }

    /// A part with what is known of secrets masked, before it is cut and broken into lines.
    fn hidden_in(&self, part: Part) -> Part {
        Part {
            shown: match part.shown {
                Shown::Json(value) => Shown::Json(shortened(self.masked_in(value))),
                Shown::Text(text) => Shown::Text(self.masked(&text)),
            },
            ..part
        }
    }
}

/// What went there and came back, in order.
#[derive(Debug, Default)]
struct Parts(Vec<Part>);

#[derive(Debug)]
struct Part {
    arrow: &'static str,
    name: String,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Json(Value),
    /// Words of our own.
    Text(String),
}

impl Parts {
    fn say(&mut self, arrow: &'static str, name: &str, text: String) {
        self.0.push(Part {
            arrow,
            name: name.to_owned(),
            shown: Shown::Text(text),
        });
    }

    /// A message, without what its names give away as secrets.
    fn json(&mut self, arrow: &'static str, name: &str, mut value: Value) {
        mask_named("message", &mut value);
        self.0.push(Part {
            arrow,
            name: name.to_owned(),
            shown: Shown::Json(value),
        });
    }

    /// Metadata or header fields; nothing where there are none.
    fn fields<'a>(
        &mut self,
        arrow: &'static str,
        name: &str,
        pairs: impl Iterator<Item = (&'a str, String)>,
    ) {
        let mut fields = Map::new();
        for (key, value) in pairs {
            let value = json!(without_secrets(&value));
            match fields.get_mut(key) {
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = json!([first.take(), value]),
                None => {
                    fields.insert(key.to_owned(), value);
                }
            }
        }
        if !fields.is_empty() {
            let mut fields = Value::from(fields);
            mask_named("headers", &mut fields);
            self.0.push(Part {
                arrow,
                name: name.to_owned(),
                shown: Shown::Json(fields),
            });
        }
    }
}

fn left_out(arrow: &'static str, count: u64, parts: &mut Parts) {
    if count > 0 {
        parts.say(arrow, "left out", format!("{count} more messages"));
    }
}

/// Masks what names of secrets give away below what the user has named.
fn mask_named(place: &str, value: &mut Value) {
    let mut all = json!({ place: value.take() });
    Secrets::mask_in(&mut all);
    *value = all[place].take();
}

/// A path, or another text that may have a query, without what the names in that give away.
fn without_secrets(text: &str) -> String {
    let mut all = json!({ "path": text });
    Secrets::mask_in(&mut all);
    all["path"].as_str().unwrap_or_default().to_owned()
}

/// The length of bytes, and the first of them.
fn binary(bytes: &[u8], has_secret: bool) -> String {
    let count = bytes.len();
    if has_secret {
        return format!("{count} bytes with a secret among them");
    }
    let hex: String = bytes
        .iter()
        .take(MOST_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let dots = if count > MOST_BYTES { "…" } else { "" };
    format!("{count} bytes {hex}{dots}")
}

/// A value whose long texts end with how long they are.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MOST_CHARS) {
            Some((end, _)) => {
                let all = text.chars().count();
                Value::String(format!("{}… ({all} characters)", &text[..end]))
            }
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(shortened).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, it)| (name, shortened(it))).collect()
        }
        other => other,
    }
}

/// Metadata in which a value is an object: it says where the value stands.
fn find_elsewhere(plan: &Value, names: &mut BTreeSet<String>) {
    match plan {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Object(pairs) if name == "metadata" || name == "headers" => {
                        let elsewhere = pairs.iter().filter(|(_, value)| value.is_object());
                        names.extend(elsewhere.map(|(name, _)| name.to_ascii_lowercase()));
                    }
                    other => find_elsewhere(other, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| find_elsewhere(it, names)),
        _ => {}
    }
}

impl Traced {
    fn text(&self, number: usize, of: usize, columns: usize) -> String {
        let label = format!("trace {number} of {of}: ");
        let mut lines = flow::hanging(&label, 6, &self.title, columns);
        for Part { arrow, name, shown } in &self.parts {
            let begin = format!("  {arrow} {name} ");
            lines.extend(match shown {
                Shown::Json(value) => json_lines(&begin, value, columns),
                Shown::Text(text) => flow::hanging(&begin, INDENT, text, columns),
            });
        }
        if let Some(detail) = &self.detail {
            lines.extend(flow::hanging("  ", 4, detail, columns));
        }
        lines.extend(flow::hanging("  ", 4, &times(&self.times), columns));
        lines.join("\n") + "\n"
    }
}

/// A value in one line where it fits, and else as JSON is read best.
fn json_lines(begin: &str, value: &Value, columns: usize) -> Vec<String> {
    let line = format!("{begin}{value}");
    if flow::columns(&line) <= columns {
        return vec![line];
    }
    let text = match value {
        Value::Object(_) | Value::Array(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        other => return flow::hanging(begin, INDENT, &other.to_string(), columns),
    };
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let own = line.len() - line.trim_start().len();
        let label = match number {
            0 => begin.to_owned(),
            _ => " ".repeat(INDENT + own),
        };
        // A text that does not fit goes on below its name.
        all.extend(flow::hanging(
            &label,
            INDENT + own + 2,
            line.trim_start(),
            columns,
        ));
    }
    let left = all.len().saturating_sub(MOST_LINES);
    if left > 0 {
        all.truncate(MOST_LINES);
        all.push(format!("{}… {left} more lines", " ".repeat(INDENT)));
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
        let mut parts = Parts::default();
        let pairs = [("authorization", "Bearer abcdefgh"), ("x-tenant", "blue")];
        let pairs = pairs.map(|(name, value)| (name, value.to_owned()));
        parts.fields("->", "metadata", pairs.into_iter());
        let order = json!({"item": "tea", "password": "abcdefgh", "notes": "no sugar"});
        parts.json("->", "message", order);
        parts.fields(
            "<-",
            "trailers",
            [("retry-after", "1".to_owned())].into_iter(),
        );
        Traced {
            title: "shop.v1.Shop/PlaceOrder at http://127.0.0.1:50051, user 3, iteration 17: grpc.UNAVAILABLE".to_owned(),
            parts: parts.0,
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

    /// How a part of this value reads at 60 columns.
    fn lines(shown: Shown) -> String {
        let traced = Traced {
            title: "x".to_owned(),
            parts: vec![Part {
                arrow: "<-",
                name: "message".to_owned(),
                shown,
            }],
            detail: None,
            times: Split::default(),
        };
        let text = traced.text(1, 1, 60);
        let lines: Vec<&str> = text.lines().collect();
        lines[1..lines.len() - 1].join("\n")
    }

    #[test]
    fn a_long_text_says_how_long_it_is() {
        let text = "word ".repeat(1_000);
        let shown = lines(Shown::Json(shortened(json!({ "text": text, "n": 1 }))));
        assert!(shown.contains("(5000 characters)"), "{shown}");
        assert!(shown.contains(r#""n": 1"#), "{shown}");
        for line in shown.lines() {
            assert!(flow::columns(line) <= 60, "{line}");
        }
        let word = lines(Shown::Json(shortened(json!("x".repeat(1_000)))));
        assert!(word.ends_with("(1000 characters)\""), "{word}");
        for line in word.lines() {
            assert!(flow::columns(line) <= 60, "{line}");
        }
    }

    #[test]
    fn bytes_are_shown_with_their_length() {
        assert_eq!(binary(b"\x00\xff", false), "2 bytes 00ff");
        assert_eq!(
            binary(&[7; 40], false),
            format!("40 bytes {}…", "07".repeat(32))
        );
        assert_eq!(binary(b"abc", true), "3 bytes with a secret among them");
    }

    #[test]
    fn a_message_of_many_lines_ends_with_how_many_there_were() {
        let shown = lines(Shown::Json(json!((0..200).collect::<Vec<_>>())));
        assert!(shown.ends_with("… 142 more lines"), "{shown}");
    }

    #[test]
    fn a_query_does_not_tell_its_secrets() {
        assert_eq!(
            without_secrets("/ws?token=abcdefgh&room=7"),
            "/ws?token=***&room=7"
        );
        assert_eq!(without_secrets("shop.v1.Shop/Find"), "shop.v1.Shop/Find");
    }
}
