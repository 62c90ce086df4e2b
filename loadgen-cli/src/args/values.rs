//! Values of flags, refused in the words that scenario files are refused in.

use std::ffi::OsStr;
use std::net::Ipv6Addr;
use std::num::{NonZeroU32, NonZeroU64, TryFromIntError};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum as _;
use loadgen_backends::{Capacity, Code, Delay};
use loadgen_core::condition::Threshold;
use loadgen_core::outcome::GrpcCode;
use loadgen_core::pacer::{Pacing, PacingError};
use loadgen_core::scenario::{Assignment, AssignmentError, Codec, CodecError, Target};
use loadgen_core::schedule::ShardError;
use loadgen_core::sink::post::{Url, UrlError};
use loadgen_core::sink::statsd::{Prefix, PrefixError};
use loadgen_core::units::{self, Rate};

use super::ad_hoc::StreamEndFlag;
use super::choice::{ProtocolChoice, TargetChoice};
use super::run::ShardChoice;
use crate::output::{Kind, Spec};
use crate::protocols;

/// The most worker threads.
pub(super) const MOST_WORKERS: u64 = 1024;
/// The longest of most times that servers are told.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// The most messages of a step, as in scenario files.
pub(super) const MOST_MESSAGES: u64 = 1_000_000_000;

pub(super) fn count(most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| whole(text, 1, most)
}

/// A whole number, refused in the words that scenario files are refused in.
pub(super) fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0, u64::MAX)
}

pub(super) fn shard(text: &str) -> Result<ShardChoice, String> {
    if text == "auto" {
        return Ok(ShardChoice::Auto);
    }
    text.parse()
        .map(ShardChoice::This)
        .map_err(|error| match error {
            ShardError::Form => format!("{error}; or `auto`"),
            other => other.to_string(),
        })
}

pub(super) fn non_zero(text: &str) -> Result<NonZeroU64, String> {
    whole(text, 1, u64::MAX)?
        .try_into()
        .map_err(|error: TryFromIntError| error.to_string())
}

fn narrow_non_zero(text: &str) -> Result<NonZeroU32, String> {
    whole(text, 1, u32::MAX.into()).and_then(|number| {
        u32::try_from(number)
            .and_then(NonZeroU32::try_from)
            .map_err(|error| error.to_string())
    })
}

/// A rate is what one would write for the server's capacity.
pub(super) fn throttle(text: &str) -> Result<NonZeroU32, String> {
    narrow_non_zero(text).map_err(|error| match text.parse::<Rate>() {
        Ok(rate) => {
            format!("{error}; `--capacity {rate}` has calls wait in line in place of refusing them")
        }
        Err(_) => error,
    })
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    // What ghz and grpcurl mean by `-d`.
    if text.starts_with(['{', '[', '@']) {
        return Err("expected a duration, like `30s`; a message goes into `--data`".to_owned());
    }
    let duration = units::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err("expected a duration above zero".to_owned());
    }
    Ok(duration)
}

/// A duration in a range, the one that configurations have for the same.
pub(super) fn between(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let duration = units::parse_duration(text).map_err(|error| error.to_string())?;
        let fits = (least..=most).contains(&duration);
        fits.then_some(duration).ok_or_else(|| {
            let (least, most) = (units::format_duration(least), units::format_duration(most));
            format!("expected a duration from {least} to {most}")
        })
    }
}

/// `key: value`, as curl, grpcurl and wrk take it.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("expected KEY: VALUE, like `x-tenant: blue`".to_owned()),
    }
}

/// A field of a form.
pub(super) fn form_field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, like `user=ann`".to_owned()),
    }
}

/// A number of messages, or a time.
pub(super) fn stream_end(text: &str) -> Result<StreamEndFlag, String> {
    if let Ok(messages) = whole(text, 1, MOST_MESSAGES) {
        return Ok(StreamEndFlag::Messages(messages));
    }
    duration(text)
        .map(StreamEndFlag::After)
        .map_err(|error| format!("{error}; or a number of messages from 1 to {MOST_MESSAGES}"))
}

/// Where to send, or a protocol. What is wrong with an address is told with the scenario's.
pub(super) fn target(text: &str) -> Result<TargetChoice, String> {
    if let Ok(choice) = ProtocolChoice::from_str(text, false) {
        return Ok(TargetChoice::Protocol(choice));
    }
    if text.contains(':') {
        return Ok(TargetChoice::At(text.to_owned()));
    }
    let words = protocols::ALL.map(|it| it.protocol.as_str());
    let (last, others) = words.split_last().unwrap_or((&"all", &[]));
    Err(format!(
        "expected where to send, like `host:50051` or `https://host`, or a protocol: all, {} or {last}",
        others.join(", ")
    ))
}

/// Where StatsD is: an address without a scheme.
pub(super) fn statsd(text: &str) -> Result<Target, String> {
    let plain = (!text.contains("://")).then(|| text.parse().ok()).flatten();
    plain.ok_or_else(|| {
        "expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`".to_owned()
    })
}

pub(super) fn prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error: PrefixError| error.to_string())
}

/// Tags, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagList(pub(crate) Vec<(String, String)>);

/// Pairs with commas between them; nothing is no pair.
pub(super) fn tags(text: &str) -> Result<TagList, String> {
    if text.is_empty() {
        return Ok(TagList(Vec::new()));
    }
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE pairs with commas between them".to_owned()),
    };
    let pairs = text.split(',').map(pair).collect::<Result<_, _>>();
    pairs.map(TagList)
}

/// An address to be scraped at.
pub(super) fn scrape_address(text: &str) -> Result<String, String> {
    own_address(text, "127.0.0.1:9464")
}

/// An address to be looked at.
pub(super) fn ui_address(text: &str) -> Result<String, String> {
    own_address(text, "127.0.0.1:8089")
}

/// An address to listen on; the loopback's where only a port is given.
fn own_address(text: &str, example: &str) -> Result<String, String> {
    if text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    listen_address(text).map_err(|_| {
        format!("expected HOST:PORT or PORT, like `{example}`; port 0 takes a free one")
    })
}

pub(super) fn pacing(text: &str) -> Result<Pacing, String> {
    text.parse().map_err(|error: PacingError| error.to_string())
}

pub(super) fn codec(text: &str) -> Result<Codec, String> {
    text.parse().map_err(|error: CodecError| error.to_string())
}

pub(super) fn assignment(text: &str) -> Result<Assignment, String> {
    text.parse()
        .map_err(|error: AssignmentError| error.to_string())
}

pub(super) fn url(text: &str) -> Result<Url, String> {
    text.parse().map_err(|error: UrlError| error.to_string())
}

/// A plain number is one a second, as other generators take it on the command line.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let per_second = plain.then(|| format!("{text}/s"));
    Rate::from_str(per_second.as_deref().unwrap_or(text)).map_err(|error| error.to_string())
}

/// What a server can serve.
pub(super) fn capacity(text: &str) -> Result<Capacity, String> {
    Capacity::new(rate(text)?.per_second()).map_err(|error| error.to_string())
}

/// A delay as written: one duration, or two with `..` between.
pub(super) fn delay(text: &str) -> Result<Delay, String> {
    let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
    Delay::between(duration(shortest)?, duration(longest)?).map_err(|error| error.to_string())
}

/// A gRPC status by its name, OK left out.
pub(super) fn code(text: &str) -> Result<Code, String> {
    let number = (1_u8..=16).find(|number| {
        let name = GrpcCode::new((*number).into()).to_string();
        name.eq_ignore_ascii_case(text)
    });
    number
        .map(|number| Code::from(i32::from(number)))
        .ok_or_else(|| {
            let names: Vec<_> = (1..=16).map(|it| GrpcCode::new(it).to_string()).collect();
            format!("expected the name of a gRPC status: {}", names.join(", "))
        })
}

/// The path is whatever the system takes for one, UTF-8 or not.
pub(super) fn output_spec(given: &OsStr) -> Result<Spec, String> {
    let mut parts = given.as_bytes().splitn(2, |byte| *byte == b'=');
    let (Some(kind), Some(path)) = (parts.next(), parts.next()) else {
        return Err(format!(
            "expected KIND=PATH with KIND one of {}",
            Kind::LIST
        ));
    };
    if path.is_empty() {
        return Err("the path after `=` is empty".to_owned());
    }
    if path == b"-" {
        return Err(
            "`-` is not a file; `--json` prints the document on standard output".to_owned(),
        );
    }
    let kind = String::from_utf8_lossy(kind);
    let kind = Kind::named(&kind)
        .ok_or_else(|| format!("unknown kind `{kind}`; expected one of {}", Kind::LIST))?;
    Ok(Spec {
        kind,
        path: PathBuf::from(OsStr::from_bytes(path)),
    })
}

/// The kinds of files that a comparison can be written to.
pub(super) fn comparison_spec(given: &OsStr) -> Result<Spec, String> {
    let spec = output_spec(given)?;
    match spec.kind {
        Kind::Json | Kind::Html | Kind::Markdown => Ok(spec),
        Kind::Csv | Kind::Hlog | Kind::Junit => {
            Err("a comparison is written as one of html, json, markdown".to_owned())
        }
    }
}

/// A condition on results.
pub(super) fn condition(text: &str) -> Result<Threshold, String> {
    text.parse::<Threshold>().map_err(|error| error.to_string())
}

/// A percentage, as a share.
pub(super) fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|it| it.parse::<f64>().ok());
    let number = number.filter(|it| (0.0..=100.0).contains(it));
    number
        .map(|it| it / 100.0)
        .ok_or_else(|| "expected a percentage from 0% to 100%, like `5%`".to_owned())
}

pub(super) fn listen_address(text: &str) -> Result<String, String> {
    let expected = "expected HOST:PORT, like `127.0.0.1:50051` or `[::1]:0`";
    // For whom is not to be guessed.
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Err(format!(
            "{expected}: `127.0.0.1:{port}` is for this machine alone, `0.0.0.0:{port}` for others, too"
        ));
    }
    let (host, port) = text.rsplit_once(':').ok_or(expected)?;
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if host.is_empty() || bare_ipv6 || port.parse::<u16>().is_err() {
        return Err(expected.to_owned());
    }
    Ok(text.to_owned())
}

/// An address that others are told: a port that is not known yet cannot be among them.
pub(super) fn coordinator_address(text: &str) -> Result<String, String> {
    let address = listen_address(text).ok();
    let address = address.filter(|it| !it.ends_with(":0"));
    address.ok_or_else(|| {
        "expected HOST:PORT, like `bench-1:8090`, the same for all shards".to_owned()
    })
}

/// A name of a run: it stands in messages, and is compared.
pub(crate) fn run_id(text: &str) -> Result<String, String> {
    let is_name =
        !text.is_empty() && text.len() <= 128 && text.bytes().all(|it| it.is_ascii_graphic());
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        "expected up to 128 letters, digits and signs of ASCII, without blanks".to_owned()
    })
}

/// A host alone, without brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let bare = bare.unwrap_or(text);
    let is_name =
        !bare.is_empty() && !bare.contains([':', '/']) && !bare.contains(char::is_whitespace);
    (is_name || bare.parse::<Ipv6Addr>().is_ok())
        .then(|| bare.to_owned())
        .ok_or_else(|| {
            "expected an address or a name alone, like `0.0.0.0`; the port goes into `--port`"
                .to_owned()
        })
}

/// An identity travels in a header and stands in a line that programs split at blanks.
pub(super) fn identity(text: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
        .ok_or_else(|| "expected 1 to 128 visible ASCII characters without blanks".to_owned())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("UNAVAILABLE" => true)]
    #[test_case("internal" => true)]
    #[test_case("OK" => false)]
    #[test_case("14" => false)]
    fn codes(text: &str) -> bool {
        code(text).is_ok()
    }

    #[test]
    fn a_wrong_status_is_told_all_that_there_are() {
        let told = code("UNAVAILBLE").unwrap_err();
        let (first, last) = (
            ": CANCELLED, UNKNOWN,",
            ", UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED",
        );
        assert!(told.contains(first) && told.ends_with(last), "{told}");
    }

    #[test_case("8080"; "a port alone")]
    #[test_case(":8080"; "a port behind a colon")]
    fn a_port_without_a_host_is_told_of_both(text: &str) {
        let told = listen_address(text).unwrap_err();
        let wanted = "`127.0.0.1:8080` is for this machine alone, `0.0.0.0:8080` for others, too";
        assert!(told.ends_with(wanted), "{told}");
    }

    #[test_case("10s" => Ok(Duration::from_secs(10)))]
    #[test_case("1us" => Err("expected a duration from 1ms to 1h".to_owned()))]
    #[test_case("2h" => Err("expected a duration from 1ms to 1h".to_owned()))]
    fn durations_in_a_range(text: &str) -> Result<Duration, String> {
        between(Duration::from_millis(1), HOUR)(text)
    }

    #[test_case("0.0.0.0" => Some("0.0.0.0".to_owned()))]
    #[test_case("[::1]" => Some("::1".to_owned()))]
    #[test_case("::1" => Some("::1".to_owned()); "without brackets")]
    #[test_case("localhost:1" => None; "with a port")]
    #[test_case("" => None; "nothing")]
    fn hosts(text: &str) -> Option<String> {
        host(text).ok()
    }

    #[test_case("127.0.0.1:0" => true)]
    #[test_case("localhost:50051" => true)]
    #[test_case("[::1]:1" => true)]
    #[test_case("::1:1" => false; "bare IPv6")]
    #[test_case("50051" => false)]
    #[test_case(":50051" => false; "no host")]
    #[test_case("h:65536" => false; "port too high")]
    fn listen_addresses(text: &str) -> bool {
        listen_address(text).is_ok()
    }
}
