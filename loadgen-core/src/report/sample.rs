//! The result document that tests begin with.

use serde_json::{Value, json};

use super::Document;

/// A small passing run, changed as told.
pub(super) fn document(change: impl FnOnce(&mut Value)) -> Document {
    let statistics = json!({
        "count": 5000, "mean": 1012.3, "min": 210.0, "p50": 910.0, "p90": 1210.0, "p95": 1402.0,
        "p99": 2310.0, "max": 8110.0,
    });
    let mut json = json!({
        "schema": "loadgen.result/1",
        "run": {
            "id": "20261120T193218Z-0001",
            "started_at": "2026-11-20T19:32:18.123Z",
            "duration_s": 0.104,
            "version": "0.1.0",
            "host": {"os": "linux", "arch": "x86_64"},
            "plan": {},
            "generator": {"workers": 2, "cpu_busy": 0.45, "saturated": false, "pacing": "exact", "per_worker": []},
            "stopped": false,
        },
        "verdict": {"status": "pass", "reasons": [], "warnings": []},
        "scenarios": [{
            "name": "hello_high",
            "protocol": "grpc",
            "load_model": "closed",
            "duration_s": 0.104,
            "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0,
                "interrupted": 0, "dropped": 0, "late": 0},
            "throughput_per_s": 48076.923,
            "response_time_us": statistics,
            "service_time_us": statistics,
            "saturated_samples": 0,
            "outcomes": {"ok": 5000},
            "failures": [],
            "bytes": {"sent": 310_000, "received": 530_000},
            "connections": {"opened": 2, "failed": 0, "dropped": 0},
            "steps": [{"name": "hello", "response_time_us": statistics, "outcomes": {"ok": 5000}}],
            "backends": [{"id": "embedded", "requests": 5000, "share": 1.0, "failed": 0}],
            "thresholds": [{"expression": "error_rate < 1%", "unit": "%", "observed": 0.0, "pass": true}],
            "series": [],
        }],
        "total": {
            "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0,
                "interrupted": 0, "dropped": 0, "late": 0},
            "throughput_per_s": 48076.923,
            "response_time_us": statistics,
            "service_time_us": statistics,
            "outcomes": {"ok": 5000},
            "bytes": {"sent": 310_000, "received": 530_000},
            "connections": {"opened": 2, "failed": 0, "dropped": 0},
        },
    });
    change(&mut json);
    finish(&mut json);
    serde_json::from_value(json).unwrap()
}

/// A search that has settled on 48,000 to 48,960/s, of one goal that breaks there and one that does not, changed as
/// told. Its scenario is of the trial that confirms the lower bound.
pub(super) fn capacity(change: impl FnOnce(&mut Value)) -> Document {
    document(|json| {
        let standing = json["scenarios"][0]["response_time_us"].clone();
        json["capacity"] = searched(&standing);
        json["scenarios"][0]["load_model"] = "open".into();
        let goals = json["capacity"]["trials"][13]["goals"].clone();
        json["scenarios"][0]["thresholds"] = goals;
        change(json);
    })
}

/// What was found; `standing` are the response times of the trial that stands for it.
fn searched(standing: &Value) -> Value {
    let goals = |p99_ms: f64, errors: f64| {
        json!([
            {"expression": "response_time.p99 < 5ms", "unit": "ms", "observed": p99_ms, "pass": p99_ms < 5.0},
            {"expression": "error_rate < 1%", "unit": "%", "observed": errors, "pass": errors < 1.0},
        ])
    };
    let times =
        |p50: f64, p95: f64, p99: f64| json!({"count": 9000, "p50": p50, "p95": p95, "p99": p99});
    let mut from_s = 0.0;
    let mut trial = |purpose: &str,
                     load: Value,
                     result: &str,
                     lasts: f64,
                     completed: f64,
                     times: Value| {
        let p99_ms = times["p99"].as_f64().unwrap_or(400.0) / 1e3;
        let mut trial = json!({"purpose": purpose, "from_s": from_s, "duration_s": lasts, "result": result,
            "completed_per_s": completed, "error_rate": 0.0, "response_time_us": times, "goals": goals(p99_ms, 0.0)});
        from_s += lasts;
        for (name, value) in load.as_object().unwrap() {
            trial[name] = value.clone();
        }
        trial
    };
    let users = |users: u64| json!({"users": users});
    let rate = |rate: f64| json!({"rate_per_s": rate});
    let trials = [
        trial(
            "idle",
            users(1),
            "held",
            0.4,
            3_200.0,
            json!({"count": 1280, "p50": 305.0, "p95": 380.0}),
        ),
        trial(
            "ramp",
            users(2),
            "held",
            0.4,
            6_100.0,
            times(320.0, 400.0, 600.0),
        ),
        trial(
            "ramp",
            users(64),
            "held",
            0.4,
            47_300.0,
            times(1_300.0, 2_000.0, 3_000.0),
        ),
        trial(
            "ramp",
            users(128),
            "broke",
            0.4,
            47_100.0,
            times(2_700.0, 4_200.0, 6_000.0),
        ),
        trial(
            "explore",
            rate(47_300.0),
            "held",
            0.4,
            47_290.0,
            times(800.0, 1_300.0, 2_200.0),
        ),
        trial(
            "explore",
            rate(94_600.0),
            "invalid",
            0.4,
            61_000.0,
            times(90_000.0, 160_000.0, 180_000.0),
        ),
        trial(
            "explore",
            rate(66_000.0),
            "broke",
            0.2,
            48_100.0,
            times(31_000.0, 58_000.0, 70_000.0),
        ),
        trial(
            "explore",
            rate(24_000.0),
            "held",
            0.4,
            24_000.0,
            times(350.0, 500.0, 800.0),
        ),
        trial(
            "refine",
            rate(48_960.0),
            "broke",
            1.0,
            48_300.0,
            times(2_900.0, 9_000.0, 14_200.0),
        ),
        trial(
            "refine",
            rate(48_960.0),
            "held",
            1.0,
            48_800.0,
            times(1_500.0, 2_900.0, 4_600.0),
        ),
        trial(
            "refine",
            rate(48_960.0),
            "broke",
            1.0,
            48_200.0,
            times(3_000.0, 8_600.0, 12_900.0),
        ),
        trial(
            "refine",
            rate(48_000.0),
            "broke",
            1.0,
            47_600.0,
            times(1_400.0, 3_900.0, 6_100.0),
        ),
        trial(
            "refine",
            rate(48_000.0),
            "held",
            1.0,
            47_980.0,
            times(900.0, 1_380.0, 2_250.0),
        ),
        trial(
            "confirm",
            rate(48_000.0),
            "held",
            10.0,
            47_990.0,
            standing.clone(),
        ),
    ];
    let mut trials = Value::from(trials.to_vec());
    trials[6]["certain_after_s"] = json!(0.12);
    trials[6]["error_rate"] = json!(0.124);
    trials[6]["goals"] = goals(70.0, 12.4);
    json!({
        "lower_per_s": 48_000.0, "upper_per_s": 48_960.0, "conditional_per_s": 47_980.0, "width": 0.0196,
        "wanted_width": 0.02, "end": "settled",
        "summary": "capacity 48,000 to 48,960/s, width 1.96%, 2 of 3 trials held, response_time.p99 < 5ms breaks first, \
                    on backend b2",
        "at_lower": {"held": 2, "of": 3, "settled": true}, "confirmed": true,
        "at_upper": {"held": 1, "of": 3, "settled": false}, "shown_trial": trials.as_array().map_or(0, |it| it.len() - 1),
        "breaks_first": {
            "goal": {"expression": "response_time.p99 < 5ms", "unit": "ms", "observed": 14.2, "pass": false},
            "at_per_s": 48_960.0, "cause": "slow", "backend": "b2",
            "explanation": "the service completed 48,300/s of 48,960/s, none of the response time was waiting for a free \
                            user or stream",
        },
        "goals": [
            {"expression": "response_time.p99 < 5ms", "holds_at_per_s": 48_000.0, "breaks_at_per_s": 48_960.0},
            {"expression": "error_rate < 1%", "holds_at_per_s": 48_000.0},
        ],
        "trials": trials,
        "scalability": {"lambda_per_s": 3_210.4, "sigma": 0.0312, "kappa": 0.000_112, "residual": 0.0213,
            "from_users": 1.0, "to_users": 64.0},
        "budget_s": 60.0, "took_s": 31.4,
    })
}

/// Puts in what every document has.
fn finish(json: &mut Value) {
    for scenario in json["scenarios"].as_array_mut().unwrap() {
        for step in scenario["steps"].as_array_mut().unwrap() {
            let outcomes = step.as_object_mut().unwrap().entry("outcomes");
            outcomes.or_insert(json!({"ok": 5000}));
        }
    }
}
