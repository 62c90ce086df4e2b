//! What goes wrong on purpose between a client and a server, as JSON: one strict form for flags, the HTTP API and
//! whoever keeps it in a file.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::balance::config::reader::{Field, Object};
use crate::balance::config::{self, ConfigError, Problems};
use crate::serve::faults::Probability;

const HOUR: Duration = Duration::from_secs(3600);
/// The most bytes there may be of anything: 1 TiB.
const MOST_BYTES: u64 = 1 << 40;
const SIZE: &str = "a size from 1B to 1024GiB, like \"64KiB\"";
const RATE: &str = "bytes a second from 1B/s to 1024GiB/s, like \"1MiB/s\"";

/// The largest first; printing takes the first that divides.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

const FIELDS: [&str; 8] = [
    "latency",
    "jitter",
    "rate",
    "blackhole",
    "cut_after",
    "refuse",
    "reset_new",
    "reset_open",
];
/// What is done once, when it is said, to the connections that are open then.
pub(super) const RESET_OPEN: &str = "reset_open";
pub(super) const HALF_OPEN: &str = "half_open";

/// What the proxy does wrong on purpose. By default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProxyFaults {
    /// How long bytes are under way beside the time that they take anyway, at most an hour.
    pub latency: EachWay<Duration>,
    /// How far each piece may be off that, evenly to both sides; at most as far as the latency. Bytes stay in
    /// their order.
    pub jitter: EachWay<Duration>,
    /// The most bytes a second, of each connection.
    pub rate: EachWay<Option<NonZeroU64>>,
    /// Nothing is passed on, nor read; what has come stays until this ends. A connection that is new meanwhile is
    /// accepted, and the server hears of it when the way up is open again.
    pub blackhole: EachWay<bool>,
    /// A connection is reset, on both sides, when so many bytes have been passed on. What its receiver has not taken
    /// by then is lost.
    pub cut_after: EachWay<Option<NonZeroU64>>,
    /// Nobody listens: connections are refused by the system. Those that are open stay.
    pub refuse: bool,
    /// This share of the connections is reset as soon as it is accepted.
    pub reset_new: Probability,
    /// This share of the connections that are open when it is said is reset, on both sides, once.
    pub reset_open: Probability,
    /// One side of connections that are open when it is said is closed, once.
    pub half_open: Option<HalfOpen>,
}

/// The same thing for both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EachWay<T> {
    /// From the client to the server.
    pub up: T,
    /// From the server to the client.
    pub down: T,
}

/// Connections of which one side is closed, and the other is not told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfOpen {
    /// The side whose connection is closed, in good order.
    pub closed: Side,
    /// The share of the open connections.
    pub share: Probability,
}

/// Who is at an end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who has connected.
    Client,
    /// Who was connected to.
    Server,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What holds for one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OneWay {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) rate: Option<NonZeroU64>,
    pub(super) blackhole: bool,
    pub(super) cut_after: Option<NonZeroU64>,
}

impl<T: Copy> EachWay<T> {
    /// The same both ways.
    #[must_use]
    pub const fn both(value: T) -> Self {
        Self {
            up: value,
            down: value,
        }
    }

    fn of(&self, way: Way) -> T {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }
}

impl ProxyFaults {
    /// Reads the JSON form, which came from `source_name`.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(source_name, text, read)
    }

    /// The JSON form: what is there, and nothing of what is not.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let time = |it: Duration| (!it.is_zero()).then(|| json!(text_of_time(it)));
        let rate = |it: Option<NonZeroU64>| it.map(|it| json!(text_of_size(it) + "/s"));
        let size = |it: Option<NonZeroU64>| it.map(|it| json!(text_of_size(it)));
        let flag = |it: bool| it.then(|| json!(true));
        put(&mut fields, "latency", self.latency, time);
        put(&mut fields, "jitter", self.jitter, time);
        put(&mut fields, "rate", self.rate, rate);
        put(&mut fields, "blackhole", self.blackhole, flag);
        put(&mut fields, "cut_after", self.cut_after, size);
        if self.refuse {
            fields.insert("refuse".to_owned(), json!(true));
        }
        for (name, share) in [("reset_new", self.reset_new), (RESET_OPEN, self.reset_open)] {
            if share > Probability::default() {
                fields.insert(name.to_owned(), json!(share.share()));
            }
        }
        if let Some(HalfOpen { closed, share }) = self.half_open {
            let mut half_open = Map::new();
            half_open.insert("closed".to_owned(), json!(closed.as_str()));
            if share < Probability::ALWAYS {
                half_open.insert("share".to_owned(), json!(share.share()));
            }
            fields.insert(HALF_OPEN.to_owned(), half_open.into());
        }
        fields.into()
    }

    pub(super) fn one_way(&self, way: Way) -> OneWay {
        OneWay {
            latency: self.latency.of(way),
            jitter: self.jitter.of(way),
            rate: self.rate.of(way),
            blackhole: self.blackhole.of(way),
            cut_after: self.cut_after.of(way),
        }
    }
}

impl Side {
    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

fn read(top: &Field<'_>, problems: &Problems) -> Option<ProxyFaults> {
    let known: Vec<_> = FIELDS.into_iter().chain([HALF_OPEN]).collect();
    let object = top.object(&known)?;
    let time = |it: &Field<'_>| it.duration(Duration::ZERO..=HOUR);
    let latency = each_way(&object, "latency", time);
    let jitter = each_way(&object, "jitter", time);
    let rate = each_way(&object, "rate", |it| it.read(RATE, rate).map(Some));
    let blackhole = each_way(&object, "blackhole", |it| it.flag());
    let cut_after = each_way(&object, "cut_after", |it| it.read(SIZE, size).map(Some));
    let refuse = object.or("refuse", false, |it| it.flag());
    let reset_new = object.or("reset_new", Probability::default(), |it| it.share());
    let reset_open = object.or(RESET_OPEN, Probability::default(), |it| it.share());
    let half_open = object.or(HALF_OPEN, None, |it| half_open(it).map(Some));
    let faults = ProxyFaults {
        latency: latency?,
        jitter: jitter?,
        rate: rate?,
        blackhole: blackhole?,
        cut_after: cut_after?,
        refuse: refuse?,
        reset_new: reset_new?,
        reset_open: reset_open?,
        half_open: half_open?,
    };
    for (way, name) in [(Way::Up, "up"), (Way::Down, "down")] {
        let OneWay {
            latency, jitter, ..
        } = faults.one_way(way);
        if jitter > latency {
            let found = format!("{} on the way {name}", text_of_time(jitter));
            let expected = format!(
                "at most the latency of that way, which is {}",
                text_of_time(latency)
            );
            problems.add("jitter", found, expected, None);
            // The same both ways is one thing to put right.
            break;
        }
    }
    Some(faults)
}

/// A value for both ways, or an object with one for each or for one of them.
fn each_way<T: Copy + Default>(
    object: &Object<'_>,
    name: &str,
    read: impl Fn(&Field<'_>) -> Option<T>,
) -> Option<EachWay<T>> {
    object.or(name, EachWay::default(), |field| {
        if !field.is_object() {
            return read(field).map(EachWay::both);
        }
        let ways = field.object(&["up", "down"])?;
        let (up, down) = (
            ways.or("up", T::default(), &read),
            ways.or("down", T::default(), &read),
        );
        Some(EachWay {
            up: up?,
            down: down?,
        })
    })
}

fn half_open(field: &Field<'_>) -> Option<HalfOpen> {
    let object = field.object(&["closed", "share"])?;
    let sides = [Side::Client, Side::Server].map(|it| (it.as_str(), it));
    let closed = object.require("closed", "\"client\" or \"server\": whose side is closed");
    let closed = closed.and_then(|it| it.word(&sides));
    let share = object.or("share", Probability::ALWAYS, |it| it.share());
    Some(HalfOpen {
        closed: closed?,
        share: share?,
    })
}

fn put<T: Copy>(
    fields: &mut Map<String, Value>,
    name: &str,
    ways: EachWay<T>,
    shown: impl Fn(T) -> Option<Value>,
) {
    let value = match (shown(ways.up), shown(ways.down)) {
        (None, None) => return,
        (Some(up), Some(down)) if up == down => up,
        (up, down) => {
            let ways = [("up", up), ("down", down)].into_iter();
            let ways = ways.filter_map(|(way, value)| Some((way.to_owned(), value?)));
            Value::Object(ways.collect())
        }
    };
    fields.insert(name.to_owned(), value);
}

fn rate(text: &str) -> Option<NonZeroU64> {
    size(text.strip_suffix("/s")?)
}

fn size(text: &str) -> Option<NonZeroU64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = if unit == "kB" { "KB" } else { unit };
    let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    let bytes = number.parse::<f64>().ok()? * scale as f64;
    let is_whole = bytes.fract() == 0.0 && (1.0..=MOST_BYTES as f64).contains(&bytes);
    is_whole.then(|| NonZeroU64::new(bytes as u64)).flatten()
}

fn text_of_size(bytes: NonZeroU64) -> String {
    let divides = |(_, scale): &(&str, u64)| bytes.get().is_multiple_of(*scale);
    let (unit, scale) = UNITS.into_iter().find(divides).unwrap_or(("B", 1));
    format!("{}{unit}", bytes.get() / scale)
}

fn text_of_time(time: Duration) -> String {
    humantime::format_duration(time)
        .to_string()
        .replace(' ', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn parse(text: &str) -> Result<ProxyFaults, String> {
        ProxyFaults::parse("faults", text).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_can_be_said_and_is_printed_as_it_is_read() {
        let text = json!({
            "latency": "50ms",
            "jitter": { "down": "10ms" },
            "rate": { "up": "1MiB/s", "down": "1500B/s" },
            "blackhole": { "down": true },
            "cut_after": "64KiB",
            "refuse": true,
            "reset_new": 0.1,
            "reset_open": 0.5,
            "half_open": { "closed": "client", "share": 0.25 },
        });
        let faults = parse(&text.to_string()).unwrap();
        assert_eq!(faults.latency, EachWay::both(Duration::from_millis(50)));
        assert_eq!(faults.jitter.up, Duration::ZERO);
        assert_eq!(faults.rate.up, NonZeroU64::new(1 << 20));
        assert!(faults.blackhole.down && !faults.blackhole.up);
        assert_eq!(faults.half_open.unwrap().closed, Side::Client);
        assert_eq!(faults.to_json(), text);
        assert_eq!(parse("{}").unwrap(), ProxyFaults::default());
        assert_eq!(ProxyFaults::default().to_json(), json!({}));
    }

    #[test_case(r#"{"latency": "50"}"#, r#"latency: found "50", expected a duration from 0s to 1h, like "2s" or "250ms""#; "no unit")]
    #[test_case(r#"{"latency": {"up": "2h"}}"#, r#"latency.up: found "2h", expected a duration from 0s to 1h, like "2s" or "250ms""#; "too long")]
    #[test_case(r#"{"latency": {"upp": "1s"}}"#, "latency.upp: found an unknown field, expected a field that has a meaning here; did you mean `up`?"; "no way")]
    #[test_case(r#"{"jitter": {"down": "1ms"}}"#, "jitter: found 1ms on the way down, expected at most the latency of that way, which is 0s"; "jitter alone")]
    #[test_case(r#"{"rate": "1MiB"}"#, r#"rate: found "1MiB", expected bytes a second from 1B/s to 1024GiB/s, like "1MiB/s""#; "a size")]
    #[test_case(r#"{"rate": "0B/s"}"#, r#"rate: found "0B/s", expected bytes a second from 1B/s to 1024GiB/s, like "1MiB/s""#; "no rate")]
    #[test_case(r#"{"cut_after": "1.5B"}"#, r#"cut_after: found "1.5B", expected a size from 1B to 1024GiB, like "64KiB""#; "half a byte")]
    #[test_case(r#"{"cut_after": 10}"#, r#"cut_after: found 10, expected a size from 1B to 1024GiB, like "64KiB""#; "no unit of size")]
    #[test_case(r#"{"blackhole": "up"}"#, r#"blackhole: found "up", expected true or false"#; "a word")]
    #[test_case(r#"{"reset_new": 1.1}"#, r#"reset_new: found 1.1, expected a share from 0 to 1, like 0.1 or "10%""#; "above one")]
    #[test_case(r#"{"half_open": {}}"#, r#"half_open.closed: found nothing, expected "client" or "server": whose side is closed"#; "whose")]
    #[test_case(r#"{"half_open": {"closed": "clinet"}}"#, r#"half_open.closed: found "clinet", expected one of "client", "server"; did you mean "client"?"#; "misspelt")]
    #[test_case(r#"{"refuse": true, "refuse": false}"#, "refuse: found the field a second time, expected each field once"; "twice")]
    #[test_case("[]", "top level: found an array, expected an object"; "no object")]
    fn one_message_each(text: &str, problem: &str) {
        assert_eq!(
            parse(text).unwrap_err(),
            format!("faults: 1 problem\n  {problem}")
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(latency_us in 0_u64..3_600_000_000, bytes in 1_u64..1 << 40, share in 0.0..=1.0) {
            let faults = ProxyFaults {
                latency: EachWay { up: Duration::from_micros(latency_us), down: Duration::ZERO },
                rate: EachWay { up: None, down: NonZeroU64::new(bytes) },
                cut_after: EachWay::both(NonZeroU64::new(bytes)),
                reset_new: Probability::new(share).unwrap(),
                ..ProxyFaults::default()
            };
            prop_assert_eq!(parse(&faults.to_json().to_string()).unwrap(), faults);
        }
    }
}
