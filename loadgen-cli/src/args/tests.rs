//! The command line, as it is parsed.

use std::path::Path;
use std::time::Duration;

use clap::CommandFactory;
use loadgen_core::scenario::Protocol;
use loadgen_core::units::Rate;
use test_case::test_case;

use super::*;
use crate::protocols;

#[test]
fn definition_is_consistent() {
    Args::command().debug_assert();
}

fn run(flags: &[&str]) -> Result<RunCommand, String> {
    let line = ["loadgen", "run"].iter().chain(flags);
    match Args::try_parse_from(line) {
        Ok(Args {
            command: Command::Run(run),
        }) => Ok(*run),
        Ok(other) => panic!("not a run: {other:?}"),
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "usage errors exit with 2");
            let text = error.to_string();
            Err(text.lines().next().unwrap_or_default().to_owned())
        }
    }
}

#[test_case(&["-n", "0"] => "error: invalid value '0' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "zero")]
#[test_case(&["-n", "-5"] => "error: invalid value '-5' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "negative")]
#[test_case(&["-n", "1k"] => "error: invalid value '1k' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "a suffix")]
#[test_case(&["-n", "1.5"] => "error: invalid value '1.5' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "a fraction")]
#[test_case(&["--connections", "65536"] => "error: invalid value '65536' for '--connections <N>': expected a whole number from 1 to 65535"; "too many connections")]
#[test_case(&["--seed", "-1"] => "error: invalid value '-1' for '--seed <N>': expected a whole number from 0 to 18446744073709551615"; "a seed below zero")]
#[test_case(&["-c", "99999999999999999999"] => "error: invalid value '99999999999999999999' for '--concurrency <N>': expected a whole number from 1 to 1000000"; "huge")]
#[test_case(&["-c", "NaN"] => "error: invalid value 'NaN' for '--concurrency <N>': expected a whole number from 1 to 1000000"; "nan")]
#[test_case(&["-d", "0s"] => "error: invalid value '0s' for '--duration <TIME>': expected a duration above zero"; "no time")]
#[test_case(&["-d", "800h"] => "error: invalid value '800h' for '--duration <TIME>': `800h` is too large; expected at most 720h (30 days)"; "too long")]
#[test_case(&["--out", "xml=x"] => "error: invalid value 'xml=x' for '--out <KIND=PATH>': unknown kind `xml`; expected one of json, html, csv, hlog, junit, markdown"; "unknown kind")]
#[test_case(&["--out", "result.json"] => "error: invalid value 'result.json' for '--out <KIND=PATH>': expected KIND=PATH with KIND one of json, html, csv, hlog, junit, markdown"; "no kind")]
#[test_case(&["--out", "json="] => "error: invalid value 'json=' for '--out <KIND=PATH>': the path after `=` is empty"; "no path")]
#[test_case(&["--out", "json=-"] => "error: invalid value 'json=-' for '--out <KIND=PATH>': `-` is not a file; `--json` prints the document on standard output"; "standard output")]
#[test_case(&["--protocol", "smtp"] => "error: invalid value 'smtp' for '--protocol <PROTOCOL>'"; "unknown protocol")]
#[test_case(&["--statsd", "localhost"] => "error: invalid value 'localhost' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "no port")]
#[test_case(&["--statsd", "localhost:65536"] => "error: invalid value 'localhost:65536' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "a port out of range")]
#[test_case(&["--statsd", "https://localhost:1"] => "error: invalid value 'https://localhost:1' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "a scheme")]
#[test_case(&["--statsd-prefix", "a..b"] => "error: invalid value 'a..b' for '--statsd-prefix <NAME>': expected parts of letters, digits, `_` and `-`, joined by dots, of at most 200 characters in all"; "an empty part")]
#[test_case(&["--statsd-tags=a"] => "error: invalid value 'a' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "a tag without a value")]
#[test_case(&["--statsd-tags=a=b,"] => "error: invalid value 'a=b,' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "an empty tag")]
#[test_case(&["--statsd-tags==b"] => "error: invalid value '=b' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "a tag without a key")]
#[test_case(&["--prometheus=localhost"] => "error: invalid value 'localhost' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no port to scrape")]
#[test_case(&["--prometheus=65536"] => "error: invalid value '65536' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no such port to scrape")]
#[test_case(&["--prometheus=:1"] => "error: invalid value ':1' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no host to scrape")]
#[test_case(&["--prometheus="] => "error: invalid value '' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "nothing to scrape")]
#[test_case(&["--ui=localhost"] => "error: invalid value 'localhost' for '--ui[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:8089`; port 0 takes a free one"; "no port to look at")]
#[test_case(&["--ui-insecure"] => "error: the following required arguments were not provided:"; "for others and for nobody")]
#[test_case(&["--prometheus-wait", "1s"] => "error: the following required arguments were not provided:"; "waiting for nobody")]
#[test_case(&["--otlp", "localhost:4318"] => "error: invalid value 'localhost:4318' for '--otlp <URL>': expected a URL like `http://HOST:PORT` or `https://HOST/path`"; "no scheme")]
#[test_case(&["--otlp", ""] => "error: invalid value '' for '--otlp <URL>': expected a URL like `http://HOST:PORT` or `https://HOST/path`"; "an empty URL")]
#[test_case(&["--graphite", "http://a:65536"] => "error: invalid value 'http://a:65536' for '--graphite <URL>': expected a URL like `http://HOST:PORT` with a port from 1 to 65535"; "a URL's port")]
#[test_case(&["--pacing", "lazy"] => "error: invalid value 'lazy' for '--pacing <auto|exact|grid[=TIME]|busy[=TIME]>': `lazy` is no pacing; expected `auto`, `exact`, `grid`, `busy`, or the latter two with a time like `grid=250us` and `busy=50us`"; "no pacing")]
#[test_case(&["--codec", "h3"] => "error: invalid value 'h3' for '--codec <own|h2>': `h3` is no codec; expected `own` or `h2`"; "no codec")]
#[test_case(&["--pacing", "busy=2ms"] => "error: invalid value 'busy=2ms' for '--pacing <auto|exact|grid[=TIME]|busy[=TIME]>': busy polling for `2ms` is out of range; expected from 1us to 1ms"; "awake for too long")]
#[test_case(&["--pacing=busy="] => "error: invalid value 'busy=' for '--pacing <auto|exact|grid[=TIME]|busy[=TIME]>': `` is not a duration; expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\""; "awake for nothing")]
#[test_case(&["--pacing", "grid=2ms"] => "error: invalid value 'grid=2ms' for '--pacing <auto|exact|grid[=TIME]|busy[=TIME]>': a grid with ticks `2ms` apart is out of range; expected from 25us, below which it spares nothing, to 1ms, from which on arrivals are late"; "too coarse a grid")]
fn refused(flags: &[&str]) -> String {
    run(flags).unwrap_err()
}

#[test_case("-5s"; "negative")]
#[test_case("NaN"; "nan")]
#[test_case("inf"; "infinite")]
#[test_case("1e400s"; "huge")]
#[test_case(""; "empty")]
#[test_case("soon"; "a word")]
fn refused_durations(value: &str) {
    let error = run(&["--duration", value]).unwrap_err();
    assert!(
        error.contains("'--duration <TIME>'") || error.contains("value"),
        "{error}"
    );
}

#[test_case("0"; "zero")]
#[test_case("-5/s"; "negative")]
#[test_case("NaN"; "nan")]
#[test_case("inf/s"; "infinite")]
#[test_case("1e400/s"; "huge")]
fn refused_rates(value: &str) {
    let error = run(&["--rate", value]).unwrap_err();
    assert!(error.contains("'--rate <RATE>'"), "{error}");
}

#[test_case("500")]
#[test_case("0.5")]
#[test_case("30/m")]
fn plain_rates_are_a_seconds(value: &str) {
    assert!(run(&["--rate", value]).is_ok());
}

#[test]
fn short_flags_follow_what_people_know() {
    let args = run(&[
        "-s", "a", "-s", "b", "-n", "10", "-c", "2", "-z", "5s", "-r", "500/s", "-q", "-o",
        "json=x",
    ])
    .unwrap();
    assert_eq!(args.what.scenarios, ["a", "b"]);
    assert_eq!(args.run.requests, Some(10));
    assert_eq!(args.run.concurrency, Some(2));
    assert_eq!(args.run.duration, Some(Duration::from_secs(5)));
    assert_eq!(args.run.rate.map(Rate::per_second), Some(500.0));
    assert!(args.run.quiet);
    assert_eq!(args.run.outputs.len(), 1);
}

#[test_case(&["--prometheus"] => Some("127.0.0.1:9464".to_owned()); "the usual address")]
#[test_case(&["--prometheus", "--json"] => Some("127.0.0.1:9464".to_owned()); "another flag behind it")]
#[test_case(&["--prometheus=9999"] => Some("127.0.0.1:9999".to_owned()); "a port")]
#[test_case(&["--prometheus=0"] => Some("127.0.0.1:0".to_owned()); "a free port")]
#[test_case(&["--prometheus=[::]:9464"] => Some("[::]:9464".to_owned()); "an address")]
fn scraped_at(flags: &[&str]) -> Option<String> {
    run(flags).unwrap().run.prometheus
}

#[test_case(&["--ui"] => Some("127.0.0.1:8089".to_owned()); "the usual address")]
#[test_case(&["--ui", "--json"] => Some("127.0.0.1:8089".to_owned()); "another flag behind it")]
#[test_case(&["--ui=0"] => Some("127.0.0.1:0".to_owned()); "a free port")]
#[test_case(&["--ui=[::1]:80"] => Some("[::1]:80".to_owned()); "an address")]
fn shown_at(flags: &[&str]) -> Option<String> {
    run(flags).unwrap().run.ui
}

#[test_case(&["x.json"]; "alone")]
#[test_case(&["--prometheus", "x.json"]; "behind a flag that may have a value")]
#[test_case(&["--statsd-tags", "x.json"]; "behind another")]
#[test_case(&["--ui", "x.json"]; "behind a third")]
#[test_case(&["--pacing", "busy", "x.json"]; "behind a value that may go on")]
#[test_case(&["--config", "x.json"]; "with a flag")]
#[test_case(&["x.json", "--profile", "ci"]; "with a profile")]
fn a_file_is_a_file(flags: &[&str]) {
    let args = run(flags).unwrap();
    assert_eq!(args.what.suite_file(), Some(Path::new("x.json")));
}

#[test_case(&["a.json", "b.json"] => "error: unexpected argument 'b.json' found"; "two files")]
#[test_case(&["a.json", "--config", "b.json"] => "error: the argument '[FILE]' cannot be used with '--config <FILE>'"; "a file and a flag for it")]
#[test_case(&["--profile", "ci"] => "error: the following required arguments were not provided:"; "a profile of nothing")]
#[test_case(&["--target", "grcp"] => "error: invalid value 'grcp' for '--target <TARGET>': expected where to send, like `host:50051` or `https://host`, or a protocol: all, grpc, websocket, http or tcp"; "a misspelt protocol")]
#[test_case(&["--target", ""] => "error: invalid value '' for '--target <TARGET>': expected where to send, like `host:50051` or `https://host`, or a protocol: all, grpc, websocket, http or tcp"; "no target")]
fn refused_files_and_targets(flags: &[&str]) -> String {
    run(flags).unwrap_err()
}

#[test_case(&["--statsd-tags"] => ""; "the scenarios' own")]
#[test_case(&["--statsd-tags=env=ci,team=a=b"] => "env:ci team:a=b"; "and more")]
fn tagged(flags: &[&str]) -> String {
    let TagList(tags) = run(flags).unwrap().run.statsd_tags.unwrap();
    let tags = tags.iter().map(|(key, value)| format!("{key}:{value}"));
    tags.collect::<Vec<_>>().join(" ")
}

#[test_case(&[] => "exact"; "as it is")]
#[test_case(&["--pacing", "auto"] => "auto"; "whichever is better")]
#[test_case(&["--pacing", "grid=250us"] => "grid=250us"; "asleep to a grid")]
#[test_case(&["--pacing", "busy"] => "busy=50us"; "as long as is usual")]
#[test_case(&["--pacing=busy=0.2ms"] => "busy=200us"; "longer")]
fn paced(flags: &[&str]) -> String {
    run(flags).unwrap().run.pacing.to_string()
}

#[test_case(&[] => None)]
#[test_case(&["--protocol", "all"] => Some(ProtocolChoice::All))]
#[test_case(&["--target", "both"] => Some(ProtocolChoice::All))]
#[test_case(&["--target", "grpc"] => Some(ProtocolChoice::Only(Protocol::Grpc)))]
#[test_case(&["--protocol", "websocket"] => Some(ProtocolChoice::Only(Protocol::Websocket)))]
#[test_case(&["--target", "ws://a:1"] => Some(ProtocolChoice::Only(Protocol::Websocket)); "by a scheme")]
#[test_case(&["--target", "https://a:1,http://b:1"] => Some(ProtocolChoice::Only(Protocol::Grpc)); "by several")]
#[test_case(&["--target", "ws://a:1", "--target", "https://a:1"] => None; "schemes of both")]
#[test_case(&["--target", "a:1"] => None; "no scheme")]
fn protocols_asked_for(flags: &[&str]) -> Option<ProtocolChoice> {
    run(flags).unwrap().what.chosen_protocol()
}

/// Its text is written by hand.
#[test]
fn the_help_names_what_each_protocol_has() {
    let mut command = Args::command();
    let run = command.find_subcommand_mut("run").unwrap();
    let help = run.render_long_help().to_string();
    for row in protocols::ALL {
        let (host, port) = (row.variables.host, row.variables.port);
        for name in [host, port, row.name, &row.target_flag()] {
            assert!(help.contains(name), "`{name}` is not in {help}");
        }
    }
}
