//! Searches for a capacity, held against each other.

use serde_json::{Value, json};

use crate::support::{Stored, result};

/// The n-th search, which found these bounds.
fn search(nth: u32, [lower, upper]: [f64; 2]) -> Value {
    let mut found = result(nth, 1.0);
    let load = json!({"open": {"rate": format!("{lower}/s"), "duration": "10s", "arrivals": "uniform",
        "users": {"max": 1000}}});
    found["run"]["plan"]["scenarios"][0]["load"] = load;
    found["run"]["plan"]["scenarios"][0]["thresholds"] = json!(["response_time.p99 < 20ms"]);
    found["scenarios"][0]["load_model"] = "open".into();
    found["capacity"] = json!({
        "lower_per_s": lower, "upper_per_s": upper, "wanted_width": 0.02, "end": "settled",
        "summary": format!("capacity {lower} to {upper}/s"),
        "at_lower": {"held": 5, "of": 6}, "confirmed": true,
        "goals": [{"expression": "response_time.p99 < 20ms", "holds_at_per_s": lower, "breaks_at_per_s": upper}],
        "trials": [], "budget_s": 60.0, "took_s": 31.0,
    });
    found
}

fn stored() -> Stored {
    let stored = Stored::with(0, 0, 1.0);
    stored.put("before.json", &search(1, [4_120.0, 4_200.0]));
    stored.put("after.json", &search(2, [3_700.0, 3_770.0]));
    stored.put("alike.json", &search(3, [4_130.0, 4_210.0]));
    stored.put("run.json", &result(4, 1.0));
    stored
}

#[test]
fn a_capacity_that_is_less_is_told_and_fails_where_a_limit_says_so() {
    let stored = stored();
    let said = stored.say(&["compare", "before.json", "after.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let told = "WORSE  the capacity is less, by 8.5% at least and 11.9% at most\n";
    assert!(said.stdout.starts_with(told), "{said:?}");
    assert!(
        !said.stdout.contains("response"),
        "of trials at two rates: {said:?}"
    );
    let limited = |limit, new| {
        let said = stored.say(&["compare", "--fail-on", limit, "before.json", new]);
        (said.code, said.stdout.lines().next().map(str::to_owned))
    };
    let (code, first) = limited("capacity < -5%", "after.json");
    assert_eq!(code, Some(99), "{first:?}");
    assert!(first.is_some_and(|it| it.starts_with("FAIL  1 limit not kept, ")));
    let (code, first) = limited("capacity < -5%", "alike.json");
    assert_eq!(code, Some(0));
    assert_eq!(
        first.as_deref(),
        Some("NO DIFFERENCE  the capacity is the same within 5%")
    );
    assert_eq!(limited("throughput < -5%", "after.json").0, Some(2));
}

#[test]
fn a_run_is_not_held_against_a_search() {
    let stored = stored();
    for flags in [&[][..], &["--force"]] {
        let said = stored.say(&[&["compare"], flags, &["before.json", "run.json"]].concat());
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
        let told = "error: before.json is a search for a capacity and run.json is a run, which has none to compare; \
                    expected searches on both sides, or runs";
        assert!(said.stderr.contains(told), "{said:?}");
    }
}

/// Before any load: neither would take so short a time otherwise, and both would have a result.
#[test]
fn what_is_to_come_is_known_to_be_of_the_other_kind() {
    let stored = stored();
    let run = [
        "run",
        "-s",
        "hello_light",
        "-n",
        "200",
        "--baseline",
        "before.json",
    ];
    let said = stored.say(&run);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    let told = "before.json is a search for a capacity and this run is a run";
    assert!(said.stderr.contains(told), "{said:?}");
    let search = [
        "capacity",
        "-s",
        "hello_light",
        "--to",
        "50/s",
        "--baseline",
        "run.json",
    ];
    let said = stored.say(&search);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    let told = "this run is a search for a capacity and run.json is a run";
    assert!(said.stderr.contains(told), "{said:?}");
}

#[test]
fn a_search_is_reported_again() {
    let stored = stored();
    let said = stored.say(&["report", "before.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout
            .starts_with("PASS  greet: capacity 4120 to 4200/s\n\ncapacity\n"),
        "{said:?}"
    );
    let said = stored.say(&["history", "."]);
    assert!(said.stdout.contains("4,120 to 4,200/s"), "{said:?}");
}
