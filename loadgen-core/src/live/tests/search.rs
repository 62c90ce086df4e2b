//! The page of a search for a capacity, which is one for all its trials.

use super::*;
use crate::capacity::{Offered, Step, TrialStep};
use crate::report::{Capacity, TrialPurpose};

/// What is known after trials at these rates.
fn known(rates: &[f64], took_s: f64) -> Capacity {
    let trials = rates.iter().map(|rate| {
        json!({
            "purpose": "explore", "rate_per_s": rate, "from_s": 0.0, "duration_s": 3.0, "result": "held",
            "completed_per_s": rate, "response_time_us": {"count": 0}, "goals": [],
        })
    });
    let capacity = json!({
        "lower_per_s": rates.last(), "wanted_width": 0.02, "end": "stopped", "summary": "",
        "at_lower": {"held": 1, "of": 1}, "confirmed": false, "goals": [],
        "trials": trials.collect::<Vec<_>>(), "budget_s": 60.0, "took_s": took_s,
    });
    serde_json::from_value(capacity).expect("a capacity")
}

fn at(per_second: f64) -> Option<Step> {
    Some(Step::Trial(TrialStep {
        purpose: TrialPurpose::Refine,
        offered: Offered::Rate(per_second),
        held_to: None,
        duration: Duration::from_secs(3),
        warm_up: Duration::ZERO,
    }))
}

fn html<'a>(message: &'a Value, id: &str) -> &'a str {
    let chapters = message["chapters"].as_array().expect("chapters");
    let chapter = chapters.iter().find(|it| it["id"] == id);
    chapter
        .and_then(|it| it["html"].as_str())
        .unwrap_or_default()
}

#[test]
fn what_a_trial_left_stays_until_there_are_figures_of_the_next_one() {
    let first = dashboard().of_trial(Search::new(&known(&[], 2.0), at(200.0)), None);
    let mut first = first;
    let whole = read(&first.whole());
    assert_eq!(whole["phase"], "running");
    assert!(html(&whole, "capacity").contains("trial 1, 200&#x2f;s for 3 s"));
    let points_of_first = vec![point(0, 1, 50), point(1, 1, 50)];
    let told = read(&first.advance(recorded(2, 100, part(1, 0, points_of_first)), false));
    assert!(html(&told, "scenario-0").contains("trial 1, 200&#x2f;s"));
    assert!(
        told["header"]
            .as_str()
            .unwrap()
            .contains("4 s of 60 s used")
    );
    assert_eq!(told.get("capacity"), None, "it was told");

    let news = read(&first.knows(Search::new(&known(&[200.0], 5.0), None)));
    assert_eq!(news["capacity"]["trials"][0]["rate_per_s"], 200.0);
    assert_eq!(news["capacity"]["lower_per_s"], 200.0);
    assert!(points(&news).is_empty(), "they were told");

    let search = Search::new(&known(&[200.0], 5.0), at(400.0));
    let mut second = dashboard().of_trial(search, Some(first));
    let whole = read(&second.whole());
    assert!(html(&whole, "capacity").contains("trial 2, 400&#x2f;s for 3 s"));
    assert!(html(&whole, "scenario-0").contains("trial 1, 200&#x2f;s"));
    assert_eq!(points(&whole).len(), 2);

    let told = read(&second.advance(recorded(1, 70, part(1, 0, vec![point(0, 1, 70)])), false));
    assert!(html(&told, "scenario-0").contains("trial 2, 400&#x2f;s"));
    assert_eq!(told["scenarios"][0]["from_s"], 0, "none of before holds");
    assert_eq!(points(&told).len(), 1);
    assert_eq!(points(&read(&second.whole()))[0]["completed"], 70);
}

/// A trial may have begun and measured nothing yet.
#[test]
fn points_of_the_trial_before_go_also_where_there_are_none_yet() {
    let mut first = dashboard().of_trial(Search::new(&known(&[], 0.0), at(200.0)), None);
    first.advance(recorded(1, 50, part(1, 0, vec![point(0, 1, 50)])), false);
    let search = Search::new(&known(&[200.0], 3.0), at(400.0));
    let mut second = dashboard().of_trial(search, Some(first));
    let told = read(&second.advance(recorded(1, 0, part(1, 0, Vec::new())), false));
    assert_eq!(told["scenarios"][0]["from_s"], 0);
    assert!(points(&told).is_empty());
    assert!(points(&read(&second.whole())).is_empty());
}

#[test]
fn a_search_has_no_verdict_and_says_what_is_known() {
    let search = Search::new(
        &known(&[200.0], 5.9),
        Some(Step::CoolDown(Duration::from_secs(1))),
    );
    let dashboard = dashboard().of_trial(search, None);
    let whole = read(&dashboard.whole());
    assert_eq!(whole["title"], "greet, capacity ≥ 200/s: SEARCHING");
    let header = whole["header"].as_str().unwrap();
    for text in [
        "SEARCHING",
        "There is no answer before the end",
        "until it is answered as before",
        "5 s of 60 s used",
    ] {
        assert!(header.contains(text), "{text}: {header}");
    }
    assert!(!header.contains("verdict before"), "{header}");
}
