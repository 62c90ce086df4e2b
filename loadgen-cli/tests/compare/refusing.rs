//! What is not compared, and what is said of it.

use serde_json::{Value, json};

use crate::common::Said;
use crate::support::{Stored, result};

fn refused(said: &Said, expected: &[&str]) {
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.stdout, "", "a refusal is no comparison");
    assert_eq!(said.stderr.matches("error:").count(), 1, "{said:?}");
    for part in expected {
        assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
    }
}

/// Two results, the second changed.
fn changed(change: impl FnOnce(&mut Value)) -> Stored {
    let stored = Stored::with(0, 0, 1.0);
    let mut other = result(2, 1.0);
    change(&mut other);
    stored.put("a.json", &result(1, 1.0));
    stored.put("b.json", &other);
    stored
}

#[test]
fn other_plans_machines_and_invalid_runs() {
    let stored = changed(|it| {
        it["run"]["plan"]["scenarios"][0]["load"]["closed"]["users"] = json!(200);
        it["run"]["host"]["cores"] = json!(8);
        it["verdict"] = json!({"status": "invalid", "reasons": ["it stood still"], "warnings": []});
    });
    let said = stored.say(&["compare", "a.json", "b.json"]);
    let reasons = [
        "plan: `scenarios.greet.load.closed.users` is 100 in a.json and 200 in b.json",
        "machine: `host.cores` is 2 in a.json and 8 in b.json",
        "invalid: b.json is an invalid run: it stood still",
    ];
    refused(&said, &reasons);
    refused(&said, &["`--force` compares them all the same"]);
    let in_spite_of_some = [
        "compare",
        "--force=machine",
        "--force=invalid",
        "a.json",
        "b.json",
    ];
    let said = stored.say(&in_spite_of_some);
    refused(&said, &reasons[..1]);
    assert!(!said.stderr.contains("host.cores"), "{said:?}");
    let said = stored.say(&["compare", "--force", "a.json", "b.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.starts_with("FORCED  These runs are not alike"),
        "{said:?}"
    );
    for reason in reasons {
        assert!(
            said.stdout.contains(&format!("  because {reason}")),
            "{said:?}"
        );
    }
}

#[test]
fn nothing_in_common_and_nothing_measured() {
    let other = changed(|it| {
        it["scenarios"][0]["name"] = json!("echo");
        it["run"]["plan"]["scenarios"][0]["name"] = json!("echo");
    });
    let said = other.say(&["compare", "--force", "a.json", "b.json"]);
    refused(
        &said,
        &["they have nothing in common: greet (grpc) in the base, echo (grpc) in the new runs"],
    );
    let empty = changed(|it| {
        it["scenarios"][0]["ledger"]["completed"] = json!(0);
        it["scenarios"][0]["response_time_us"] = json!({"count": 0});
    });
    let said = empty.say(&["compare", "a.json", "b.json"]);
    refused(
        &said,
        &["there is nothing to compare: in no run among the new ones did anything end"],
    );
}

#[test]
fn files_that_are_no_results() {
    let stored = Stored::with(1, 0, 1.0);
    let whole = stored.read("base/1.json");
    stored.write("cut.json", &whole[..whole.len() / 2]);
    stored.write(
        "other.json",
        &whole.replace("loadgen.result/1", "loadgen.result/9"),
    );
    stored.write("ours.json", "{\"scenarios\": []}");
    stored.write("empty.json", "");
    for (name, expected) in [
        ("cut.json", "it is cut off"),
        ("other.json", "it is of another version"),
        ("ours.json", "it is no result of a run"),
        ("empty.json", "it is empty"),
        ("gone.json", "No such file"),
    ] {
        let said = stored.say(&["compare", "base/1.json", name]);
        refused(
            &said,
            &[&format!("failed to read the result {name}: "), expected],
        );
    }
}

#[test]
fn folders() {
    let stored = Stored::with(4, 4, 1.0);
    stored.write("base/suite.json", "{\"scenarios\": []}");
    stored.write("base/notes.txt", "none of this");
    let said = stored.say(&["compare", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr
            .starts_with("passing over base/suite.json: it is no result"),
        "{said:?}"
    );
    // What stands beside results, and what the tool itself puts there.
    stored.write("new/other.html", "<!-- ours --><html></html>");
    stored.write("new/empty.json", "");
    let into_it = ["compare", "-q", "-o", "html=base/c.html", "base", "new"];
    assert_eq!(stored.say(&into_it).code, Some(0));
    let said = stored.say(&["compare", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for passed_over in [
        "passing over base/c.html: it is no result of a run: it is a page that carries no whole document",
        "passing over new/other.html: it is no JSON",
        "passing over new/empty.json: it is empty",
    ] {
        assert!(said.stderr.contains(passed_over), "{said:?}");
    }
    stored.write("none/notes.txt", "none of this");
    let said = stored.say(&["compare", "none", "new"]);
    refused(&said, &["there is no result of a run in the folder none"]);
    stored.write("new/cut.json", "{\"schema\": \"loadgen.result/1\",");
    let said = stored.say(&["compare", "base", "new"]);
    refused(
        &said,
        &["failed to read the result new/cut.json: it is cut off"],
    );
}

#[test]
fn sides_and_flags() {
    let stored = Stored::with(4, 4, 1.0);
    refused(&stored.say(&["compare", "base"]), &["BASE... -- NEW..."]);
    let three = ["compare", "base/1.json", "base/2.json", "new/11.json"];
    refused(&stored.say(&three), &["which runs are held against which?"]);
    let behind = ["compare", "base", "--", "new", "--json"];
    refused(&stored.say(&behind), &["`--json` stands behind `--`"]);
    for (limit, expected) in [
        ("respons_time.p99 > +10%", "did you mean `response_time`?"),
        ("response_time.p99 > 10%", "expected a change with its sign"),
        ("late > +10%", "expected what runs are compared by"),
    ] {
        let said = stored.say(&["compare", "--fail-on", limit, "base", "new"]);
        refused(&said, &["--fail-on", expected]);
    }
    let unknown = [
        "compare",
        "--fail-on",
        "steps.helo.response_time.p99 > +1%",
        "base",
        "new",
    ];
    refused(
        &stored.say(&unknown),
        &["no step `helo`; did you mean `hello`?"],
    );
    for within in ["5", "-1%", "101%", "NaN%"] {
        let said = stored.say(&["compare", &format!("--within={within}"), "base", "new"]);
        refused(
            &said,
            &["--within", "expected a percentage from 0% to 100%"],
        );
    }
    let nowhere = ["compare", "-o", "json=no/such/c.json", "base", "new"];
    refused(
        &stored.say(&nowhere),
        &["cannot write the result to no/such/c.json"],
    );
    let kind = ["compare", "-o", "hlog=c.hlog", "base", "new"];
    refused(&stored.say(&kind), &["hlog"]);
}
