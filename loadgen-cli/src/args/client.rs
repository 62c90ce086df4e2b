//! Flags of `loadgen client`.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use loadgen_backends::balance::host_and_port;
use loadgen_core::units::parse_duration;

use super::values::{HOUR, between, whole};

/// The most rounds that are counted off.
const MOST_ROUNDS: u64 = 1_000_000_000;

/// Flags of `loadgen client`.
#[derive(Debug, clap::Args)]
#[command(after_help = "  loadgen client --targets localhost\n  \
    loadgen client --targets grpcsvr-1,grpcsvr-2,grpcsvr-3 --port 50051 --repeat 10\n  \
    loadgen client --targets lb.example.com --type bidirectional --repeat 0 --delay 2\n\n\
    Exit codes:  0 every visit was answered, 99 not every one, 101 none")]
pub(crate) struct ClientArgs {
    /// Whom to visit, one after the other: names or addresses with commas between, a port of its own behind each that has one
    #[arg(long, value_name = "HOST[:PORT],...", value_parser = targets)]
    pub(crate) targets: Targets,
    /// `unary` says hello; `bidirectional` sends five messages on a stream, and shows what comes back
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = VisitKind::Unary)]
    pub(crate) kind: VisitKind,
    /// The port of targets without one
    #[arg(long, value_name = "N", default_value_t = 50051, value_parser = port, allow_negative_numbers = true)]
    pub(crate) port: u16,
    /// Over TLS
    #[arg(long)]
    pub(crate) secure: bool,
    /// PEM file of the authorities to trust instead of the system's
    #[arg(long, value_name = "FILE", requires = "secure")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Name that the server's certificate must carry instead of the target's host
    #[arg(long, value_name = "NAME", requires = "secure")]
    pub(crate) tls_server_name: Option<String>,
    /// Accept any certificate
    #[arg(long, requires = "secure")]
    pub(crate) insecure_skip_verify: bool,
    /// How often all of them are visited; 0 for ever, until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| whole(text, 0, MOST_ROUNDS), allow_negative_numbers = true)]
    pub(crate) repeat: u64,
    /// How long to wait from one visit to the next
    #[arg(long, value_name = "MODE", value_enum, default_value_t = DelayMode::Fixed)]
    pub(crate) delay_mode: DelayMode,
    /// In mode fixed, this time: seconds, like `1.5`, or like `200ms` [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    pub(crate) delay: Option<Duration>,
    /// In mode random, at least this time [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    pub(crate) random_min: Option<Duration>,
    /// In mode random, at most this time [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    pub(crate) random_max: Option<Duration>,
    /// Longest time a visit may take, connecting apart
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = between(Duration::from_millis(1), HOUR), allow_hyphen_values = true)]
    pub(crate) timeout: Duration,
}

/// Whom to visit, as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Targets(pub(crate) Vec<String>);

/// What is done on a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VisitKind {
    /// One request and its answer.
    Unary,
    /// Five messages on a stream.
    Bidirectional,
}

/// How long to wait between visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DelayMode {
    /// Always the same time.
    Fixed,
    /// Anything between two times, evenly.
    Random,
}

impl Targets {
    /// Each with its port.
    pub(crate) fn with_port(&self, port: u16) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(move |given| {
            if given.parse::<Ipv6Addr>().is_ok() {
                format!("[{given}]:{port}")
            } else if host_and_port(given).is_some() {
                given.clone()
            } else {
                format!("{given}:{port}")
            }
        })
    }
}

fn targets(text: &str) -> Result<Targets, String> {
    let each = text.split(',').map(|it| it.trim().to_owned());
    let all: Vec<String> = each.collect();
    for given in &all {
        let is_whole = given.parse::<Ipv6Addr>().is_ok()
            || host_and_port(given).is_some()
            || host_and_port(&format!("{given}:1")).is_some();
        let scheme = given.contains("://");
        if !is_whole || scheme || given.contains(char::is_whitespace) {
            let help = match scheme {
                true => "; whether it is over TLS says `--secure`",
                false => "",
            };
            return Err(format!(
                "found `{given}`, expected a name or an address, or HOST:PORT, like `grpcsvr-1,10.0.0.5:50052`{help}"
            ));
        }
    }
    Ok(Targets(all))
}

fn port(text: &str) -> Result<u16, String> {
    let port = whole(text, 1, u16::MAX.into())?;
    u16::try_from(port).map_err(|error| error.to_string())
}

/// Seconds as a number, or a duration with a unit; at most an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok();
    let time = match number {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => parse_duration(text).ok(),
    };
    time.filter(|it| *it <= HOUR).ok_or_else(|| {
        "expected seconds from 0 to 3600, like `1.5`, or a time like `200ms`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("a" => vec!["a:7"])]
    #[test_case("a, b:9,10.0.0.1" => vec!["a:7", "b:9", "10.0.0.1:7"])]
    #[test_case("::1,[::1],[::1]:9" => vec!["[::1]:7", "[::1]:7", "[::1]:9"])]
    fn ports(text: &str) -> Vec<String> {
        targets(text).unwrap().with_port(7).collect()
    }

    #[test_case("", ""; "nobody")]
    #[test_case("a,,b", ""; "a gap")]
    #[test_case("a:0", "a:0"; "no port")]
    #[test_case("a b", "a b"; "a blank")]
    fn no_targets(text: &str, found: &str) {
        let told = targets(text).unwrap_err();
        assert!(
            told.starts_with(&format!("found `{found}`, expected ")),
            "{told}"
        );
    }

    #[test]
    fn a_scheme_is_no_part_of_a_target() {
        let told = targets("https://a").unwrap_err();
        assert!(
            told.ends_with("whether it is over TLS says `--secure`"),
            "{told}"
        );
    }

    #[test_case("1" => Ok(Duration::from_secs(1)))]
    #[test_case("0.25" => Ok(Duration::from_millis(250)))]
    #[test_case("200ms" => Ok(Duration::from_millis(200)))]
    #[test_case("0" => Ok(Duration::ZERO))]
    #[test_case("-1" => Err("expected seconds from 0 to 3600, like `1.5`, or a time like `200ms`".to_owned()))]
    #[test_case("3601" => Err("expected seconds from 0 to 3600, like `1.5`, or a time like `200ms`".to_owned()))]
    #[test_case("soon" => Err("expected seconds from 0 to 3600, like `1.5`, or a time like `200ms`".to_owned()))]
    fn times(text: &str) -> Result<Duration, String> {
        seconds(text)
    }
}
