//! The chapter of a search for a capacity.

use serde_json::{Value, json};

use super::*;

fn trial(purpose: &str, offered: (&str, f64), result: &str, p99: f64) -> Value {
    let (field, load) = offered;
    let held = result == "held";
    let load = match field {
        "users" => json!(load as u64),
        _ => json!(load),
    };
    let mut trial = json!({
        "purpose": purpose, field: load, "from_s": 1.0, "duration_s": 2.5, "result": result,
        "completed_per_s": if held { 400.0 } else { 350.0 }, "error_rate": 0.0,
        "response_time_us": {"count": 900, "mean": 20_000.0, "p50": 18_000.0, "p95": p99 / 2.0, "p99": p99},
        "goals": [{"expression": "response_time.p99 < 60ms", "unit": "ms", "observed": p99 / 1e3, "pass": held}],
    });
    if !held {
        trial["reason"] = json!("`response_time.p99 < 60ms`: 90 ms");
        trial["certain_after_s"] = json!(0.8);
    }
    trial
}

fn capacity() -> Value {
    json!({
        "lower_per_s": 400.0, "upper_per_s": 408.0, "conditional_per_s": 399.0, "width": 0.0196,
        "wanted_width": 0.02, "end": "settled",
        "summary": "capacity 400 to 408/s, width 1.96%, 2 of 2 trials held",
        "notes": ["after 500/s the service was gone, and back after 3 s"],
        "at_lower": {"held": 2, "of": 2, "settled": true}, "confirmed": true,
        "at_upper": {"held": 0, "of": 1, "settled": false}, "shown_trial": 4,
        "breaks_first": {
            "goal": {"expression": "response_time.p99 < 60ms", "unit": "ms", "observed": 90.0, "pass": false},
            "at_per_s": 408.0, "cause": "slow", "backend": HARMFUL, "explanation": "it was slow",
        },
        "goals": [
            {"expression": "response_time.p99 < 60ms", "holds_at_per_s": 400.0, "breaks_at_per_s": 408.0},
            {"expression": "error_rate < 1%", "holds_at_per_s": 400.0},
        ],
        "trials": [
            trial("idle", ("users", 1.0), "held", 21_000.0),
            trial("ramp", ("users", 2.0), "held", 22_000.0),
            trial("explore", ("rate_per_s", 500.0), "invalid", 22_000.0),
            trial("refine", ("rate_per_s", 408.0), "broke", 90_000.0),
            trial("confirm", ("rate_per_s", 400.0), "held", 50_000.0),
        ],
        "scalability": {"lambda_per_s": 50.0, "sigma": 0.01, "kappa": 0.002, "residual": 0.061,
            "from_users": 1.0, "to_users": 16.0},
        "budget_s": 60.0, "took_s": 41.2,
    })
}

fn searched(change: impl FnOnce(&mut Value)) -> Document {
    document(|it| {
        let mut capacity = capacity();
        change(&mut capacity);
        it["capacity"] = capacity;
    })
}

fn chapter(document: &Document) -> String {
    let parts = parts(&Writer::new(), document);
    let first = parts.chapters.into_iter().next().expect("chapters");
    assert_eq!(first.id, "capacity");
    first.html
}

#[test]
fn a_search_is_the_first_chapter() {
    insta::assert_snapshot!(chapter(&searched(|_| {})));
}

#[test]
fn of_rates_and_a_law_that_there_are_none_of_nothing_is_drawn() {
    let html = chapter(&searched(|it| {
        it["trials"].as_array_mut().unwrap().truncate(2);
        let fields = it.as_object_mut().unwrap();
        for field in ["scalability", "breaks_first", "upper_per_s", "lower_per_s"] {
            fields.remove(field);
        }
    }));
    assert_eq!(values(&html, "data-chart"), ["scalability"]);
    assert!(!html.contains("Universal Scalability Law"), "{html}");
    assert!(!html.contains("What breaks first"), "{html}");
}

#[test]
fn what_is_known_so_far_is_no_answer() {
    let document = searched(|_| {});
    let known = document.capacity.as_ref().unwrap();
    let progress = Progress::running("SEARCHING", "greet, capacity 400 to 408/s");
    let parts = parts_of_search(
        &Writer::new(),
        &progress,
        known,
        "trial 6, 404/s".to_owned(),
    );
    let html = &parts.chapters[0].html;
    for text in [
        "Capacity as it is known so far",
        "trial 6, 404&#x2f;s",
        "41 s of 60 s, 5 trials",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(!html.contains("found"), "{html}");
    assert_eq!(values(html, "data-chart"), ["capacity", "scalability"]);
    assert!(
        parts.header.contains("<dt>holds</dt><dd>400&#x2f;s</dd>"),
        "{}",
        parts.header
    );
}

/// What a short trial has too few samples for, its goals were held against all the same.
#[test]
fn a_percentile_of_few_samples_is_what_its_goal_was_held_against() {
    let html = chapter(&searched(|it| {
        let times = it["trials"][3]["response_time_us"].as_object_mut().unwrap();
        times.remove("p99");
    }));
    assert!(html.contains("<td>90 ms</td>"), "{html}");
}
