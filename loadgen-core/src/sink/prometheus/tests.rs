//! What comes from the endpoint.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::engine::Phase;
use crate::sink::metric::{GENERATOR, SCENARIO};
use crate::sink::samples::{AWKWARD, end, everything, info, names, second, second_of};

const OPEN_METRICS: &str = "application/openmetrics-text";

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn sink() -> PrometheusSink {
    PrometheusSink::new(listener(), &[names()], &info()).unwrap()
}

/// Status and headers, and the body.
fn ask(endpoint: &Endpoint, line: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(endpoint.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request =
        format!("{line} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn scrape(endpoint: &Endpoint) -> String {
    let (head, body) = ask(endpoint, "GET /metrics", OPEN_METRICS);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    body
}

/// The value of the one series that begins so.
fn value(text: &str, series: &str) -> f64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(series));
    let rest = lines.next().unwrap_or_else(|| panic!("{series} in {text}"));
    assert_eq!(lines.next(), None, "{series} more than once");
    // The labels' values may have blanks in them, the number has none.
    let (_, number) = rest.rsplit_once(' ').unwrap();
    number.parse().unwrap()
}

#[test]
fn every_metric_is_there_and_no_other_and_counters_are_the_ledger() {
    let run = everything();
    let mut sink = PrometheusSink::new(listener(), &run.names(), &info()).unwrap();
    let endpoint = sink.endpoint();
    let run = run.listen(move |event: &Event<'_>| sink.hear(event));
    let record = run.execute().unwrap();
    let text = scrape(&endpoint);
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    // And the run's own.
    assert_eq!(families, SCENARIO.len() + GENERATOR.len() + 1, "{text}");
    let ledger = record.scenarios[0].ledger;
    assert!(ledger.completed > 0 && ledger.failed > 0, "{ledger:?}");
    for (name, count) in [
        ("planned", ledger.planned),
        ("started", ledger.started),
        ("completed", ledger.completed),
        ("failed", ledger.failed),
        ("interrupted", ledger.interrupted),
        ("dropped", ledger.dropped),
        ("late", ledger.late),
        ("sent_bytes", record.scenarios[0].bytes.sent),
    ] {
        let shown = value(&text, &format!("loadgen_{name}_total{{"));
        assert_eq!(shown, count as f64, "{name}");
    }
    let gauges = text
        .lines()
        .filter(|line| line.starts_with("loadgen_response_time_seconds{"));
    assert!(gauges.clone().count() > 2, "{text}");
    assert!(gauges.clone().all(|line| line.ends_with("} 0.0")), "{text}");
}

#[test]
fn labels_are_escaped_and_tags_give_way() {
    let run = everything();
    let sink = PrometheusSink::new(listener(), &run.names(), &info()).unwrap();
    let escaped = AWKWARD
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    let expected = format!(
        "loadgen_steps_requests_total{{scenario=\"{escaped}\",protocol=\"custom\",\
         step=\"{escaped}\",team_name=\"{escaped}\",tag_step=\"taken\"}} 0\n"
    );
    let text = scrape(&sink.endpoint());
    assert!(text.contains(&expected), "{expected}\n{text}");
}

#[test]
fn it_begins_at_zero_and_follows() {
    let mut sink = sink();
    let endpoint = sink.endpoint();
    let completed = "loadgen_completed_total{";
    assert_eq!(value(&scrape(&endpoint), completed), 0.0);
    second(&mut |event| sink.hear(event), 5);
    let text = scrape(&endpoint);
    assert_eq!(value(&text, completed), 5.0);
    assert_eq!(value(&text, "loadgen_users{"), 3.0);
    let run = "loadgen_run_info{run=\"20261103T141502Z-7f3a9c\",version=\"1.2.3\"}";
    assert_eq!(value(&text, run), 1.0);
    assert!(text.ends_with("# EOF\n"), "{text}");
    end(&mut |event| sink.hear(event), 7);
    let text = scrape(&endpoint);
    assert_eq!(value(&text, completed), 7.0);
    assert_eq!(value(&text, "loadgen_users{"), 0.0);
}

#[test]
fn the_gauges_of_a_scenario_that_is_over_are_zero_while_others_go_on() {
    let other = Names {
        scenario: "other".to_owned(),
        ..names()
    };
    let mut sink = PrometheusSink::new(listener(), &[names(), other], &info()).unwrap();
    let endpoint = sink.endpoint();
    let users = |scenario: &str| {
        let series = format!("loadgen_users{{scenario=\"{scenario}\"");
        value(&scrape(&endpoint), &series)
    };
    let mut hear = |event: &Event<'_>| sink.hear(event);
    second_of(&mut hear, 5, &[Phase::Measure, Phase::Measure]);
    assert_eq!((users("s"), users("other")), (3.0, 3.0));
    second_of(&mut hear, 5, &[Phase::Done, Phase::Measure]);
    assert_eq!((users("s"), users("other")), (0.0, 3.0));
}

#[test]
fn scenarios_of_one_name_and_protocol_add_up() {
    let both = [names(), names()];
    let mut sink = PrometheusSink::new(listener(), &both, &info()).unwrap();
    let mut record = crate::sink::samples::run_record(5);
    record.scenarios.push(record.scenarios[0].clone());
    sink.hear(&Event::Finished(&record));
    assert_eq!(
        value(&scrape(&sink.endpoint()), "loadgen_completed_total{"),
        10.0
    );
}

#[test]
fn each_gets_the_format_it_reads() {
    let endpoint = sink().endpoint();
    let (head, body) = ask(&endpoint, "GET /metrics", OPEN_METRICS);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(
        body.contains("# TYPE loadgen_completed counter\n"),
        "{body}"
    );
    let (head, body) = ask(&endpoint, "GET /metrics?x=y", "*/*");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        body.contains("# TYPE loadgen_completed_total counter\n"),
        "{body}"
    );
    assert!(!body.contains("# EOF"), "{body}");
}

#[test]
fn other_requests_are_refused() {
    let endpoint = sink().endpoint();
    let (head, body) = ask(&endpoint, "GET /", "*/*");
    assert!(head.starts_with("http/1.1 404 "), "{head}");
    assert_eq!(body, "the metrics are at /metrics\n");
    let (head, _) = ask(&endpoint, "POST /metrics", "*/*");
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(head.contains("allow: get, head"), "{head}");
    let (head, body) = ask(&endpoint, "HEAD /metrics", "*/*");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, "");
}

#[test]
fn who_says_nothing_holds_up_nobody() {
    let mut sink = sink();
    let endpoint = sink.endpoint();
    let silent: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(endpoint.address()).unwrap())
        .collect();
    second(&mut |event| sink.hear(event), 5);
    assert_eq!(value(&scrape(&endpoint), "loadgen_completed_total{"), 5.0);
    drop(silent);
}

#[test]
fn the_last_scrape_can_be_waited_for() {
    let mut sink = sink();
    let endpoint = sink.endpoint();
    second(&mut |event| sink.hear(event), 5);
    scrape(&endpoint);
    end(&mut |event| sink.hear(event), 7);
    assert!(!endpoint.wait_for_last_scrape(Duration::ZERO));
    scrape(&endpoint);
    assert!(endpoint.wait_for_last_scrape(Duration::from_secs(30)));
}

#[test]
fn it_answers_as_long_as_somebody_wants_it() {
    let sink = sink();
    let endpoint = sink.endpoint();
    drop(sink);
    scrape(&endpoint);
    let address = endpoint.address();
    drop(endpoint);
    // Its thread ends a moment later; until then, connections are taken.
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
}
