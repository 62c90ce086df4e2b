//! What stands in a page, and what comes out of it again. How it looks and what its script draws is seen in a
//! browser, by the tests against counterparts.

mod capacity;

use std::collections::HashSet;

use serde_json::{Value, json};
use test_case::test_case;

use super::super::read;
use super::super::sample::document;
use super::*;
use crate::record::{Sparse, new_histogram};

/// What would run something, if it were taken for markup.
const HARMFUL: &str = "</script><script>harmed()</script><img src=x onerror=\"harmed()\">";

/// A point of a run over time.
fn point(t_s: u64, seconds: u64) -> Value {
    json!({
        "t_s": t_s, "seconds": seconds, "started": 1000, "completed": 999, "failed": 1, "users": 12,
        "response_time_us": {"p50": 900.1, "p95": 2100.5, "p99": 8000.0, "max": 12_000.7},
    })
}

/// Headings by their level, in the order in which they stand.
fn headings(page: &str) -> Vec<u8> {
    let tags = page.split("<h").skip(1);
    let levels = tags.filter_map(|rest| rest.as_bytes().first().copied());
    levels
        .filter(u8::is_ascii_digit)
        .map(|it| it - b'0')
        .collect()
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    let rest = page.split(begin.as_str()).skip(1);
    rest.filter_map(|it| it.split('"').next()).collect()
}

/// What stands before the document that is carried: all that is shown.
fn shown(page: &str) -> &str {
    page.split("id=\"loadgen-result\"").next().unwrap()
}

#[test]
fn the_verdict_comes_first_and_headings_in_order() {
    let page = html(&document(|it| {
        it["verdict"] = json!({
            "status": "fail", "reasons": ["`a` does not hold"], "warnings": ["the clock was set"],
        });
    }));
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    let order = [
        ">FAIL<",
        "`a` does not hold",
        "the clock was set",
        "id=\"thresholds\"",
        "id=\"scenario-0\"",
        "id=\"generator\"",
        "id=\"plan\"",
        "id=\"machine\"",
    ];
    assert!(order.map(at).is_sorted());
    let levels = headings(shown(&page));
    assert_eq!(levels[0], 1);
    assert_eq!(levels.iter().filter(|it| **it == 1).count(), 1);
    assert!(levels.windows(2).all(|it| it[1] <= it[0] + 1), "{levels:?}");
    let ids = values(shown(&page), "id");
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        ids.len(),
        "{ids:?}"
    );
    for link in values(shown(&page), "href")
        .iter()
        .filter_map(|it| it.strip_prefix('#'))
    {
        assert!(ids.contains(&link), "{link}");
    }
}

#[test]
fn what_servers_say_is_shown_and_does_nothing() {
    let page = html(&document(|it| {
        let scenario = &mut it["scenarios"][0];
        scenario["failures"] = json!([{"outcome": "check", "count": 2, "example": HARMFUL}]);
        scenario["backends"] = json!([
            {"id": HARMFUL, "requests": 2, "share": 0.5, "failed": 0},
            {"id": "\u{202e}b\u{1b}", "requests": 2, "share": 0.5, "failed": 0},
        ]);
        it["verdict"]["warnings"] = json!([HARMFUL]);
        it["run"]["plan"] = json!({"name": HARMFUL});
    }));
    let scripts = page.matches("<script").count();
    assert_eq!(scripts, 3, "the document, the library, the page's own");
    assert_eq!(page.matches("</script").count(), scripts);
    assert!(!page.contains("<img"));
    assert!(!page.contains("\u{202e}") && !page.contains("\u{1b}"));
    assert!(page.contains("\u{fffd}b\u{fffd}"));
    assert!(page.contains("&lt;script&gt;harmed()"));
}

#[test]
fn a_browser_may_run_and_apply_what_is_the_pages_own_and_nothing_else() {
    let page = html(&document(|_| {}));
    let policies = values(&page, "content");
    let policy = policies[0].replace("&#x27;", "'").replace("&#x2f;", "/");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert_eq!(policy.matches("'sha256-").count(), 3, "{policy}");
    assert!(page.contains(&format!("<style>{STYLE}</style>")));
    assert!(page.contains(&format!("<script type=\"module\">{SCRIPT}</script>")));
    assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !SCRIPT.contains("</script"));
    assert!(values(shown(&page), "src").is_empty());
    assert!(values(shown(&page), "style").is_empty());
}

#[test_case(10; "as it is")]
#[test_case(20_000; "deflated")]
fn a_document_comes_out_as_it_went_in(steps: usize) {
    let document = document(|it| {
        let step = it["scenarios"][0]["steps"][0].clone();
        it["scenarios"][0]["steps"] = vec![step; steps].into();
        it["scenarios"][0]["failures"] =
            json!([{"outcome": "check", "count": 2, "example": HARMFUL}]);
        it["verdict"]["warnings"] = json!(["<!-- \u{2028} \u{202e} \u{1b} 日本 🦀 \\u003c"]);
    });
    let page = html(&document);
    let json = embedded(&page).unwrap();
    assert!(!json.contains('<') && !json.contains('\u{202e}'));
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
    assert_eq!(read(&page).unwrap(), document);
    let cut = page.find("id=\"loadgen-result\"").unwrap() + 100;
    assert_eq!(embedded(&page[..cut]), None, "cut off");
    let error = read(&page[..cut]).unwrap_err().to_string();
    assert!(
        error.contains("it is a page that carries no whole document"),
        "{error}"
    );
}

#[test]
fn what_is_no_such_page_has_no_document() {
    for text in [
        "",
        "{}",
        "<html></html>",
        "<script type=\"text/plain\" id=\"loadgen-result\">{}</script>",
    ] {
        assert_eq!(embedded(text), None, "{text}");
    }
    let damaged = r#"<script type="application/octet-stream" id="loadgen-result">AAAA</script>"#;
    assert_eq!(embedded(damaged), None);
}

#[test]
fn a_run_of_40_ms_says_that_there_is_nothing_over_time() {
    let page = html(&document(|it| {
        it["scenarios"][0]["duration_s"] = json!(0.04);
        it["scenarios"][0]["series"] = json!([point(0, 1)]);
    }));
    assert!(page.contains("there is nothing to draw over time"));
    assert!(!page.contains("data-chart=\"time\""));
    assert!(page.contains("data-chart=\"percentiles\""));
}

#[test]
fn a_run_of_a_day_with_twenty_steps_is_no_larger_than_can_be_sent() {
    let page = html(&document(|it| {
        let scenario = &mut it["scenarios"][0];
        scenario["duration_s"] = json!(86_400.0);
        scenario["series"] = (0..600).map(|at| point(at * 144, 144)).collect();
        let mut step = scenario["steps"][0].clone();
        step["series"] = (0..600)
            .map(|at| {
                let mut point = point(at * 144, 144);
                let times = point["response_time_us"].as_object_mut().unwrap();
                times.remove("histogram");
                point
            })
            .collect();
        scenario["steps"] = vec![step; 20].into();
    }));
    assert!(page.len() <= 2_500_000, "{}", page.len());
    assert!(page.contains("data-chart=\"time\""));
}

#[test]
fn a_page_with_long_histograms_and_a_long_plan_is_no_larger_than_can_be_sent() {
    let mut random = fastrand::Rng::with_seed(1);
    let histograms = (0..60).map(|_| {
        let mut times = new_histogram();
        for _ in 0..5_000 {
            let least = 1 << random.u32(10..33);
            times.saturating_record(random.u64(least..2 * least));
        }
        Sparse::coarse(&times).to_text()
    });
    let histograms: Vec<String> = histograms.collect();
    let page = html(&document(|it| {
        let points = (0..600).map(|at| {
            let mut point = point(at, 1);
            point["response_time_us"]["histogram"] = json!(histograms[at as usize % 60]);
            point
        });
        it["scenarios"][0]["series"] = points.collect();
        it["scenarios"] = vec![it["scenarios"][0].clone(); 3].into();
        it["run"]["plan"] = json!({"body": "<".repeat(150_000)});
    }));
    assert!(page.len() <= 2_500_000, "{}", page.len());
    assert!(page.contains("without its steps over time and the histograms of its points"));
    assert!(page.contains("more characters of it are not shown"));
}

#[test]
fn the_tail_of_the_other_servers_is_told() {
    let page = html(&document(|it| {
        it["scenarios"][0]["failovers"] = json!([{
            "event": "kill b2", "backend": "b2", "at_s": 1.0,
            "survivors": {"before_us": {"count": 1500, "p99": 3100.0}, "during_us": {"count": 1612, "p99": 9200.0}},
        }]);
    }));
    let page = page.replace('\u{a0}', " ");
    assert!(page.contains("p99 of the others 9.2 ms (3.1 ms before)"));
}

#[test]
fn many_steps_and_servers_are_all_there_and_those_that_are_not_are_counted() {
    let page = html(&document(|it| {
        let scenario = &mut it["scenarios"][0];
        let step =
            |at: usize| json!({"name": format!("step_{at}"), "outcomes": {"ok": 3, "timeout": 1}});
        scenario["steps"] = (0..1_200).map(step).collect();
        let backend = |at: usize| json!({"id": format!("b{at}"), "requests": 10, "share": 1.0 / 256.0, "failed": 0});
        scenario["backends"] = (0..256).map(backend).collect();
    }));
    for row in [">b0<", ">b255<", ">step_0<", ">step_999<"] {
        assert!(page.contains(row), "{row}");
    }
    assert!(!shown(&page).contains(">step_1000<"));
    assert!(page.contains("200 more are not shown; the document that this page carries has them."));
}

#[test]
fn many_scenarios_are_folded_under_the_table_that_compares_them() {
    let page = html(&document(|it| {
        let scenario = it["scenarios"][0].clone();
        it["scenarios"] = (0..20)
            .map(|at| {
                let mut own = scenario.clone();
                own["name"] = json!(format!("scenario_{at}"));
                own
            })
            .collect();
    }));
    assert!(page.contains("Each scenario, and all together"));
    assert_eq!(page.matches("Show all of it").count(), 20);
}

#[test_case("response_time.p95 < 10ms", 8.0, true, "80%", "20% below it"; "below the most")]
#[test_case("response_time.p95 < 10ms", 12.5, false, "125%", "25% over it"; "over the most")]
#[test_case("throughput > 100/s", 150.0, true, "150%", "50% above it"; "above the least")]
#[test_case("throughput > 100/s", 50.0, false, "50%", "50% short of it"; "short of the least")]
#[test_case("response_time.p95 <= 10ms", 10.0, true, "100%", "at the limit"; "at the limit")]
fn thresholds_have_margins(expression: &str, observed: f64, pass: bool, part: &str, margin: &str) {
    let page = html(&document(|it| {
        let unit = if expression.ends_with("ms") {
            "ms"
        } else {
            "/s"
        };
        it["scenarios"][0]["thresholds"] = json!([{
            "expression": expression, "unit": unit, "observed": observed, "pass": pass,
        }]);
    }));
    assert!(page.contains(&format!("</meter>{part}</td>")), "{part}");
    assert!(page.contains(&format!(">{margin}</td>")), "{margin}");
}

#[test]
fn a_limit_of_nothing_has_no_margin() {
    let page = html(&document(|it| {
        it["scenarios"][0]["thresholds"] =
            json!([{"expression": "dropped == 0", "observed": 0.0, "pass": true}]);
    }));
    assert!(!page.contains(">margin<") && page.contains(">holds</td>"));
}

#[test]
fn shares_have_intervals_but_where_a_server_was_away() {
    let two = |it: &mut Value| {
        it["scenarios"][0]["backends"] = json!([
            {"id": "b1", "requests": 700, "share": 0.7, "failed": 0},
            {"id": "b2", "requests": 300, "share": 0.3, "failed": 0},
        ]);
    };
    let page = html(&document(two));
    assert!(
        page.contains(">may be<")
            && page.contains("65.")
            && page.contains("for all servers together")
    );
    let page = html(&document(|it| {
        two(it);
        it["scenarios"][0]["failovers"] =
            json!([{"event": "kill b2", "backend": "b2", "at_s": 1.0}]);
    }));
    assert!(!page.contains(">may be<"));
    assert!(page.contains("What became of the load"));
}

#[test]
fn failures_say_when_the_first_and_the_last_came() {
    let page = html(&document(|it| {
        it["scenarios"][0]["failures"] = json!([
            {"outcome": "timeout", "count": 7, "first_s": 3, "last_s": 1203, "example": "after 30 s"},
        ]);
    }));
    assert!(
        page.contains(">first in second<")
            && page.contains(">1,203<")
            && page.contains(">after 30 s<")
    );
}

#[test]
fn a_page_that_is_brought_its_figures_carries_none_and_may_ask_who_served_it() {
    let LivePage { html, policy } = LivePage::new();
    let policies = values(&html, "content");
    let own = policies[0].replace("&#x27;", "'").replace("&#x2f;", "/");
    assert_eq!(policy, format!("{own}; frame-ancestors 'none'"));
    assert!(own.ends_with("; connect-src 'self'"), "{own}");
    assert!(html.contains(&format!("<script type=\"module\">{LIVE_SCRIPT}</script>")));
    assert!(!html.contains("id=\"loadgen-result\""));
    let parts = html.split("<script").next().unwrap();
    assert_eq!(
        headings(parts),
        [1, 2],
        "of the run, and of the question whether to stop it"
    );
    for word in ["id=\"steer\"", "id=\"stop\"", "id=\"line\""] {
        assert!(html.contains(word), "{word}");
        assert!(!self::html(&document(|_| {})).contains(word), "{word}");
    }
}

#[test]
fn a_run_so_far_has_no_verdict() {
    let document = document(|it| {
        it["verdict"] =
            json!({"status": "fail", "reasons": ["`a` does not hold"], "warnings": ["soon"]});
        it["scenarios"][0]["thresholds"] = json!([
            {"expression": "error_rate < 1%", "unit": "%", "observed": 3.0, "pass": false},
        ]);
    });
    let progress = Progress::running("RUNNING", "greet, 12 s of 60 s");
    let parts = parts_so_far(&Writer::new(), &document, &progress);
    assert_eq!(parts.title, "greet, 12 s of 60 s: RUNNING");
    assert!(parts.header.contains("There is no verdict before the end"));
    assert!(parts.header.contains("`a` does not hold") && !parts.header.contains("FAIL"));
    let thresholds = &parts.chapters[0];
    assert_eq!(thresholds.title, "Thresholds as they stand so far");
    assert!(
        thresholds.html.contains(">does not hold</td>") && !thresholds.html.contains(">fails</td>")
    );
    assert!(parts.chapters.iter().all(|it| it.id != "plan"));
    let whole = html(&document);
    for chapter in &parts.chapters[1..] {
        assert!(
            whole.contains(&chapter.html),
            "{} is as in the report",
            chapter.id
        );
    }
}
