//! What a comparison tells, and how.

use serde_json::Value;

use crate::common::Said;
use crate::support::{Stored, result};

/// The line of a table that begins like this.
fn line<'a>(said: &'a Said, begin: &str) -> &'a str {
    let mut lines = said.stdout.lines();
    lines
        .find(|it| it.starts_with(begin))
        .unwrap_or_else(|| panic!("no `{begin}` in {said:?}"))
}

#[test]
fn what_got_worse_is_told() {
    let stored = Stored::with(10, 10, 1.2);
    let said = stored.say(&["compare", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
    assert!(said.stdout.starts_with("WORSE  "), "{said:?}");
    assert!(
        said.stdout
            .contains("base        10 runs, base/1.json .. base/9.json"),
        "{said:?}"
    );
    let p50 = line(&said, "response p50 ");
    assert!(
        p50.contains("+20.0%") && p50.contains("<0.001") && p50.ends_with("worse"),
        "{p50}"
    );
    assert!(line(&said, "throughput ").contains("-16.7%"), "{said:?}");
    assert!(line(&said, "error rate ").ends_with("same"), "{said:?}");
    for title in ["greet (grpc)", "greet, step hello", "greet, step compute"] {
        line(&said, title);
    }
}

#[test]
fn files_on_either_side_of_two_dashes() {
    let stored = Stored::with(4, 5, 0.8);
    let base: Vec<String> = (1..=4).map(|it| format!("base/{it}.json")).collect();
    let mut args = vec!["compare"];
    args.extend(base.iter().map(String::as_str));
    args.extend(["--", "new"]);
    let said = stored.say(&args);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("BETTER  "), "{said:?}");
    line(&said, "new         5 runs, new/11.json .. new/15.json");
}

#[test]
fn limits_decide_about_the_exit() {
    let stored = Stored::with(10, 10, 1.2);
    let limit = |limit: &str| stored.say(&["compare", "--fail-on", limit, "base", "--", "new"]);
    let broken = limit("response_time.p99 > +10%");
    assert_eq!(broken.code, Some(99), "{broken:?}");
    assert!(
        broken.stdout.starts_with("FAIL  1 limit not kept, "),
        "{broken:?}"
    );
    let told = line(&broken, "limits      FAIL greet: response_time.p99 > +10%");
    assert!(told.contains("(+20.0%, "), "{told}");
    let of_step = limit("steps.compute.response_time.p50 > +10%");
    assert_eq!(of_step.code, Some(99), "{of_step:?}");
    for kept in [
        "response_time.p99 > +30%",
        "throughput < -25%",
        "error_rate > +0.1pp",
    ] {
        let said = limit(kept);
        assert_eq!(said.code, Some(0), "{said:?}");
        line(&said, &format!("limits      ok   greet: {kept}"));
    }
}

/// The limit is in the middle of where the change may lie.
#[test]
fn chance_alone_breaks_no_limit() {
    let stored = Stored::with(10, 10, 1.2);
    let said = stored.say(&[
        "compare",
        "--fail-on",
        "response_time.p99 > +20%",
        "base",
        "new",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let told = line(&said, "limits      ok   greet: response_time.p99 > +20%");
    assert!(
        told.contains("undecided, chance may have it on either side"),
        "{told}"
    );
}

/// A limit on what was not measured is one that nobody looked after.
#[test]
fn a_limit_on_nothing_fails() {
    let stored = Stored::with(4, 4, 1.0);
    let said = stored.say(&[
        "compare",
        "--fail-on",
        "response_time.p999 > +20%",
        "base",
        "new",
    ]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let told =
        "(it was not measured on both sides; a run that has it takes 10,000 samples at least)";
    assert!(said.stdout.contains(told), "{said:?}");
}

#[test]
fn a_run_and_itself() {
    let stored = Stored::with(1, 0, 1.0);
    let said = stored.say(&["compare", "base/1.json", "base/1.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("NO DIFFERENCE  "), "{said:?}");
    assert!(
        said.stdout.contains("warning both sides are the same runs"),
        "{said:?}"
    );
    let limit = "--fail-on=response_time.p999 > +10%";
    let said = stored.say(&["compare", limit, "base/1.json", "base/1.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout
            .contains("(it was not measured; both sides are the same runs)"),
        "{said:?}"
    );
}

/// What was not found out is not taken for no difference, however much else is the same.
#[test]
fn one_figure_that_is_undecided_is_a_difference_that_may_be() {
    let stored = Stored::with(4, 0, 1.0);
    for nth in 11..=14 {
        let mut new = result(nth, 1.0);
        let p99 = 1_000.0 + 1_000.0 * f64::from(nth % 10);
        new["scenarios"][0]["response_time_us"]["p99"] = p99.into();
        stored.put(&format!("new/{nth}.json"), &new);
    }
    let said = stored.say(&["compare", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("UNDECIDED  "), "{said:?}");
    assert!(
        said.stdout.contains(" the same within 5%, 1 undecided"),
        "{said:?}"
    );
}

#[test]
fn one_run_a_side_says_what_it_cannot_tell() {
    let stored = Stored::with(1, 1, 2.0);
    let said = stored.say(&["compare", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("UNDECIDED  "), "{said:?}");
    assert!(
        said.stdout
            .contains("warning 1 run in the base and 1 new: how much one run"),
        "{said:?}"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let stored = Stored::with(10, 10, 1.2);
    let args = [
        "compare",
        "--fail-on",
        "steps.hello.response_time.p99 > +10%",
        "base",
        "new",
    ];
    for columns in [60, 80, 200] {
        let said = stored.say_in(columns, &args);
        let widest = said.stdout.lines().map(|it| it.chars().count()).max();
        assert!(widest <= Some(columns), "{said:?}");
        assert!(line(&said, "response p50 ").ends_with("worse"), "{said:?}");
    }
}

#[test]
fn the_document() {
    let stored = Stored::with(10, 10, 1.2);
    let said = stored.say(&["compare", "--json", "-o", "json=c.json", "base", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(stored.read("c.json"), said.stdout);
    let document = said.json();
    assert_eq!(document["schema"], "loadgen.comparison/1");
    let figures = document["scenarios"][0]["figures"]
        .as_array()
        .expect("figures");
    let p99 = figures
        .iter()
        .find(|it| it["metric"] == "response_time.p99")
        .expect("p99");
    assert_eq!(
        (&p99["verdict"], &p99["told_from"]),
        (&"worse".into(), &"runs".into())
    );
    let part = |path: &str| p99.pointer(path).and_then(Value::as_f64).expect("a number");
    assert!(
        part("/change/low") > 0.1 && part("/change/high") < 0.3,
        "{p99}"
    );
    assert!(part("/p") <= part("/p_of_all"), "{p99}");
    assert_eq!(document["scenarios"][0]["steps"][1]["name"], "compute");
}

/// Whatever names say, the page has no elements but its own.
#[test]
fn the_pages() {
    let stored = Stored::with(4, 4, 1.2);
    for nth in 1..=8 {
        let mut result = result(nth, if nth > 4 { 1.2 } else { 1.0 });
        result["scenarios"][0]["name"] = "<script>alert('1')</script>".into();
        stored.put(
            &format!("{}/{nth}.json", if nth > 4 { "b" } else { "a" }),
            &result,
        );
    }
    let limit = ["--fail-on", "response_time.p50 > +5%"];
    let said = stored.say(
        &[
            &["compare", "-q", "-o", "html=c.html", "a", "b"],
            &limit[..],
            &["-o", "markdown=c.md"],
        ]
        .concat(),
    );
    assert_eq!(said.code, Some(99), "{said:?}");
    let page = stored.read("c.html");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("http:"),
        "{page}"
    );
    let title = "<h2>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; (grpc)</h2>";
    assert!(page.contains(title), "{page}");
    assert!(
        page.contains("<tr class=\"bad\"><td>response p50</td>"),
        "{page}"
    );
    assert!(page.contains("<li class=\"bad\">FAIL: "), "{page}");
    let markdown = stored.read("c.md");
    assert!(
        markdown.starts_with("## ❌ FAIL: 1 limit not kept, "),
        "{markdown}"
    );
    assert!(
        markdown.contains("\n### &lt;script&gt;alert('1')&lt;/script&gt; (grpc)\n"),
        "{markdown}"
    );
    assert!(markdown.contains("\n| **response p50** | **"), "{markdown}");
    assert!(
        markdown.contains("\n| **FAIL** | &lt;script&gt;"),
        "{markdown}"
    );
}

#[test]
fn quiet_says_nothing() {
    let stored = Stored::with(4, 4, 1.2);
    let said = stored.say(&[
        "compare",
        "-q",
        "--fail-on",
        "throughput < -5%",
        "base",
        "new",
    ]);
    assert_eq!(said.code, Some(99), "{said:?}");
    assert_eq!((&*said.stdout, &*said.stderr), ("", ""));
}

/// Names are whatever a suite says.
#[test]
fn what_names_hide_is_not_printed() {
    let stored = Stored::with(0, 0, 1.0);
    for nth in 1..=2 {
        let mut hidden = result(nth, 1.0);
        hidden["scenarios"][0]["name"] = "\u{1b}[2Jgreet".into();
        hidden["scenarios"][0]["steps"][0]["name"] = "\u{202e}olleh".into();
        stored.put(&format!("{nth}.json"), &hidden);
    }
    let said = stored.say(&["compare", "1.json", "2.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stdout.contains(['\u{1b}', '\u{202e}']), "{said:?}");
}
