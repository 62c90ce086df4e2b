//! Other generators beside loadgen: what each prints of one and the same service, and what that
//! service saw of its requests.
//!
//! loadgen speaks gRPC and the others HTTP/1.1, each to a server of its own that is made the same.

use loadgen_benches::on_path;
use serde_json::Value;

use super::BoxError;
use super::case::{Case, Fault, Load, Shape};
use super::clock::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use super::figures::{Figure, percentile};
use super::generator::Generator;
use super::judge::time;
use super::server::{Log, Server, Speech};
use super::service::Service;

const USERS: u32 = 64;
const RATE: u32 = 1_000;
const SECONDS: u32 = 5;
/// Connections of those that are to keep a rate; each has its part of it.
const CONNECTIONS: u32 = 50;

/// The percentiles of both tables.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// These, where a generator prints them.
type Printed = [Option<Nanos>; QUANTILES.len()];

/// The command line of a generator that is to ask this URL.
type Command = fn(&Generator, url: &str) -> Result<String, BoxError>;

/// A generator that is not ours.
struct Peer {
    name: &'static str,
    /// Its arguments to ask `url` as fast as it can with [`USERS`] users.
    closed: Command,
    /// Its arguments to ask at [`RATE`], where it can keep one.
    open: Option<Command>,
    /// What it printed, or wrote to a file.
    read: fn(&Generator, printed: &str) -> Printed,
}

const PEERS: [Peer; 4] = [
    Peer {
        name: "wrk",
        closed: |_, url| Ok(format!("wrk -t1 -c{USERS} -d{SECONDS}s --latency {url}")),
        open: None,
        read: |_, printed| ["50%", "95%", "99%"].map(|share| wrk(printed, share)),
    },
    Peer {
        name: "hey",
        closed: |_, url| Ok(format!("hey -z {SECONDS}s -c {USERS} {url}")),
        open: Some(|_, url| {
            let each = RATE / CONNECTIONS;
            Ok(format!(
                "hey -z {SECONDS}s -c {CONNECTIONS} -q {each} {url}"
            ))
        }),
        read: |_, printed| ["50%", "95%", "99%"].map(|share| hey(printed, share)),
    },
    Peer {
        name: "h2load",
        closed: |generator, url| {
            let log = generator.file(H2LOAD_LOG, "")?;
            let log = log.display();
            Ok(format!(
                "h2load --h1 -t1 -c{USERS} -D{SECONDS} --log-file={log} {url}"
            ))
        },
        open: Some(|generator, url| {
            let log = generator.file(H2LOAD_LOG, "")?;
            let (log, each) = (log.display(), RATE / CONNECTIONS);
            Ok(format!(
                "h2load --h1 -t1 -c{CONNECTIONS} -D{SECONDS} --rps={each} --log-file={log} {url}"
            ))
        }),
        read: |generator, _| h2load(&generator.read(H2LOAD_LOG).unwrap_or_default()),
    },
    Peer {
        name: "k6",
        closed: |generator, url| {
            k6(
                generator,
                url,
                &format!("vus: {USERS}, duration: '{SECONDS}s'"),
            )
        },
        open: Some(|generator, url| {
            let rate = format!(
                "scenarios: {{ rate: {{ executor: 'constant-arrival-rate', rate: {RATE}, \
                 duration: '{SECONDS}s', preAllocatedVUs: {CONNECTIONS}, \
                 maxVUs: {CONNECTIONS} }} }}"
            );
            k6(generator, url, &rate)
        }),
        read: |generator, _| {
            let summary = generator.read(K6_SUMMARY).unwrap_or_default();
            let summary: Value = serde_json::from_str(&summary).unwrap_or_default();
            let times = &summary["metrics"]["http_req_duration"];
            ["p(50)", "p(95)", "p(99)"].map(|name| Some(nanos(times[name].as_f64()?, MILLISECOND)))
        },
    },
];

const H2LOAD_LOG: &str = "h2load.tsv";
const K6_SUMMARY: &str = "k6.json";

fn k6(generator: &Generator, url: &str, options: &str) -> Result<String, BoxError> {
    let script = format!(
        "import http from 'k6/http';\n\
         export const options = {{ {options}, summaryTrendStats: ['p(50)', 'p(95)', 'p(99)'] }};\n\
         export default () => {{ http.get('{url}'); }};\n"
    );
    let script = generator.file("get.js", &script)?;
    let summary = generator.file(K6_SUMMARY, "")?;
    let (script, summary) = (script.display(), summary.display());
    Ok(format!(
        "k6 run --quiet --summary-export={summary} {script}"
    ))
}

fn nanos(value: f64, unit: Nanos) -> Nanos {
    (value * unit as f64).round() as Nanos
}

/// wrk's `    50%  349.00us`.
fn wrk(printed: &str, share: &str) -> Option<Nanos> {
    let line = printed
        .lines()
        .find(|line| line.trim_start().starts_with(share))?;
    let value = line.split_whitespace().nth(1)?;
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "us" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        _ => return None,
    };
    Some(nanos(digits.parse().ok()?, unit))
}

/// hey's `  50% in 0.0043 secs`.
fn hey(printed: &str, share: &str) -> Option<Nanos> {
    let line = printed
        .lines()
        .find(|line| line.trim_start().starts_with(share))?;
    Some(nanos(line.split_whitespace().nth(2)?.parse().ok()?, SECOND))
}

/// h2load prints no percentiles: those of the times that it logs, in microseconds, in the third
/// column.
fn h2load(log: &str) -> Printed {
    let time = |line: &str| -> Option<Nanos> {
        Some(line.split_whitespace().nth(2)?.parse::<Nanos>().ok()? * MICROSECOND)
    };
    let times = log.lines().filter_map(time).collect();
    percentiles(times)
}

fn percentiles(mut times: Vec<Nanos>) -> Printed {
    times.sort_unstable();
    QUANTILES.map(|(_, quantile)| percentile(&times, quantile))
}

/// Prints both tables.
pub(super) fn compare() -> Result<(), BoxError> {
    let generator = Generator::new()?;
    println!("{USERS} users without rest, answered at once, for {SECONDS} s.\n");
    let users = Load::Closed {
        users: USERS,
        seconds: SECONDS,
    };
    side_by_side(&generator, users, Service::ZERO)?;
    println!(
        "\n{RATE}/s for {SECONDS} s; the server answers nothing for one of them. Others than loadgen"
    );
    println!("have {CONNECTIONS} connections.\n");
    let rate = Load::Open {
        rate: RATE,
        seconds: SECONDS,
    };
    side_by_side(&generator, rate, Service::Frozen)?;
    println!("{:<10} {}", "truth", cells(&true_responses()));
    let missing: Vec<&str> = PEERS
        .iter()
        .map(|peer| peer.name)
        .filter(|name| !on_path(name))
        .collect();
    if !missing.is_empty() {
        println!(
            "\nNot on the PATH, so not measured: {}.",
            missing.join(", ")
        );
    }
    Ok(())
}

/// The response times of requests that are due evenly at [`RATE`] to a server that freezes.
fn true_responses() -> Printed {
    let spacing = SECOND / Nanos::from(RATE);
    let due = (0..Nanos::from(RATE * SECONDS)).map(|nth| nth * spacing);
    percentiles(
        due.map(|due| Service::Frozen.thawed(due, 0) - due)
            .collect(),
    )
}

fn side_by_side(generator: &Generator, load: Load, service: Service) -> Result<(), BoxError> {
    let names = QUANTILES.map(|(name, _)| format!("{name:>8}")).join(" ");
    println!(
        "{:<10} {names}   its server saw: {names} {:>9}",
        "prints", "requests"
    );
    loadgen(generator, load, service)?;
    for peer in PEERS.iter().filter(|peer| on_path(peer.name)) {
        let command = match load {
            Load::Open { .. } => peer.open,
            _ => Some(peer.closed),
        };
        let Some(command) = command else {
            println!("{:<10} keeps no rate", peer.name);
            continue;
        };
        let server = Server::start(Speech::Http1, service)?;
        let line = command(generator, &format!("http://{}/", server.address))?;
        let line = shell_words(&line);
        let printed = generator.peer(&line);
        let log = server.finish()?;
        let printed = printed?;
        let figures = (peer.read)(generator, &printed);
        if figures.iter().all(Option::is_none) {
            return Err(format!("{} printed no percentiles: {printed}", peer.name).into());
        }
        row(peer.name, &figures, &log);
    }
    Ok(())
}

fn shell_words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn loadgen(generator: &Generator, load: Load, service: Service) -> Result<(), BoxError> {
    let case = Case {
        group: "peers",
        is_quick: false,
        shape: Shape::Unary,
        load,
        service,
        fault: Fault::Nothing,
    };
    let server = Server::start(case.shape.speech(), service)?;
    let run = generator.run(&case.suite(server.address), case.fault);
    let log = server.finish()?;
    let document = run??;
    let response = document.pointer(Figure::Response.pointer());
    let figures = QUANTILES.map(|(name, _)| Some(nanos(response?[name].as_f64()?, MICROSECOND)));
    row("loadgen", &figures, &log);
    Ok(())
}

fn row(name: &str, figures: &Printed, log: &Log) {
    let answered = log.entries.iter().filter(|entry| entry.written > 0);
    let saw: Vec<Nanos> = answered.map(|it| it.written - it.received).collect();
    let requests = saw.len();
    println!(
        "{name:<10} {}                   {} {requests:>9}",
        cells(figures),
        cells(&percentiles(saw)),
    );
}

fn cells(figures: &Printed) -> String {
    figures
        .map(|figure| format!("{:>8}", figure.map_or_else(|| "-".to_owned(), time)))
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let printed =
            "  Latency Distribution\n     50%  349.00us\n     75%    7.15ms\n     99%    1.02s\n";
        assert_eq!(wrk(printed, "50%"), Some(349_000));
        assert_eq!(wrk(printed, "99%"), Some(1_020_000_000));
        assert_eq!(wrk("unable to connect", "50%"), None);
    }

    #[test]
    fn reads_what_hey_prints() {
        let printed = "Latency distribution:\n  10% in 0.0020 secs\n  50% in 0.0043 secs\n";
        assert_eq!(hey(printed, "50%"), Some(4_300_000));
        assert_eq!(hey(printed, "99%"), None);
    }

    #[test]
    fn reads_what_h2load_logs() {
        let log: String = (1..=100)
            .map(|us| format!("1700000000000000\t200\t{us}\n"))
            .collect();
        assert_eq!(h2load(&log), [Some(50_000), Some(95_000), Some(99_000)]);
    }

    #[test]
    fn one_in_five_waits_for_the_thaw() {
        // Of 5,000, a twentieth is 250 and a hundredth 50: those of so many first milliseconds of
        // the freeze wait longer.
        let ms = [0, 750, 950].map(|ms| Some(ms * MILLISECOND));
        assert_eq!(true_responses(), ms);
    }
}
