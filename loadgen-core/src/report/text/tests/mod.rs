//! How runs look.

mod screens;

use serde_json::json;
use test_case::test_case;

use super::super::sample;
use super::*;

/// What suits a terminal of so many columns, without colour.
fn look(width: usize) -> TextOptions {
    TextOptions {
        width,
        example_lines: Some(3),
        ..TextOptions::default()
    }
}

/// A summary that goes over no edge.
fn rendered(document: &Document, width: usize) -> String {
    let text = document.text(look(width));
    for line in text.lines() {
        assert!(columns(line) <= width, "{width}: {line}");
        assert!(!line.contains('\u{a0}'), "{line}");
    }
    text
}

fn summary(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let text = rendered(&sample::document(change), 80);
    assert!(text.lines().count() <= 24, "{text}");
    text
}

#[test]
fn a_pass() {
    insta::assert_snapshot!(summary(|_| {}), @"
    PASS  hello_high in 104 ms

    hello_high  grpc
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

/// `println!` ends the last line.
#[test]
fn a_document_is_displayed_as_its_text() {
    let document = sample::document(|_| {});
    let text = document.text(TextOptions::default());
    assert_eq!(format!("{document}\n"), text);
}

#[test]
fn how_far_a_percentile_may_be_off() {
    let confidence = |confidence: serde_json::Value| {
        let text = summary(|json| {
            json["scenarios"][0]["response_time_confidence_us"] = confidence;
        });
        let line = text.lines().find(|line| line.contains("95 %"));
        line.unwrap().to_owned()
    };
    let ranks = json!({"method": "ranks", "p95": [1390.0, 1410.0], "p99": [2250.0, 2391.0]});
    insta::assert_snapshot!(confidence(ranks), @"95 % within p95 1.39 ms .. 1.41 ms, p99 2.25 ms .. 2.39 ms");
    let seconds = json!({"method": "seconds", "p95": [1390.0, 141_000.0]});
    insta::assert_snapshot!(confidence(seconds), @"95 % within p95 1.39 ms .. 141 ms (≈, spread of the seconds)");
}

#[test]
fn a_failure_of_many_kinds() {
    insta::assert_snapshot!(summary(|json| {
        json["verdict"] = json!({
            "status": "fail",
            "reasons": ["`hello_high`: error_rate is 24.3%, expected < 1%"],
            "warnings": ["the generator's worker 0 used all of its core, so throughput is a lower bound and latency holds the generator's own queueing"],
        });
        let scenario = &mut json["scenarios"][0];
        scenario["ledger"] = json!({"planned": 5000, "started": 5000, "completed": 3782,
            "failed": 1216, "interrupted": 2, "dropped": 0, "late": 0});
        scenario["failures"] = json!([
            {"outcome": "grpc.UNAVAILABLE", "count": 1200, "example": "the server said: connection refused by the upstream\nafter three attempts, and a long tale"},
            {"outcome": "timeout", "count": 10},
            {"outcome": "connect", "count": 3, "example": "connection refused"},
            {"outcome": "reset.REFUSED_STREAM", "count": 1},
            {"outcome": "check", "count": 1},
            {"outcome": "protocol", "count": 1},
        ]);
        scenario["thresholds"] = json!([
            {"expression": "error_rate < 1%", "unit": "%", "observed": 24.329, "pass": false},
            {"expression": "response_time.p95 < 5ms", "unit": "ms", "observed": 1.402, "pass": true},
            {"expression": "response_time.p9999 < 5ms", "unit": "ms", "pass": false},
        ]);
        scenario["connections"] = json!({"opened": 12, "failed": 3, "dropped": 8});
        json["run"]["generator"]["saturated"] = true.into();
        json["run"]["generator"]["cpu_busy"] = 0.998.into();
    }), @"
    FAIL  hello_high in 104 ms
      because `hello_high`: error_rate is 24.3%, expected < 1%
      warning the generator's worker 0 used all of its core, so throughput is a
              lower bound and latency holds the generator's own queueing

    hello_high  grpc
    requests    5,000 planned = 3,782 ok + 1,216 failed + 2 interrupted
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    failed      1,200 × grpc.UNAVAILABLE, e.g. the server said: connection refused
                  by the upstream after three attempts, and a long tale
                10 × timeout
                3 × connect, e.g. connection refused
                1 × reset.REFUSED_STREAM
                2 of 2 more kinds
    connections 12 opened, 3 attempts failed, 8 ended by the other side
    backend     embedded, 5,000 answers
    thresholds  FAIL error_rate < 1%            (was 24.33%)
                ok   response_time.p95 < 5ms    (was 1.4 ms)
                FAIL response_time.p9999 < 5ms  (nothing was measured)
    generator   2 workers, the busiest used 99.8% of its core: it was the limit
    ");
}

#[test_case("invalid", 0.037, 0.0, 10 => "it was kept off the processor"; "others had the processor")]
#[test_case("invalid", 0.33, 0.33, 10 => "it was kept off the processor"; "ready and without one")]
#[test_case("invalid", 0.6, 0.0, 10 => "it did not keep up"; "busy")]
#[test_case("fail", 0.6, 0.0, 10 => "it started some late"; "a failure with a late generator")]
#[test_case("fail", 0.6, 0.0, 0 => "not the limit"; "the service's failure")]
fn the_last_word_on_the_generator(status: &str, busy: f64, starved: f64, late: u64) -> String {
    let text = summary(|json| {
        json["verdict"]["status"] = status.into();
        json["run"]["generator"]["cpu_busy"] = busy.into();
        json["run"]["generator"]["per_worker"] =
            json!([{"cpu_busy": busy, "cpu_starved": starved, "longest_stall_us": 0.0}]);
        json["scenarios"][0]["ledger"]["late"] = late.into();
    });
    let (_, said) = text.trim_end().rsplit_once("core: ").unwrap();
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn with_a_tale(example_lines: Option<usize>) -> String {
    let document = sample::document(|json| {
        json["scenarios"][0]["failures"] = json!([
            {"outcome": "timeout", "count": 10, "example": "once upon a time ".repeat(30) + "the end"},
        ]);
    });
    let look = TextOptions {
        example_lines,
        ..look(80)
    };
    document.text(look)
}

#[test]
fn a_screen_takes_the_beginning_of_a_tale_and_a_file_all_of_it() {
    let screen = with_a_tale(Some(3));
    assert_eq!(screen.matches("once").count(), 11, "{screen}");
    assert!(screen.contains(" …\n"), "{screen}");
    let file = with_a_tale(None);
    assert_eq!(file.matches("once").count(), 30, "{file}");
    assert!(file.contains("the end\n") && !file.contains('…'), "{file}");
}

#[test]
fn an_open_model_that_was_invalid_and_stopped() {
    insta::assert_snapshot!(summary(|json| {
        json["verdict"] = json!({
            "status": "invalid",
            "reasons": ["`hello_high`: 12.5% of the arrivals started more than 1 ms late, expected at most 1%"],
            "warnings": [],
        });
        json["run"]["stopped"] = true.into();
        let scenario = &mut json["scenarios"][0];
        scenario["load_model"] = "open".into();
        scenario["ledger"] = json!({"planned": 10_000, "started": 9_990, "completed": 9_990,
            "failed": 0, "interrupted": 0, "dropped": 10, "late": 1250});
        let lag = json!({"count": 9990, "mean": 120.5, "min": 3.0, "p50": 30.0, "p90": 80.0,
            "p95": 1500.0, "p99": 2500.0, "max": 300_100.0});
        scenario["start_lag_us"] = lag.clone();
        scenario["queue_wait_us"] = lag;
        scenario["backends"] = json!([
            {"id": "a", "requests": 6000, "share": 0.6, "failed": 0},
            {"id": "b", "requests": 3990, "share": 0.4, "failed": 12},
        ]);
    }), @"
    INVALID  hello_high in 104 ms, stopped early
      because `hello_high`: 12.5% of the arrivals started more than 1 ms late,
              expected at most 1%

    hello_high  grpc
    requests    10,000 planned = 9,990 ok + 0 failed + 10 dropped; 1,250 late
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    queue wait      30 µs    80 µs   1.5 ms   2.5 ms        -   300 ms   120 µs
    start lag       30 µs    80 µs   1.5 ms   2.5 ms        -   300 ms   120 µs
    backends        share  answers   failed      p99    conns
      a               60%    6,000        0        -        -
      b               40%    3,990       12        -        -
    thresholds  ok   error_rate < 1%  (was 0%)
    generator   2 workers, the busiest used 45% of its core: it did not keep up
    ");
}

/// What holds of a part is no pass, in word and colour.
#[test]
fn a_stopped_run_is_no_pass() {
    let paint = Paint::ON;
    let document = sample::document(|json| json["run"]["stopped"] = true.into());
    let text = document.text(TextOptions {
        paint,
        ..TextOptions::default()
    });
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with(&paint.strong(&paint.doubtful("STOPPED"))),
        "{first:?}"
    );
    assert!(!text.contains("PASS"), "{text}");
}

/// A service that died half way: percentiles are lower bounds, and one is mostly our own.
#[test]
fn what_is_unanswered_and_what_is_ours() {
    insta::assert_snapshot!(summary(|json| {
        let scenario = &mut json["scenarios"][0];
        scenario["load_model"] = "open".into();
        scenario["ledger"] = json!({"planned": 4000, "started": 2050, "completed": 2000,
            "failed": 0, "interrupted": 50, "dropped": 1950, "late": 0});
        scenario["unanswered"] = 2000.into();
        scenario["silence"] = json!({"longest_s": 2.01, "from_s": 2.0, "to_end": true});
        scenario["response_time_us"] = json!({"count": 4000, "mean": 504_000.0, "min": 210.0,
            "p50": 609.0, "p90": 1_600_000.0, "p95": 1_800_000.0, "p99": 1_960_000.0,
            "max": 2_000_000.0, "at_least_from": 50.0});
        scenario["undelayed_us"] = json!({"count": 4000, "p50": 300.0, "p90": 1_600_000.0,
            "p95": 1_800_000.0, "p99": 1_960_000.0});
    }), @"
    PASS  hello_high in 104 ms

    hello_high  grpc
    requests    4,000 planned = 2,000 ok + 0 failed + 50 interrupted + 1,950 dropped
    unanswered  2,000
    silence     none ended ok for 2.01 s from 2 s on to the end
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       609 µs!  ≥1.6 s   ≥1.8 s  ≥1.96 s        -     ≥2 s  ≥504 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
                ! mostly the generator's own
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

#[test]
fn a_stream_and_several_steps() {
    insta::assert_snapshot!(summary(|json| {
        let statistics = json["scenarios"][0]["response_time_us"].clone();
        json["scenarios"][0]["steps"] = json!([
            {"name": "hello", "response_time_us": statistics},
            {"name": "stream", "response_time_us": statistics, "first_message_us": statistics,
             "message_gap_us": statistics},
            {"name": "never"},
        ]);
    }), @"
    PASS  hello_high in 104 ms

    hello_high  grpc
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    hello          910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    stream         910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
     first msg     910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
     msg gap       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

/// Both protocols in one run: each with its own figures, and a total.
#[test]
fn two_protocols() {
    let text = rendered(
        &sample::document(|json| {
            let mut talk = json["scenarios"][0].clone();
            let statistics = talk["response_time_us"].clone();
            talk["name"] = "stress_all".into();
            talk["protocol"] = "websocket".into();
            talk["connections"] =
                json!({"opened": 203, "failed": 1, "dropped": 2, "connect_time_us": statistics});
            talk["steps"] = json!([
                {"name": "echo", "response_time_us": statistics, "round_trip_us": statistics,
                 "messages": {"sent": 80000, "received": 79998, "received_per_s": 769211.5, "unexpected": 2}},
                {"name": "stream", "response_time_us": statistics, "first_message_us": statistics,
                 "message_gap_us": statistics, "messages": {"sent": 5000, "received": 49999, "received_per_s": 480759.6, "missing": 1}},
            ]);
            let mut call = json["scenarios"][0].clone();
            call["name"] = "stress_all".into();
            json["scenarios"] = json!([call, talk]);
        }),
        80,
    );
    insta::assert_snapshot!(text, @"
    PASS  2 scenarios in 104 ms

    stress_all  grpc
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)

    stress_all  websocket
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
    messages    85,000 sent, 129,997 received (1,249,971/s), 1 missing, 2 unexpected
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    connect        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    echo           910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
     round trip    910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    stream         910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
     first msg     910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
     msg gap       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    connections 203 opened, 1 attempt failed, 2 ended by the other side
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)

    total
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

/// Silence is told without anything left unanswered, too, and only where it is long.
#[test]
fn silence_and_back_off() {
    let told = |longest_s: f64, back_off_us: f64| {
        let text = summary(|json| {
            let scenario = &mut json["scenarios"][0];
            scenario["silence"] = json!({"longest_s": longest_s, "from_s": 2.0, "to_end": false});
            scenario["connections"]["back_off_us"] = json!({"count": 3, "max": back_off_us});
        });
        let is_told = |it: &&str| it.starts_with("silence ") || it.starts_with("back-off ");
        text.lines().filter(is_told).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(0.9, 0.0), "");
    insta::assert_snapshot!(told(1.5, 250_000.0), @"
    silence     none ended ok for 1.5 s from 2 s on
    back-off            -        -        -        -        -   250 ms        -
    ");
}

#[test]
fn many_scenarios() {
    insta::assert_snapshot!(summary(|json| {
        let scenario = json["scenarios"][0].clone();
        let mut failed = scenario.clone();
        failed["name"] = "a_scenario_with_a_very_long_name".into();
        failed["ledger"]["failed"] = 12.into();
        failed["failures"] = json!([{"outcome": "timeout", "count": 12}]);
        failed["thresholds"][0] = json!({"expression": "error_rate < 1%", "unit": "%", "observed": 2.4, "pass": false});
        json["scenarios"] = json!([scenario, failed, scenario]);
    }), @"
    PASS  3 scenarios in 104 ms

    scenario               ok   failed      rate      p50      p95      p99
    hello_high  grpc    5,000        0  48,077/s   910 µs   1.4 ms  2.31 ms
    a_scenario_with_a_very_long_name
                        5,000       12  48,077/s   910 µs   1.4 ms  2.31 ms
    hello_high  grpc    5,000        0  48,077/s   910 µs   1.4 ms  2.31 ms
    total               5,000        0  48,077/s   910 µs   1.4 ms  2.31 ms

    hello_high  grpc
    thresholds  ok   error_rate < 1%  (was 0%)

    a_scenario_with_a_very_long_name
    failed      12 × timeout
    thresholds  FAIL error_rate < 1%  (was 2.4%)

    hello_high  grpc
    thresholds  ok   error_rate < 1%  (was 0%)

    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

#[test]
fn nothing_measured() {
    insta::assert_snapshot!(summary(|json| {
        json["verdict"] = json!({"status": "fail", "reasons": ["`hello_high`: nothing was measured"], "warnings": []});
        let scenario = &mut json["scenarios"][0];
        scenario["ledger"] = json!({"planned": 0, "started": 0, "completed": 0, "failed": 0,
            "interrupted": 0, "dropped": 0, "late": 0});
        scenario["response_time_us"] = json!({"count": 0});
        scenario["service_time_us"] = json!({"count": 0});
        scenario["thresholds"] = json!([{"expression": "error_rate < 1%", "unit": "%", "pass": false}]);
        scenario["throughput_per_s"] = 0.into();
        scenario["backends"] = json!([]);
    }), @"
    FAIL  hello_high in 104 ms
      because `hello_high`: nothing was measured

    hello_high  grpc
    requests    0 planned = 0 ok + 0 failed
    throughput  0/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response            -        -        -        -        -        -        -
    service             -        -        -        -        -        -        -
    thresholds  FAIL error_rate < 1%  (nothing was measured)
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}
