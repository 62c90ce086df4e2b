use loadgen_core::capacity::TrialStep;
use serde_json::{Value, json};
use test_case::test_case;

use super::*;

fn trial(rate: f64, result: &str, reason: Option<&str>) -> Value {
    let mut trial = json!({
        "purpose": "refine", "rate_per_s": rate, "from_s": 0.0, "duration_s": 3.3, "result": result,
        "completed_per_s": rate, "response_time_us": {"count": 9, "p50": 1_200.0, "p99": 8_100.0}, "goals": [],
    });
    if let Some(reason) = reason {
        trial["reason"] = json!(reason);
    }
    trial
}

fn known_of(lower: Option<f64>, upper: Option<f64>) -> Capacity {
    let reason = "`response_time.p99 < 20ms`: 31.4 ms";
    let mut trials = vec![
        trial(4_900.0, "held", None),
        trial(5_000.0, "broke", Some(reason)),
    ];
    trials[0]["users"] = json!(16);
    trials[0].as_object_mut().unwrap().remove("rate_per_s");
    let mut capacity = json!({
        "wanted_width": 0.02, "end": "stopped", "summary": "", "at_lower": {"held": 0, "of": 0},
        "confirmed": false, "trials": trials, "budget_s": 300.0, "took_s": 95.2,
        "goals": [
            {"expression": "response_time.p99 < 20ms", "holds_at_per_s": 4_900.0, "breaks_at_per_s": 5_000.0},
            {"expression": "error_rate < 1%", "holds_at_per_s": 4_900.0},
            {"expression": "steps.pay.error_rate < 1%"},
        ],
    });
    for (field, rate) in [("lower_per_s", lower), ("upper_per_s", upper)] {
        if let Some(rate) = rate {
            capacity[field] = json!(rate);
        }
    }
    if lower.is_some() && upper.is_some() {
        capacity["width"] = json!(0.02);
    }
    serde_json::from_value(capacity).expect("a capacity")
}

fn drawn() -> Drawn {
    Drawn {
        known: Some(known_of(Some(4_900.0), Some(5_000.0))),
        step: Some(Step::Trial(TrialStep {
            purpose: TrialPurpose::Refine,
            offered: Offered::Rate(4_950.0),
            held_to: None,
            duration: Duration::from_secs(10),
            warm_up: Duration::ZERO,
        })),
        at: Duration::from_millis(7_300),
        figures: Some("4,948/s ok · p50 1.2 ms · p99 8.1 ms".to_owned()),
        below: vec![Line {
            text: "  s stops".to_owned(),
            tone: Tone::Plain,
        }],
    }
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|it| it.text.as_str()).collect()
}

#[test]
fn what_is_known_stands_above_the_trial_and_those_before() {
    let lines = drawn().lines(100, 40);
    let expected = [
        "capacity 4,900 to 5,000/s so far, 2% apart",
        "  trial 3: 4,950/s for 10 s, to settle a bound",
        "  4,948/s ok · p50 1.2 ms · p99 8.1 ms · 102 s of 5 min used",
        "  response_time.p99 < 20ms   holds 4,900/s · breaks 5,000/s",
        "  error_rate < 1%            holds 4,900/s",
        "  steps.pay.error_rate < 1%  not known yet",
        "    2   5,000/s  3.3 s  broke  p50 1.2 ms  p99 8.1 ms  `response_time.p99 < 20ms`: 31.4 ms",
        "    1  16 users  3.3 s  held   p50 1.2 ms  p99 8.1 ms",
        "  s stops",
    ];
    assert_eq!(texts(&lines), expected);
    let tones: Vec<Tone> = lines.iter().map(|it| it.tone).collect();
    assert_eq!(
        (tones[0], tones[6], tones[7]),
        (Tone::Strong, Tone::Bad, Tone::Plain)
    );
}

/// Between two trials nothing moves: what is not known yet has its line all the same.
#[test]
fn a_trial_without_figures_takes_as_many_lines() {
    let mut drawn = drawn();
    let before = drawn.lines(100, 40).len();
    drawn.figures = None;
    drawn.step = Some(Step::CoolDown(Duration::from_secs(1)));
    let lines = drawn.lines(100, 40);
    assert_eq!(lines.len(), before);
    assert_eq!(
        lines[1].text,
        "  rest: until one user is answered as before all load"
    );
    assert_eq!(lines[2].text, "  … · 102 s of 5 min used");
}

#[test]
fn on_a_low_terminal_trials_before_give_way() {
    let lines = drawn().lines(100, 8);
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[7].text, "  s stops");
    assert!(
        lines[6].text.starts_with("    2   5,000/s") || lines[6].text.starts_with("    2  5,000/s")
    );
}

#[test]
fn many_goals_are_counted() {
    let mut known = known_of(None, None);
    let goal = known.goals[0].clone();
    known.goals = vec![goal; 9];
    let lines = goals(&known, 40);
    assert_eq!(lines.len(), GOALS_SHOWN);
    assert_eq!(lines[5], "  … and 4 more goals");
    // No name takes more than half.
    assert!(lines[0].starts_with("  response_t…"), "{}", lines[0]);
}

#[test_case(None, None => "capacity not known so far")]
#[test_case(Some(4_900.0), None => "capacity ≥ 4,900/s so far"; "no upper bound")]
#[test_case(None, Some(5_000.0) => "capacity < 5,000/s so far"; "no lower bound")]
fn says_what_is_known(lower: Option<f64>, upper: Option<f64>) -> String {
    known(&known_of(lower, upper))
}

#[test]
fn a_line_that_stays_is_no_longer_than_fits() {
    let known = known_of(None, None);
    assert_eq!(
        told(2, &known.trials[1]),
        "trial 2: 5,000/s for 3.3 s, 5,000/s completed, p50 1.2 ms, p99 8.1 ms, broke: `response_time.p99 < 20ms`: 31.…"
    );
    let mut long = known.trials[1].clone();
    long.reason = Some("x".repeat(400));
    assert_eq!(flow::columns(&told(2, &long)), LINE);
}
