//! Every kind of run, on screens of every width.

use serde_json::json;

use super::*;

/// How each kind of run looks, on terminals of three widths.
fn screens(name: &str, change: impl Fn(&mut serde_json::Value)) {
    on_screens(name, &sample::document(change));
}

fn on_screens(name: &str, document: &Document) {
    let screens = [60, 80, 200].map(|width| {
        let ruler = format!("{:-<width$}", format!("-- {width} "));
        format!("{ruler}\n{}", rendered(document, width))
    });
    insta::assert_snapshot!(name, screens.join("\n"));
    for width in 40..=200 {
        rendered(document, width);
    }
}

#[test]
fn a_pass_on_every_screen() {
    screens("grpc_pass", |_| {});
}

#[test]
fn an_invalid_run_on_every_screen() {
    screens("grpc_invalid", |json| {
        json["verdict"] = json!({
            "status": "invalid",
            "reasons": [
                "`hello_high`: 12.5% of the arrivals started more than 1 ms late, expected at most 1%",
                "`hello_high`: 92.3% of response time p99 (13 ms) is the generator's part, without it 1 ms (at most 50% may be, where that is more than 1 ms)",
                "`hello_high`: `response_time.p95 < 1.2ms` does not hold, observed 1.4 ms, by the generator's part alone: without it 1 ms",
            ],
            "warnings": [
                "`hello_high`: 0.7% of the replies were read together with later ones, and the system tells only when the last of them came: p95 and above may be shown longer than they were, those of messages too, by 100 µs a reply in the mean",
                "`hello_high`: any certificate was accepted, so whoever answered is not verified",
            ],
        });
        let generator = &mut json["run"]["generator"];
        generator["cpu_busy"] = 0.037.into();
        generator["per_worker"] = json!([
            {"cpu_busy": 0.037, "cpu_starved": 0.4, "longest_stall_us": 312_000.0, "cpu_waiting": 0.12},
        ]);
        let scenario = &mut json["scenarios"][0];
        scenario["load_model"] = "open".into();
        scenario["ledger"] = json!({"planned": 10_000, "started": 9_990, "completed": 9_950,
            "failed": 30, "interrupted": 10, "dropped": 10, "late": 1250});
        scenario["unanswered"] = 20.into();
        scenario["silence"] = json!({"longest_s": 2.01, "from_s": 2.0, "to_end": true});
        scenario["response_time_us"] = json!({"count": 10_000, "mean": 504_000.0, "min": 210.0,
            "p50": 609.0, "p90": 1_600.0, "p95": 1_800.0, "p99": 13_000.0, "p999": 1_960_000.0,
            "max": 2_000_000.0, "at_least_from": 99.5});
        scenario["undelayed_us"] = json!({"count": 10_000, "p50": 300.0, "p90": 1_600.0,
            "p95": 1_800.0, "p99": 1_000.0, "p999": 1_960_000.0});
        scenario["start_lag_us"] = json!({"count": 9990, "mean": 120.5, "min": 3.0, "p50": 30.0,
            "p90": 80.0, "p95": 1500.0, "p99": 2500.0, "max": 300_100.0});
        scenario["response_time_confidence_us"] =
            json!({"method": "seconds", "p95": [1390.0, 1810.0], "p99": [9_250.0, 16_391.0]});
        scenario["failures"] = json!([
            {"outcome": "grpc.UNAVAILABLE", "count": 27, "example": "the server said: connection refused by the upstream\nafter three attempts, at https://one.endless.example/path/without/a/blank/anywhere/in/it/at/all/so/that/it/fills/a/line"},
            {"outcome": "timeout", "count": 3, "example": "no answer within 30 s"},
        ]);
        scenario["connections"] = json!({"opened": 12, "failed": 3, "dropped": 8});
        scenario["thresholds"] = json!([
            {"expression": "error_rate < 1%", "unit": "%", "observed": 0.5012, "pass": true},
            {"expression": "response_time.p95 < 1.2ms", "unit": "ms", "observed": 1.4, "pass": false},
            {"expression": "response_time.p9999 < 5s", "unit": "s", "observed": 2.0, "pass": true, "few_samples": true},
            {"expression": "throughput >= 48000/s", "unit": "/s", "observed": 48_076.923, "pass": true},
        ]);
    });
}

#[test]
fn websocket_on_every_screen() {
    screens("websocket", |json| {
        let scenario = &mut json["scenarios"][0];
        let statistics = scenario["response_time_us"].clone();
        let ours = json!({"count": 5000, "p50": 100.0, "p90": 200.0, "p95": 1300.0, "p99": 2300.0});
        scenario["name"] = "stress_all".into();
        scenario["protocol"] = "websocket".into();
        scenario["steps"] = json!([
            {"name": "echo", "response_time_us": statistics, "round_trip_us": statistics,
             "message_lag_us": statistics, "undelayed_round_trip_us": ours,
             "messages": {"sent": 80000, "received": 79998, "received_per_s": 769211.5, "unexpected": 2, "too_late": 1}},
            {"name": "stream", "response_time_us": statistics, "first_message_us": statistics,
             "message_gap_us": statistics, "messages": {"sent": 5000, "received": 49999, "received_per_s": 480759.6, "missing": 1, "out_of_order": 3}},
        ]);
        scenario["connections"] = json!({"opened": 203, "failed": 1, "dropped": 2,
            "connect_time_us": statistics, "tls_time_us": statistics, "back_off_us": {"count": 3, "max": 250_000.0, "mean": 120_000.0}});
        let connections = json!({"opened": 101, "failed": 0, "dropped": 1});
        scenario["targets"] = json!([
            {"target": "10.0.0.1:8080", "completed": 2501, "failed": 0, "unanswered": 0, "connections": connections},
            {"target": "backend-with-a-long-name.internal.example:8080", "completed": 2499, "failed": 0, "unanswered": 0, "connections": connections},
        ]);
        scenario["backends"] = json!([
            {"id": "blue", "requests": 2000, "share": 0.4, "failed": 0, "response_time_us": statistics},
            {"id": "a-pod-with-a-long-name-7d9c5b8f6d-x2x4z", "requests": 2000, "share": 0.4, "failed": 12, "response_time_us": statistics},
            {"id": "(unknown)", "requests": 1000, "share": 0.2, "failed": 0},
        ]);
    });
}

/// b2 is killed at 4.02 s and frozen at 12 s.
#[test]
fn failovers_on_every_screen() {
    screens("failovers", |json| {
        let scenario = &mut json["scenarios"][0];
        scenario["backends"] = json!([
            {"id": "b1", "requests": 3000, "share": 0.42, "failed": 0},
            {"id": "b2", "requests": 1200, "share": 0.17, "failed": 0},
            {"id": "backend-with-a-long-name", "requests": 2900, "share": 0.41, "failed": 0},
            {"id": "(unknown)", "requests": 138, "share": 0.02, "failed": 138},
        ]);
        let moments = (0..200).map(|tenth| {
            let is_away = (40..71).contains(&tenth) || (120..150).contains(&tenth);
            let is_missed = (40..48).contains(&tenth);
            let (others, own) = if is_away && !is_missed {
                (25, 0)
            } else {
                (17, 17)
            };
            let mut backends = json!({
                "b1": {"completed": others, "failed": 0},
                "backend-with-a-long-name": {"completed": others, "failed": 0},
            });
            let own = match is_missed {
                true => ("(unknown)", json!({"completed": 0, "failed": own})),
                false => ("b2", json!({"completed": own, "failed": 0})),
            };
            backends[own.0] = own.1;
            json!({"t_s": f64::from(tenth) / 10.0, "backends": backends})
        });
        scenario["timeline"] = moments.collect();
        scenario["failovers"] = json!([
            {"event": "kill b2", "backend": "b2", "at_s": 4.02, "back_s": 7.09, "detected_s": 0.82,
             "given": 138, "relapses": 0, "lost": 138, "lost_in_flight": 2, "slow": 0,
             "first_error_s": 0.005, "last_error_s": 0.82, "recovered_s": 0.82, "silence_s": 0.01,
             "returned_s": 0.26, "rebalanced_s": 0.26,
             "survivors": {"before_us": {"count": 1500, "p99": 3100.0},
                           "during_us": {"count": 1520, "p99": 12000.0}}},
            {"event": "freeze b2", "backend": "b2", "at_s": 12.0, "back_s": 15.0, "relapses": 171,
             "lost": 0, "lost_in_flight": 0, "slow": 40, "recovered_s": 2.7, "silence_s": 0.02,
             "never": ["detected", "rebalanced"], "returned_s": 0.0,
             "survivors": {"before_us": {"count": 1500, "p99": 3100.0}, "during_us": {"count": 612}}},
            {"event": "drain b2", "backend": "b2", "untold": "it was not done"},
        ]);
        scenario["expectations"] = json!([
            {"expression": "distribution b1 1, b2 1, backend-with-a-long-name 1 within 2%", "verdict": "undecided",
             "observed": "b1 33.4%, b2 33.3%, backend-with-a-long-name 33.3% (±2.9%) of 2,010 requests while all were there, dispersion 0.01",
             "needed": 2775},
            {"expression": "route version v1.2 to v1*", "verdict": "holds",
             "observed": "0 of 5,000 went elsewhere (≤ 0.06% at 95%)"},
            {"expression": "failover.detected < 1s", "verdict": "fails",
             "observed": "never after freeze b2, 820 ms after kill b2"},
        ]);
    });
}

/// Three scenarios, of which one failed and one left something unanswered.
fn three(json: &mut serde_json::Value, names: [&str; 3]) {
    let mut scenarios = names.map(|name| {
        let mut scenario = json["scenarios"][0].clone();
        scenario["name"] = name.into();
        scenario
    });
    let failed = &mut scenarios[1];
    failed["ledger"]["failed"] = 12.into();
    failed["failures"] =
        json!([{"outcome": "timeout", "count": 12, "example": "no answer within 30 s"}]);
    failed["thresholds"] = json!([
        {"expression": "error_rate < 1%", "unit": "%", "observed": 2.4, "pass": false},
        {"expression": "response_time.p95 < 5ms", "unit": "ms", "observed": 1.402, "pass": true},
    ]);
    scenarios[2]["unanswered"] = 7.into();
    json["total"]["unanswered"] = 7.into();
    json["scenarios"] = json!(scenarios);
}

#[test]
fn three_scenarios_on_every_screen() {
    screens("three_scenarios", |json| {
        three(json, ["browse", "search", "checkout"]);
    });
}

/// A scenario of arrivals, of which a pause took some.
fn withheld(mut scenario: serde_json::Value) -> serde_json::Value {
    scenario["load_model"] = "open".into();
    let ledger = &mut scenario["ledger"];
    ledger["planned"] = 6_200.into();
    ledger["dropped"] = 1_200.into();
    ledger["withheld"] = 1_200.into();
    scenario
}

/// Time enough for pauses, and the rates that come of it.
fn last_a_minute(json: &mut serde_json::Value) {
    fn rated(it: &mut serde_json::Value) {
        it["throughput_per_s"] = (it["ledger"]["completed"].as_f64().unwrap() / 60.0).into();
    }
    json["run"]["duration_s"] = 60.into();
    for scenario in json["scenarios"].as_array_mut().unwrap() {
        scenario["duration_s"] = 60.into();
        rated(scenario);
    }
    rated(&mut json["total"]);
}

/// What was changed and noted, and what of the arrivals came of it.
#[test]
fn what_was_done_by_hand_on_every_screen() {
    screens("by_hand", |json| {
        three(json, ["browse", "search", "checkout"]);
        json["scenarios"][0] = withheld(json["scenarios"][0].clone());
        json["scenarios"][1]["ledger"]["completed"] = 4_988.into();
        json["scenarios"][2]["ledger"]["completed"] = 4_993.into();
        json["scenarios"][2]["ledger"]["interrupted"] = 7.into();
        json["total"]["ledger"] = json!({"planned": 16_200, "started": 15_000, "completed": 14_981,
            "failed": 12, "interrupted": 7, "dropped": 1_200, "withheld": 1_200, "late": 0});
        last_a_minute(json);
        let event = |action: &str, event: &str, s: f64| json!({"action": action, "event": event, "done_s": s});
        let note = event(
            "mark",
            "deployed 1.4.2 to the first half of the machines in the north",
            2.5,
        );
        json["scenarios"][0]["events"] = json!([
            event("pause", "pause", 1.25),
            note,
            event("resume", "resume", 13.25),
        ]);
        json["scenarios"][1]["events"] = json!([note]);
        json["scenarios"][2]["events"] = json!([note]);
    });
    screens("by_hand_of_one", |json| {
        json["scenarios"][0] = withheld(json["scenarios"][0].clone());
        json["total"]["ledger"] = json["scenarios"][0]["ledger"].clone();
        json["scenarios"][0]["events"] = json!([
            {"action": "pause", "event": "pause", "done_s": 1.25},
            {"action": "resume", "event": "resume", "done_s": 13.25},
        ]);
        last_a_minute(json);
    });
}

#[test]
fn long_names_on_every_screen() {
    screens("long_names", |json| {
        let name = "the_checkout_of_a_basket_with_many_things_in_it_by_somebody_in_a_hurry";
        three(
            json,
            [name, "the_checkout_of_an_empty_basket", "日本語のシナリオ"],
        );
        let statistics = json["total"]["response_time_us"].clone();
        json["scenarios"].as_array_mut().unwrap().truncate(2);
        json["scenarios"][0]["steps"] = json!([
            {"name": "put_the_thing_into_the_basket", "response_time_us": statistics},
            {"name": "put_the_thing_back_on_its_shelf_and_look_for_another", "response_time_us": statistics, "round_trip_us": statistics},
        ]);
        json["scenarios"][0]["backends"] = json!([
            {"id": "x".repeat(128), "requests": 5000, "share": 1.0, "failed": 0},
        ]);
    });
}

#[test]
fn three_long_names_on_every_screen() {
    screens("three_long_names", |json| {
        let name = "the_checkout_of_a_basket_with_many_things_in_it_by_somebody_in_a_hurry";
        three(
            json,
            [name, "the_checkout_of_an_empty_basket", "日本語のシナリオ"],
        );
    });
}

/// Conditions on tags, with the values that were compared.
fn on_tags(json: &mut serde_json::Value) {
    json["total"]["thresholds"] = json!([
        {"expression": "tags.tier.gold.response_time.p99 < 20ms over any 10s", "unit": "ms",
         "observed": 31.2, "pass": false, "window": {"from_s": 12, "to_s": 22}},
        {"expression": "tags.region.'the far east of it all'.backends.'10.0.0.1:8080'.error_rate < 20%",
         "unit": "%", "observed": 0.0, "pass": true, "abort": true},
        {"expression": "tags.tier.gold.error_rate < 1%", "unit": "%", "observed": 31.0, "pass": false,
         "abort": true, "ended_run": {"at_s": 33.01, "observed": 12.5}},
    ]);
}

#[test]
fn tags_of_two_scenarios_on_every_screen() {
    screens("tags_of_two", |json| {
        let mut second = json["scenarios"][0].clone();
        second["name"] = "second".into();
        json["scenarios"] = json!([json["scenarios"][0], second]);
        on_tags(json);
    });
}

#[test]
fn tags_of_three_scenarios_on_every_screen() {
    screens("tags_of_three", |json| {
        three(json, ["one", "two", "three"]);
        on_tags(json);
    });
}

#[test]
fn tags_of_one_scenario() {
    insta::assert_snapshot!(summary(on_tags), @"
    PASS  hello_high in 104 ms

    hello_high  grpc
    requests    5,000 planned = 5,000 ok + 0 failed
    throughput  48,077/s, 303 KiB sent, 518 KiB received
                      p50      p90      p95      p99    p99.9      max     mean
    response       910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    service        910 µs  1.21 ms   1.4 ms  2.31 ms        -  8.11 ms  1.01 ms
    backend     embedded, 5,000 answers
    thresholds  ok   error_rate < 1%  (was 0%)

    tags
    thresholds  FAIL tags.tier.gold.response_time.p99 < 20ms over any 10s (was
                     31.2 ms from 12 s to 22 s)
                ok   tags.region.'the far east of it
                     all'.backends.'10.0.0.1:8080'.error_rate < 20% (was 0%)
                FAIL tags.tier.gold.error_rate < 1% (was 12.5% after 33 s, and ended
                     the run)
    generator   2 workers, the busiest used 45% of its core: not the limit
    ");
}

#[test]
fn lives_and_checks_on_every_screen() {
    screens("lives_and_checks", |json| {
        let scenario = &mut json["scenarios"][0];
        let mut step = scenario["steps"][0].clone();
        step["name"] = "order".into();
        step["checks"] = json!([
            {"expression": "status == 'OK'", "passed": 5_000, "failed": 0},
            {"expression": "reply.total == 3", "passed": 4_988, "failed": 12,
                "example": "reply.total was 4; the reply: {\"total\": 4, \"items\": [{\"id\": \"a-17\", \"price\": 1}, {\"id\": \"b-4\", \"price\": 3}], \"currency\": \"EUR\"}"},
            {"expression": "reply.items | length == reply.total", "passed": 0, "failed": 5_000},
            {"expression": "reply.id", "passed": 5_000, "failed": 0},
            {"expression": "trailers['x-cost'] < 3", "passed": 0, "failed": 0},
        ]);
        let browse = json!({"name": "browse", "response_time_us": step["response_time_us"],
            "checks": [{"expression": "reply.text != ''", "passed": 1, "failed": 0}]});
        let login = json!({"name": "login", "part": "begin",
        "response_time_us": step["response_time_us"],
        "outcomes": {"ok": 97, "grpc.UNAUTHENTICATED": 2, "timeout": 1},
        "failures": [
            {"outcome": "grpc.UNAUTHENTICATED", "count": 2, "example": "the password is older than 90 days"},
            {"outcome": "timeout", "count": 1},
        ]});
        let logout = json!({"name": "logout", "part": "end", "outcomes": {"ok": 97}});
        scenario["steps"] = json!([login, browse, step, logout]);
    });
}

/// The steps of one scenario among many are told of where they failed.
#[test]
fn what_failed_in_many_scenarios() {
    let document = sample::document(|json| {
        let mut scenario = json["scenarios"][0].clone();
        let login = json!({"name": "login", "part": "begin", "outcomes": {"ok": 1, "connect": 2},
            "failures": [{"outcome": "connect", "count": 2}]});
        let logout = json!({"name": "logout", "part": "end", "outcomes": {"ok": 1},
            "checks": [{"expression": "reply.bye", "passed": 2, "failed": 1, "example": "bye"}]});
        scenario["steps"] = json!([login, scenario["steps"][0], logout]);
        scenario["thresholds"] = json!([]);
        let name = |nth: &str| {
            let mut other = json["scenarios"][0].clone();
            other["name"] = nth.into();
            other
        };
        json["scenarios"] = json!([scenario, name("second"), name("third")]);
    });
    let text = rendered(&document, 80);
    let section: Vec<&str> = text
        .lines()
        .skip_while(|it| *it != "hello_high")
        .take_while(|it| !it.is_empty())
        .collect();
    insta::assert_snapshot!(section.join("\n"), @"
    hello_high
    begin       login: 2 × connect
    checks      logout
                FAIL reply.bye (1 of 3 failed), e.g. bye
    ");
}

#[test]
fn what_was_done_about_failures_on_every_screen() {
    screens("retries", |json| {
        let change = |t_s: f64, by: &str, from: &str, to: &str| json!({"t_s": t_s, "peer": "127.0.0.1:50051", "by": by, "from": from, "to": to, "reason": ""});
        json["scenarios"][0]["standings"] = json!([
            change(0.0, "health_check", "unknown", "not_serving"),
            change(1.5, "health_check", "not_serving", "serving"),
            change(2.25, "circuit_breaker", "closed", "open"),
            change(7.25, "circuit_breaker", "open", "half_open"),
            change(7.252, "circuit_breaker", "half_open", "closed"),
        ]);
        json["scenarios"][0]["retries"] = json!({
            "attempts": 1_234, "ok": 1_200, "failed": 17, "throttled": 3,
            "outcomes": {"grpc.UNAVAILABLE": 1_000, "connection": 234},
            "backends": {"(unknown)": 234, "b1": 1_000},
        });
    });
}

/// They were shown by addresses that the suite does not have, and twice.
#[test]
fn servers_of_the_suite_go_by_their_names() {
    let (one, other) = ("127.0.0.1:26521", "127.0.0.1:26522");
    let shown = |listed: &str| {
        let document = sample::document(|json| {
            let targets = ["backend:g1", "backend:g2"];
            let name = json["scenarios"][0]["name"].clone();
            json["run"]["plan"] = json!({"scenarios": [{"name": name, "targets": targets}]});
            let connections = json!({"opened": 1, "failed": 0, "dropped": 0});
            let target = |address: &str| json!({"target": address, "completed": 9, "failed": 0, "unanswered": 0, "connections": connections});
            let address = |address: &str, target: &str| json!({"address": address, "target": target, "share": 0.5, "connections": 1, "completed": 9, "failed": 0, "unanswered": 0});
            let scenario = &mut json["scenarios"][0];
            scenario["targets"] = json!([target(one), target(other)]);
            scenario["addresses"] = json!([address(one, one), address(listed, other)]);
            scenario["standings"] = json!([{"t_s": 1.5, "peer": other, "by": "circuit_breaker", "from": "closed", "to": "open", "reason": ""}]);
        });
        rendered(&document, 100)
    };
    let alone = shown(other);
    for expected in [
        "  backend:g1  ",
        "  backend:g2  ",
        "backend:g2 open at 1.5 s",
    ] {
        assert!(alone.contains(expected), "{alone}");
    }
    for address in [one, other, "addresses"] {
        assert!(!alone.contains(address), "{alone}");
    }
    // Where an address is none of the targets, all are told of.
    let listed = shown("127.0.0.1:26523");
    for address in [one, "127.0.0.1:26523"] {
        assert!(listed.contains(address), "{listed}");
    }
}

#[test]
fn a_capacity_on_every_screen() {
    on_screens("capacity", &sample::capacity(|_| {}));
}

/// One user alone is too much: there is a trial, and no rate.
#[test]
fn no_capacity_on_every_screen() {
    let document = sample::capacity(|json| {
        let capacity = &mut json["capacity"];
        let mut idle = capacity["trials"][0].clone();
        idle["result"] = "broke".into();
        idle["reason"] = "`response_time.p99 < 5ms`: 6.1 ms".into();
        idle["response_time_us"]["p99"] = json!(6_100.0);
        let known = "no capacity: one user alone is too much: `response_time.p99 < 5ms`: 6.1 ms";
        *capacity = json!({"wanted_width": 0.02, "end": "idle", "summary": known,
            "at_lower": {"held": 0, "of": 0}, "confirmed": false, "shown_trial": 0,
            "goals": [{"expression": "response_time.p99 < 5ms"}],
            "trials": [idle], "budget_s": 60.0, "took_s": 0.51});
        json["verdict"] = json!({"status": "fail", "reasons": [known,
            "`hello_high`: response_time.p99 is 6.1 ms, expected < 5ms"], "warnings": []});
        json["scenarios"][0]["response_time_us"] =
            json["capacity"]["trials"][0]["response_time_us"].clone();
    });
    on_screens("no_capacity", &document);
}

/// Nobody asks who did not answer where all did.
#[test]
fn answers_of_nobody_are_no_column() {
    let shown = |unknown: u64| {
        let backends = json!([
            {"id": "b1", "requests": 5_000, "share": 1.0, "failed": 0},
            {"id": "(unknown)", "requests": unknown, "share": 0.0, "failed": unknown},
        ]);
        let document = sample::document(|json| {
            json["scenarios"][0]["backends"] = backends.clone();
            let mut other = json["scenarios"][0].clone();
            other["name"] = json!("other");
            json["scenarios"].as_array_mut().unwrap().push(other);
            json["total"]["backends"] = backends.clone();
        });
        let text = rendered(&document, 100);
        let table = text
            .split_once("answers by backend")
            .expect("it is there")
            .1;
        table.split("\n\n").next().expect("a part").to_owned()
    };
    assert!(!shown(0).contains("(unknown)"), "{}", shown(0));
    assert!(shown(1).contains("(unknown)"), "{}", shown(1));
}
