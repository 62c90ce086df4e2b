//! What each form has of a run, and that no name breaks it.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::json;
use test_case::test_case;

use crate::record::{
    BackendRecord, GeneratorRecord, RunRecord, ScenarioRecord, SeriesPoint, Sparse, new_histogram,
};
use crate::report::sample;
use crate::report::{
    Answer, Confidence, Context, Document, Expectation, Method, PointStatistics, Status, StepPoint,
    ThresholdResult, build,
};

/// Two points of a scenario with two steps, and one of another; made from measured times.
fn document() -> Document {
    let times = |samples: &[(u64, u64)]| {
        let mut times = new_histogram();
        for (us, count) in samples {
            times.saturating_record_n(us * 1_000, *count);
        }
        times
    };
    let mut one = ScenarioRecord::empty("greet", "grpc", false, &["hello".into(), "bye".into()]);
    one.elapsed = Duration::from_millis(1_500);
    one.measured_from = Duration::from_millis(250);
    one.response_time = times(&[(200, 150), (900, 50)]);
    one.service_time = one.response_time.clone();
    one.steps[0].response_time = times(&[(100, 200)]);
    one.ledger.planned = 200;
    one.ledger.started = 200;
    one.ledger.completed = 200;
    one.outcomes = vec![(crate::outcome::Outcome::Ok, 200)];
    for (t_s, samples) in [(0, &[(200, 100)][..]), (1, &[(200, 50), (900, 50)])] {
        let mut point = SeriesPoint::empty(t_s, 1);
        point.completed = 100;
        point.started = 100;
        point.users = 3;
        point.response_time = Sparse::coarse(&times(samples));
        one.series.push(point);
    }
    let mut other = ScenarioRecord::empty("echo", "websocket", true, &["echo".into()]);
    other.elapsed = Duration::from_secs(1);
    other.backends = vec![BackendRecord::empty("b1")];
    other.response_time = times(&[(500, 10)]);
    let mut point = SeriesPoint::empty(0, 1);
    point.response_time = Sparse::coarse(&other.response_time);
    other.series = vec![point];
    let began = UNIX_EPOCH + Duration::from_micros(1_770_000_000_123_456);
    let generator = GeneratorRecord::default();
    let record = RunRecord::new(began, Duration::from_secs(2), vec![one, other], generator);
    build(&record, Context::new())
}

fn with_confidence(mut document: Document) -> Document {
    document.scenarios[0].response_time_confidence_us = Some(Confidence {
        method: Method::Seconds,
        p95: Some([880.0, 920.5]),
        p99: None,
        p999: None,
    });
    document
}

/// The rows of a table, each by its columns' names.
fn rows(csv: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.deserialize().map(Result::unwrap);
    rows.collect()
}

#[test]
fn a_row_for_each_scenario_step_and_point() {
    let csv = with_confidence(document()).to_csv();
    let rows = rows(&csv);
    let of = |row: &std::collections::BTreeMap<String, String>| {
        ["span", "scenario", "step", "t_s"]
            .map(|it| row[it].clone())
            .join(" ")
    };
    let found: Vec<String> = rows.iter().map(of).collect();
    let expected = [
        "run greet  0",
        "run greet hello 0",
        "run greet bye 0",
        "point greet  0",
        "point greet  1",
        "run echo  0",
        "run echo echo 0",
        "point echo  0",
    ];
    assert_eq!(found, expected);
    let run = &rows[0];
    assert_eq!(
        (&*run["seconds"], &*run["completed_per_s"]),
        ("1.5", "133.333")
    );
    let confidence = [
        "response_time_p95_low_us",
        "response_time_p95_high_us",
        "confidence",
    ];
    assert_eq!(confidence.map(|it| &*run[it]), ["880", "920.5", "seconds"]);
    assert_eq!(run["response_time_p99_low_us"], "");
    // Of the second's own samples: 100 support no p95.
    let point = &rows[4];
    let figures = [
        "response_time_count",
        "response_time_p50_us",
        "response_time_p95_us",
    ];
    assert_eq!(figures.map(|it| &*point[it]), ["100", "200.192", ""]);
    assert_eq!((&*point["users"], &*point["completed"]), ("3", "100"));
}

#[test]
fn a_point_without_a_histogram_has_its_figures_and_no_count() {
    let mut document = document();
    let point = &mut document.scenarios[0].series[0];
    let own = point.response_time_us.as_mut().unwrap();
    own.histogram = None;
    own.p95 = Some(250.0);
    own.p95_over_s = Some(2);
    let point = &rows(&document.to_csv())[3];
    let figures = [
        "response_time_count",
        "response_time_p50_us",
        "response_time_p95_us",
        "response_time_max_us",
    ];
    let max = document.scenarios[0].series[0]
        .response_time_us
        .as_ref()
        .unwrap()
        .max;
    assert_eq!(
        figures.map(|it| &*point[it]),
        ["", "200.192", "", &max.to_string()]
    );
    let log = document.to_hlog();
    assert!(log.contains("\n#[greet: 1 series of times"), "{log}");
    assert!(!log.contains("#[echo:"), "{log}");
}

#[test]
fn the_last_point_has_the_rate_of_what_was_measured() {
    let mut document = document();
    let rate = |document: &Document| rows(&document.to_csv())[4]["completed_per_s"].clone();
    assert_eq!(rate(&document), "200", "half a second");
    document.scenarios[0].duration_s = 1.4;
    assert_eq!(rate(&document), "", "too little to tell");
}

#[test]
fn a_name_stays_in_its_field() {
    let mut document = document();
    document.scenarios[0].name = "a \"b\", c\nd".to_owned();
    let rows = rows(&document.to_csv());
    assert_eq!(rows[0]["scenario"], "a \"b\", c\nd");
    assert_eq!(rows.len(), 8);
}

#[test]
fn a_log_has_each_points_samples() {
    let document = document();
    let log = document.to_hlog();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "#[Histogram log format version 1.3]",
            "#[StartTime: 1770000000.123 (seconds since epoch), 2026-02-02T02:40:00.123456Z]",
            "#[BaseTime: 1770000000.123 (seconds since epoch)]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
        ]
    );
    let intervals = lines[4..].iter().map(|line| line.rsplit_once(',').unwrap());
    let (begins, texts): (Vec<&str>, Vec<&str>) = intervals.unzip();
    let expected = [
        "Tag=echo,0.000,1.000,0.501",
        "Tag=greet/hello,0.250,1.500,0.100",
        "Tag=greet,0.250,1.000,0.200",
        "Tag=greet,1.250,1.000,0.899",
    ];
    assert_eq!(begins, expected);
    let counts: Vec<u64> = texts
        .iter()
        .map(|it| Sparse::from_text(it).unwrap().len())
        .collect();
    assert_eq!(counts, [10, 200, 100, 100]);
}

#[test]
fn tags_are_told_apart() {
    let mut document = document();
    document.scenarios[0].name = "a b,c/d".to_owned();
    let log = document.to_hlog();
    assert!(log.contains("\nTag=a%20b%2Cc%2Fd/hello,"), "{log}");
    for scenario in &mut document.scenarios {
        scenario.name = "stress_all".to_owned();
    }
    let log = document.to_hlog();
    for tag in [
        "stress_all:grpc",
        "stress_all:grpc/hello",
        "stress_all:websocket",
    ] {
        assert!(log.contains(&format!("\nTag={tag},")), "{log}");
    }
}

/// Of each second, each step.
#[test]
fn steps_have_rows_over_time() {
    let mut document = document();
    let step = &mut document.scenarios[0].steps[0];
    step.series = vec![StepPoint {
        t_s: 1,
        seconds: 1,
        completed: 5,
        failed: 2,
        response_time_us: Some(PointStatistics {
            p50: Some(310.5),
            p99: Some(900.0),
            p99_over_s: Some(2),
            max: 950.0,
            ..PointStatistics::default()
        }),
    }];
    let name = step.name.clone();
    let csv = document.to_csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headings = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap);
    let rows: Vec<_> = rows
        .filter(|it| it.get(0) == Some("point") && it.get(3) == Some(&*name))
        .collect();
    let [row] = rows.as_slice() else {
        panic!("{csv}");
    };
    let field = |name: &str| {
        let place = headings.iter().position(|it| it == name).unwrap();
        row.get(place).unwrap()
    };
    let figures = [
        "t_s",
        "completed",
        "failed",
        "response_time_p50_us",
        "response_time_p99_us",
        "response_time_max_us",
        "users",
    ]
    .map(field);
    // The p99 is of two seconds, and nobody counts users by steps.
    assert_eq!(figures, ["1", "5", "2", "310.5", "", "950", ""]);
}

fn judged() -> Document {
    let mut document = document();
    document.run.host.hostname = Some("here".to_owned());
    document.scenarios[0].thresholds = vec![
        ThresholdResult::new("error_rate < 1%", "%", Some(0.0), true),
        ThresholdResult::new("response_time.p95 < 5ms", "ms", Some(7.234), false),
    ];
    document.scenarios[1].thresholds = Vec::new();
    document.scenarios[1].expectations = vec![Expectation {
        spans_changes: 0,
        expression: "distribution == even".to_owned(),
        observed: "b1 60%, b2 40%".to_owned(),
        verdict: Answer::Undecided,
        needed: Some(1_200),
    }];
    document
}

#[test]
fn a_case_for_each_condition() {
    let mut document = with_confidence(judged());
    document.verdict.status = Status::Fail;
    insta::assert_snapshot!(document.to_junit());
}

#[test_case(Status::Pass => None)]
#[test_case(Status::Fail => Some("failure type=\"fail\" message=\"the service was &lt;silent&gt;\"".to_owned()))]
#[test_case(Status::Invalid => Some("error type=\"invalid\" message=\"the service was &lt;silent&gt;\"".to_owned()))]
fn a_case_for_the_run_itself(status: Status) -> Option<String> {
    let mut document = document();
    for scenario in &mut document.scenarios {
        scenario.thresholds = Vec::new();
    }
    document.verdict.status = status;
    document.verdict.reasons = vec!["the service was <silent>".to_owned()];
    case_of_run(&document)
}

#[test_case(true, false => Some("error type=\"stopped\" message=\"the run was stopped before its plan was done\"".to_owned()))]
#[test_case(false, true => Some("error type=\"cut_off\" message=\"the run was cut off before all was done\"".to_owned()))]
fn a_run_that_was_not_done_is_an_error(stopped: bool, cut_off: bool) -> Option<String> {
    let mut document = document();
    document.verdict.status = Status::Pass;
    document.run.stopped = stopped;
    document.run.cut_off = cut_off;
    assert!(document.to_junit().contains("errors=\"1\""));
    case_of_run(&document)
}

/// Nothing is judged of a shard, and none of the forms says that it passed.
#[test]
fn a_part_is_no_pass() {
    let mut part = serde_json::to_value(document()).unwrap();
    part["verdict"] = serde_json::json!({"status": "pass", "reasons": [], "warnings": []});
    part["run"]["shard"] = serde_json::json!({"index": 1, "count": 4, "seed": 0, "slices": []});
    let mut part: Document = serde_json::from_value(part).unwrap();
    assert!(part.to_string().starts_with("PART  "), "{part}");
    let title = part.to_markdown().lines().next().unwrap().to_owned();
    assert!(title.starts_with("## 🧩 PART: "), "{title}");
    let why = "shard 1 of 4: the run is judged when all are merged";
    assert!(part.to_junit().contains(why));
    // A part of a part is told as that.
    part.run.stopped = true;
    assert!(part.to_string().starts_with("STOPPED  "), "{part}");
}

/// What came of the run's own case, where it did not pass.
fn case_of_run(document: &Document) -> Option<String> {
    let report = document.to_junit();
    let case = report
        .lines()
        .skip_while(|it| !it.contains("name=\"run\""))
        .nth(1)?;
    let element = case.trim().strip_prefix('<')?.split_once('>')?.0;
    (!element.starts_with('/')).then(|| element.to_owned())
}

#[test]
fn what_xml_has_no_place_for_is_replaced() {
    let mut document = judged();
    document.scenarios[1].expectations[0].observed =
        "]]> \u{0}\u{8}\u{b}\u{fffe}\u{1b}[2J\n&".to_owned();
    let report = document.to_junit();
    let allowed = |c: char| c == '\n' || (c >= ' ' && c != '\u{fffe}');
    assert!(report.chars().all(allowed), "{report}");
    let expected = "]]&gt; \u{fffd}\u{fffd} \u{fffd}\u{fffd}[2J";
    assert!(report.contains(expected), "{report}");
}

#[test]
fn a_page_of_a_run_that_was_cut_off_says_so() {
    let mut document = document();
    document.run.cut_off = true;
    document.verdict.status = Status::Invalid;
    let page = document.to_markdown();
    assert!(page.starts_with("## ✂️ CUT OFF: "), "{page}");
}

#[test]
fn a_page_of_a_run() {
    let mut document = with_confidence(judged());
    document.run.host.hostname = None;
    document.verdict.status = Status::Fail;
    document.verdict.reasons = vec!["`greet`: `response_time.p95 < 5ms` does not hold".to_owned()];
    insta::assert_snapshot!(document.to_markdown());
}

/// A page as it is shown: the words of each row, and all words.
fn shown(page: &str) -> (Vec<Vec<String>>, String) {
    let (mut rows, mut all) = (Vec::new(), String::new());
    let (mut cell, mut row) = (String::new(), Vec::new());
    for event in Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(text) | Event::Code(text) => {
                cell.push_str(&text);
                all.push_str(&text);
            }
            Event::Html(html) | Event::InlineHtml(html) => panic!("{html} in {page}"),
            Event::Start(Tag::TableCell) => cell.clear(),
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Strikethrough) => {
                panic!("a link in {page}")
            }
            Event::End(TagEnd::TableCell) => row.push(std::mem::take(&mut cell)),
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => rows.push(std::mem::take(&mut row)),
            _ => {}
        }
    }
    (rows, all)
}

/// Whatever a server calls itself and says is shown as that, in its place.
fn shows(said: &str) {
    let mut document = judged();
    document.scenarios[0].thresholds[1].expression = said.to_owned();
    document.scenarios[1].expectations[0].observed = said.to_owned();
    document.scenarios[0].failures = serde_json::from_value(serde_json::json!([
        { "outcome": "connect", "count": 3, "example": said }
    ]))
    .unwrap();
    document.verdict.warnings = vec![said.to_owned()];
    let page = document.to_markdown();
    let (rows, all) = shown(&page);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = words(&crate::text::line(said));
    let failed = rows.iter().filter(|row| row[0] == "FAIL");
    let found = failed.filter(|row| row.len() == 3 && words(&row[1]) == expected);
    assert_eq!(
        found.count(),
        1,
        "`{said}` is not a cell of {rows:?}\n{page}"
    );
    assert!(words(&all).contains(&format!("e.g. {expected}")), "{page}");
}

#[test_case("a|b \\| c"; "columns")]
#[test_case("`` ` ```"; "backticks")]
#[test_case("<script>alert(1)</script> <b &amp;"; "tags")]
#[test_case("[a](http://b) ![c](d) <http://e> *f* _g_ ~~h~~ $i$"; "markup")]
#[test_case("one\n\n# two\n| three |"; "lines")]
#[test_case("\\"; "an escape")]
fn a_page_shows_what_was_said(said: &str) {
    shows(said);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_page_shows_whatever_was_said(said in "[a-z`|<>&*_~$#!\\[\\]() \\\\\n:/.-]{1,30}") {
        prop_assume!(!said.trim().is_empty());
        shows(&said);
    }
}

#[test]
fn what_spans_changes_says_so_in_each_form() {
    let mut document = document();
    let mut threshold = ThresholdResult::new("error_rate < 1%", "%", Some(0.5), true);
    threshold.spans_changes = 2;
    document.scenarios[0].thresholds = vec![threshold];
    let text = document.to_string();
    for (form, written) in [
        ("text", text),
        ("junit", document.to_junit()),
        ("markdown", document.to_markdown()),
    ] {
        let written = written.replace('\u{a0}', " ");
        assert!(
            written.contains("spans 2 changes by hand"),
            "{form}: {written}"
        );
    }
}

#[test]
fn a_row_for_each_trial_of_a_search() {
    let csv = sample::capacity(|_| {}).to_csv();
    let rows = rows(&csv);
    assert!(
        rows.iter()
            .all(|it| it["span"] == "trial" && it["scenario"] == "hello_high")
    );
    let of = |place: usize, names: [&str; 7]| names.map(|it| rows[place][it].clone()).join(" ");
    let names = [
        "purpose",
        "rate_per_s",
        "users",
        "seconds",
        "result",
        "bound",
        "response_time_p99_us",
    ];
    assert_eq!(rows.len(), 14);
    assert_eq!(of(0, names), "idle  1 0.4 held  400");
    assert_eq!(of(6, names), "explore 66000  0.12 broke  70000");
    assert_eq!(of(8, names), "refine 48960  1 broke upper 14200");
    assert_eq!(of(13, names), "confirm 48000  10 held lower 2310");
    assert_eq!(rows[6]["error_rate"], "0.124");
}

#[test]
fn a_case_for_each_goal() {
    insta::assert_snapshot!(sample::capacity(|_| {}).to_junit());
}

/// There is no lower bound for one of them.
#[test]
fn a_goal_that_holds_at_no_rate_is_a_failure() {
    let report = sample::capacity(|json| {
        let capacity = &mut json["capacity"];
        capacity["lower_per_s"].take();
        let known = json!([
            {"expression": "response_time.p99 < 5ms", "breaks_at_per_s": 32.0},
            {"expression": "error_rate < 1%", "holds_at_per_s": 32.0},
        ]);
        capacity["goals"] = known;
        capacity["end"] = "from".into();
        capacity["summary"] =
            "capacity < 32/s, the lowest rate to be tried: `response_time.p99 < 5ms`: 6 ms".into();
        let verdict = &mut json["verdict"];
        verdict["status"] = "fail".into();
        verdict["reasons"] = json!([
            "capacity < 32/s, the lowest rate to be tried: `response_time.p99 < 5ms`: 6 ms"
        ]);
    })
    .to_junit();
    let failure = "<failure type=\"goal\" message=\"does not hold at 32/s\">";
    assert!(report.contains(failure), "{report}");
    assert!(
        report.contains("tests=\"3\" failures=\"2\" errors=\"0\""),
        "{report}"
    );
    assert!(
        report.contains("<system-out>holds up to 32/s at least</system-out>"),
        "{report}"
    );
}

#[test]
fn a_page_of_a_search() {
    insta::assert_snapshot!(sample::capacity(|_| {}).to_markdown());
}
