//! What a scenario expects of a balancer.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use test_case::test_case;

use super::*;
use crate::expectation::{Distribution, Ejected, Expectations, Limit, Route, Sticky};
use crate::record::Unit;

fn expecting(expect: &Value) -> Value {
    json!({ "tags": { "version": "v1.2" }, "expect": expect })
}

#[test]
fn everything_is_read() {
    let Expectations {
        distribution,
        routes,
        sticky,
        failover,
        drain,
        ok_within,
        slow_start,
        ejection,
    } = plan_of(&expecting(&json!({
        "distribution": { "weights": { "b1": "70%", "b2": "30%" }, "within": "2%", "per": "stream" },
        "route": { "version": { "v1.*": "v1*", "v2.*": "v2*" } },
        "sticky": "connection",
        "failover": { "detected": "< 1s", "lost": "<= 200", "ok_within": "250ms" },
        "drain": { "lost": "== 0" },
        "slow_start": { "over": "10s" },
        "ejection": { "bad": "<= 20", "out": "< 40s" },
    })))
    .expect;
    let distribution = distribution.unwrap();
    let weights = [("b1".to_owned(), 70.0), ("b2".to_owned(), 30.0)];
    assert_eq!(distribution.weights, weights);
    assert_eq!(
        (distribution.within, distribution.per),
        (0.02, Some(Unit::Stream))
    );
    let [route] = routes.as_slice() else {
        panic!("{routes:?}");
    };
    assert_eq!(route.servers("v2.1").unwrap().as_str(), "v2*");
    assert_eq!(sticky, Some(Sticky::Connection));
    let bounds: Vec<String> = failover.iter().map(ToString::to_string).collect();
    assert_eq!(bounds, ["detected < 1s", "lost <= 200"]);
    assert_eq!(drain[0].to_string(), "lost == 0");
    assert_eq!(ok_within, Some(Duration::from_millis(250)));
    assert_eq!(slow_start, Some(Duration::from_secs(10)));
    let limits = [ejection.bad, ejection.out, ejection.healthy];
    let limits = limits.map(|it| it.map(|it| it.to_string()));
    assert_eq!(
        limits,
        [Some("<= 20".to_owned()), Some("< 40s".to_owned()), None]
    );
}

/// Once only a scenario's own tags could be routed by.
#[test]
fn a_route_may_be_by_what_a_scenario_is_written_for() {
    let route = |v2: &str| {
        json!({
            "for_each": { "version": ["v1.1", "v2.1"] },
            "expect": { "route": { "version": { "v1.*": "v1*", v2: "v2*" } } },
        })
    };
    let suite = parse(&suite_of(&route("v2.*"))).unwrap();
    for plan in suite.scenarios() {
        let [of] = plan.expect.routes.as_slice() else {
            panic!("{:?}", plan.expect);
        };
        let servers = of.servers(&plan.tags["version"]).unwrap();
        assert_eq!(servers.as_str(), format!("{}*", &plan.tags["version"][..2]));
        assert!(plan.clone().checked().is_ok());
    }
    assert_eq!(
        problems_of(&route("v3.*")).join("\n"),
        "scenarios[0].expect.route.version: found nothing for `v2.1`, which the scenario has, expected a pattern for each value"
    );
}

#[test]
fn a_scenario_that_says_nothing_expects_nothing() {
    let plan = plan_of(&json!({}));
    assert!(plan.expect.is_empty());
    assert_eq!(to_json(&[plan])["scenarios"][0].get("expect"), None);
}

#[test_case(&json!({}) => "scenarios[0].expect: found an empty object, expected at least one expectation"; "nothing")]
#[test_case(&json!({ "distributon": "even within 10%" }) => "scenarios[0].expect.distributon: found an unknown field, expected a field of expectations; did you mean `distribution`?"; "an unknown expectation")]
#[test_case(&json!({ "distribution": "even" }) => "scenarios[0].expect.distribution: found \"even\", expected a distribution such as \"even within 10%\" or \"even within 10% per connection\""; "even without a limit")]
#[test_case(&json!({ "distribution": { "weights": { "b1": 1 } } }) => "scenarios[0].expect.distribution.within: found nothing, expected a distribution such as \"even within 10%\" or {\"weights\": {\"b1\": 70, \"b2\": 30}, \"within\": \"2%\"} to have this field"; "weights without a limit")]
#[test_case(&json!({ "distribution": { "weights": { "b1": 0 }, "within": "2%" } }) => "scenarios[0].expect.distribution.weights: found nothing for anybody, expected a weight above 0"; "no weight")]
#[test_case(&json!({ "distribution": { "weights": {}, "within": "2%" } }) => "scenarios[0].expect.distribution.weights: found nothing for anybody, expected a weight above 0"; "nobody")]
#[test_case(&json!({ "distribution": { "weights": { "b1": "70%", "b2": "20%" }, "within": "2%" } }) => "scenarios[0].expect.distribution.weights: found 90% in all, expected percentages that add up to 100%; numbers without `%` are in proportion to each other"; "not all")]
#[test_case(&json!({ "distribution": { "weights": { "b1": "70%", "b2": 30 }, "within": "2%" } }) => "scenarios[0].expect.distribution.weights: found numbers beside percentages, expected one or the other"; "mixed")]
#[test_case(&json!({ "distribution": { "weights": { "b1": 9, "b2": 1 }, "within": "10%" } }) => "scenarios[0].expect.distribution.within: found as much as a server's share or more, expected less than the 10% of `b2`; it could get nothing at all"; "no limit at all")]
#[test_case(&json!({ "distribution": { "weights": { "b1": -1 }, "within": "2%" } }) => "scenarios[0].expect.distribution.weights.b1: found -1, expected a number from 0 to 1000000, or a percentage such as \"70%\""; "below nothing")]
#[test_case(&json!({ "distribution": { "within": "100%" } }) => "scenarios[0].expect.distribution.within: found \"100%\", expected a percentage such as \"2%\", above 0% and below 100%"; "anything")]
#[test_case(&json!({ "route": {} }) => "scenarios[0].expect.route: found an empty object, expected the key of a tag"; "no route")]
#[test_case(&json!({ "route": { "version": {} } }) => "scenarios[0].expect.route.version: found an empty object, expected patterns of the tag's values, such as {\"v1.*\": \"v1*\"}"; "no pattern")]
#[test_case(&json!({ "route": { "version": { "v1.*": "v1*", "v*.2": "v2*" } } }) => "scenarios[0].expect.route.version: found `v1.*` and `v*.2`, which can match the same, expected patterns of which only one matches a value"; "overlapping")]
#[test_case(&json!({ "route": { "verson": { "v1.*": "v1*" } } }) => "scenarios[0].expect.route.verson: found the unknown tag `verson`, expected the key of a tag of the scenario; did you mean `version`?"; "an unknown tag")]
#[test_case(&json!({ "route": { "version": { "v2.*": "v2*" } } }) => "scenarios[0].expect.route.version: found nothing for `v1.2`, which the scenario has, expected a pattern for each value"; "a value without a route")]
#[test_case(&json!({ "route": { "version": { "v1.*": "" } } }) => "scenarios[0].expect.route.version[\"v1.*\"]: found \"\", expected a pattern of 1 to 200 characters such as \"v1*\""; "an empty pattern")]
#[test_case(&json!({ "sticky": "stream" }) => "scenarios[0].expect.sticky: found \"stream\", expected one of \"connection\", \"user\", \"source\"; a stream is with the server that its head names until it ends: HTTP/2 has no way to move one; the streams that a user opens one after the other are held to \"user\""; "what cannot be otherwise")]
#[test_case(&json!({ "sticky": 5 }) => "scenarios[0].expect.sticky: found 5, expected \"connection\", \"user\", \"source\", or a key such as {\"key\": \"{{ row.session }}\"}"; "a number of what")]
#[test_case(&json!({ "sticky": { "metadata": "session-id" } }) => "scenarios[0].expect.sticky.metadata: found an unknown field, expected a field of \"connection\", \"user\", \"source\", or a key such as {\"key\": \"{{ row.session }}\"}; that is `key`, with the template that the metadata has\nscenarios[0].expect.sticky.key: found nothing, expected \"connection\", \"user\", \"source\", or a key such as {\"key\": \"{{ row.session }}\"} to have this field"; "a key by the name of metadata")]
#[test_case(&json!({ "sticky": { "key": "constant" } }) => "scenarios[0].expect.sticky.key: found \"constant\", expected a template such as \"{{ row.session }}\" or \"{{ user % 100 }}\""; "a key that is always the same")]
#[test_case(&json!({ "sticky": { "key": "{{ random (1, 5) }}" } }) => "scenarios[0].expect.sticky.key: found \"{{ random (1, 5) }}\", expected a template such as \"{{ row.session }}\" or \"{{ user % 100 }}\"; `random` comes to something else each time; what is sent may be saved first"; "a key of chance")]
#[test_case(&json!({ "sticky": { "key": "{{ user" } }) => "scenarios[0].expect.sticky.key: found \"{{ user\", expected a template; unexpected end of input, expected end of variable block"; "a key that is no template")]
#[test_case(&json!({ "sticky": { "key": "{{ user % 7 }}" } }) => ""; "a key")]
#[test_case(&json!({ "failover": {} }) => "scenarios[0].expect.failover: found no limit, expected a limit such as {\"lost\": \"<= 200\"}"; "no limit of a failover")]
#[test_case(&json!({ "failover": { "ok_within": "1s" } }) => "scenarios[0].expect.failover: found no limit, expected a limit such as {\"lost\": \"<= 200\"}"; "slow alone")]
#[test_case(&json!({ "failover": { "detected": "1s" } }) => "scenarios[0].expect.failover.detected: found \"1s\", expected one of `<`, `<=`, `>`, `>=`, `==`, `!=`; a limit is written as \"< 1s\""; "no comparison")]
#[test_case(&json!({ "failover": { "lost": "< 5%" } }) => "scenarios[0].expect.failover.lost: found \"< 5%\", expected a whole number; a limit is written as \"<= 200\""; "a share")]
#[test_case(&json!({ "failover": { "lost": "<= 50 streams" } }) => "scenarios[0].expect.failover.lost: found \"<= 50 streams\", expected the end of the condition, or windows such as `over any 10s`; a limit is written as \"<= 200\""; "a unit")]
#[test_case(&json!({ "drain": { "ok_within": "1s" } }) => "scenarios[0].expect.drain.ok_within: found an unknown field, expected a field of limits such as {\"lost\": \"== 0\"}; the fields are detected, lost, slow, recovered, silence, relapses, returned, rebalanced, switched, survivors_p99, finished, refused, sent_again, broken, reconnects"; "slow of a drain")]
#[test_case(&json!({ "failover": { "slow": "<= 9" } }) => "scenarios[0].expect.failover.slow: found nothing that says what is slow, expected `failover.ok_within`, which says how long a request may take"; "slow without a limit")]
#[test_case(&json!({ "failover": { "lost": "<= 9" }, "drain": { "slow": "<= 9" } }) => "scenarios[0].expect.drain.slow: found nothing that says what is slow, expected `failover.ok_within`, which says how long a request may take"; "slow of a drain without a limit")]
#[test_case(&json!({ "slow_start": {} }) => "scenarios[0].expect.slow_start.over: found nothing, expected a slow start such as {\"over\": \"10s\"} to have this field"; "a slow start without a time")]
#[test_case(&json!({ "slow_start": { "over": "1s" } }) => "scenarios[0].expect.slow_start.over: found \"1s\", expected a duration from 2s to 59s"; "a slow start that all at once would be")]
#[test_case(&json!({ "slow_start": { "over": "1m" } }) => "scenarios[0].expect.slow_start.over: found \"1m\", expected a duration from 2s to 59s"; "a slow start beyond what is recorded")]
#[test_case(&json!({ "ejection": {} }) => "scenarios[0].expect.ejection: found no limit, expected a limit such as {\"healthy\": \"== 0\"}"; "no limit of ejections")]
#[test_case(&json!({ "ejection": { "bad": "< 1s", "out": "< 5", "healthy": "0" } }) => "scenarios[0].expect.ejection.bad: found \"< 1s\", expected a whole number; a limit is written as \"<= 20\"\nscenarios[0].expect.ejection.out: found \"< 5\", expected a time with a unit (ns, us, ms, s, m or h) such as `5ms`; a limit is written as \"< 40s\"\nscenarios[0].expect.ejection.healthy: found \"0\", expected one of `<`, `<=`, `>`, `>=`, `==`, `!=`; a limit is written as \"== 0\""; "no limits")]
fn refused(expect: &Value) -> String {
    problems_of(&expecting(expect)).join("\n")
}

/// It may stand alone where something else is about what it says.
#[test_case(&json!({ "failover": { "ok_within": "1s" }, "drain": { "slow": "== 0" } }), &json!([]) => ""; "a drain")]
#[test_case(&json!({ "failover": { "ok_within": "1s" } }), &json!(["failover.slow <= 9"]) => ""; "a threshold")]
#[test_case(&json!({ "failover": { "ok_within": "1s" } }), &json!(["error_rate < 1%"]) => "scenarios[0].expect.failover: found no limit, expected a limit such as {\"lost\": \"<= 200\"}"; "a threshold on something else")]
#[test_case(&json!({ "failover": { "lost": "<= 9" } }), &json!(["drain.slow <= 9"]) => "scenarios[0].thresholds[0]: found `drain.slow <= 9`, and nothing says what is slow, expected `ok_within` beside it; `expect.failover.ok_within` says how long a request may take"; "a threshold without a limit")]
fn ok_within_is_for_all(expect: &Value, thresholds: &Value) -> String {
    let given = json!({ "expect": expect, "thresholds": thresholds });
    let problems = problems_of(&given).join("\n");
    if problems.is_empty() {
        let plan = plan_of(&given);
        assert_eq!(plan.expect.ok_within, Some(Duration::from_secs(1)));
        assert!(plan.checked().is_ok());
    }
    problems
}

fn expectations() -> impl Strategy<Value = Expectations> {
    let weights = prop_oneof![
        Just(Vec::new()),
        prop::collection::btree_map("b[a-z0-9.]{0,5}", 50..1_000_u32, 1..4).prop_map(|weights| {
            let weights = weights.into_iter();
            weights
                .map(|(name, weight)| (name, f64::from(weight) / 8.0))
                .collect()
        }),
    ];
    let units = vec![
        None,
        Some(Unit::Request),
        Some(Unit::Stream),
        Some(Unit::Connection),
    ];
    // The least share is above 2 %.
    let distribution = (weights, 1..20_u32, select(units)).prop_map(|(weights, tenths, per)| {
        let even = format!("even within {}.{}%", tenths / 10, tenths % 10);
        Distribution {
            weights,
            per,
            ..even.parse().unwrap()
        }
    });
    let route = "v[0-9]".prop_map(|servers| {
        let glob = |text: &str| text.parse().unwrap();
        Route::new(
            "version",
            vec![(glob("v1.*"), glob(&servers)), (glob("v2"), glob("*"))],
        )
    });
    let bounds = || {
        let bounds = vec![
            "detected < 1s",
            "lost<=200",
            "relapses == 0",
            "rebalanced <  1.5m",
            "switched < 2s",
            "survivors_p99 < 50ms",
        ];
        let bounds = prop::sample::subsequence(bounds, 0..=4);
        bounds.prop_map(|all| all.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>())
    };
    (
        prop::option::of(distribution),
        prop::collection::vec(route, 0..2),
        select(vec![
            None,
            Some(Sticky::Connection),
            Some(Sticky::User),
            Some(Sticky::Source),
            Some(Sticky::Key("{{ user % 7 }}".to_owned())),
        ]),
        bounds(),
        bounds(),
        prop::option::of((1..5_000_u64).prop_map(Duration::from_millis)),
        prop::option::of((2_000..59_000_u64).prop_map(Duration::from_millis)),
        ejected(),
    )
        .prop_map(
            |(distribution, routes, sticky, failover, drain, ok_within, slow_start, ejection)| {
                Expectations {
                    // It belongs to limits.
                    ok_within: ok_within.filter(|_| !failover.is_empty()),
                    distribution,
                    routes,
                    sticky,
                    failover,
                    drain,
                    slow_start,
                    ejection,
                }
            },
        )
}

fn ejected() -> impl Strategy<Value = Ejected> {
    let count = || prop::option::of(select(vec!["<= 20", "==0"]));
    (count(), prop::option::of(Just("<40s")), count()).prop_map(|(bad, out, healthy)| Ejected {
        bad: bad.map(|it| Limit::count(it).unwrap()),
        out: out.map(|it| Limit::time(it).unwrap()),
        healthy: healthy.map(|it| Limit::count(it).unwrap()),
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(expect in expectations()) {
        let mut plan = plan_of(&json!({ "tags": { "version": "v1.2" } }));
        plan.expect = expect;
        let printed = to_json(std::slice::from_ref(&plan));
        let again = Suite::parse("again", &printed.to_string(), None, None);
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
        let [again] = again.scenarios() else {
            return Err(TestCaseError::fail("one scenario was printed"));
        };
        // A limit is printed with a blank before it.
        let words = |plan: &ScenarioPlan| format!("{:?}", plan.expect).replace([' '], "");
        prop_assert_eq!(words(again), words(&plan));
        prop_assert!(plan.checked().is_ok());
    }
}

/// Those behind the balancer that answer and that the routes allow, whatever else names them.
#[test_case(&json!({}), &["b1", "b2"]; "by their own names")]
#[test_case(&json!({ "identify": { "header": "x-upstream" } }), &["b1", "b2"]; "by other names")]
#[test_case(&json!({ "tags": { "version": "v1" }, "expect": { "route": { "version": { "v1": "b1" } } } }), &["b1"]; "that the routes allow")]
fn who_may_answer_is_known(fields: &Value, expected: &[&str]) {
    let mut scenario = json!({
        "name": "s",
        "load": { "closed": { "users": 1, "iterations": 9 } },
        "steps": [{ "http": { "path": "/" } }],
        "targets": ["backend:lb"],
    });
    for (key, value) in fields.as_object().unwrap() {
        scenario[key] = value.clone();
    }
    let whole = json!({
        "backends": {
            "serve": "http",
            "b1": {},
            "b2": {},
            "lb": { "balance": "http", "protocol": "http", "backends": ["b1", "b2"] },
        },
        "scenarios": [scenario],
    });
    let plan = parse(&whole).unwrap().select::<&str>(&[], None).unwrap();
    let may_answer: Vec<&str> = plan.may_answer(&plan.scenarios[0]).collect();
    assert_eq!(may_answer, expected);
    let servers = crate::report::Expected::of(&plan, &plan.scenarios[0]).servers;
    assert_eq!(servers, ["b1", "b2"]);
}

/// Those that stand beside a target are not asked.
#[test_case("b1", &["b1"]; "a server itself")]
#[test_case("p", &["b2"]; "behind a proxy")]
#[test_case("lb", &["b1", "b2"]; "behind a balancer")]
fn who_may_answer_stands_behind_the_target(target: &str, expected: &[&str]) {
    let whole = json!({
        "backends": {
            "serve": "http",
            "b1": {},
            "b2": {},
            "b3": {},
            "p": { "serve": "proxy", "to": "b2" },
            "lb": { "balance": "http", "protocol": "http", "backends": ["b1", "p"] },
        },
        "scenarios": [{
            "name": "s",
            "load": { "closed": { "users": 1, "iterations": 9 } },
            "steps": [{ "http": { "path": "/" } }],
            "backends": ["b1", "b2", "b3", "p", "lb"],
            "targets": [format!("backend:{target}")],
        }],
    });
    let plan = parse(&whole).unwrap().select::<&str>(&[], None).unwrap();
    let may_answer: Vec<&str> = plan.may_answer(&plan.scenarios[0]).collect();
    assert_eq!(may_answer, expected);
    let servers = crate::report::Expected::of(&plan, &plan.scenarios[0]).servers;
    assert_eq!(servers, expected);
}

const DRAIN: &str = r#"{"at": "3s", "drain": "b2", "for": "2s"}"#;
const KILL: &str = r#"{"at": "3s", "kill": "b2"}"#;
const MARK: &str = r#"{"at": "3s", "mark": "m"}"#;
const RESTART: &str = r#"{"at": "3s", "restart": "b2"}"#;
const EXEC: &str = r#"{"at": "3s", "exec": ["start-b2"]}"#;
const CUT_OFF: &str = r#"{"at": "3s", "fault": "p1", "refuse": true}"#;
const CUT_OFF_FOR: &str = r#"{"at": "3s", "fault": "p1", "refuse": true, "for": "2s"}"#;
const HARMLESS: &str = r#"{"at": "3s", "fault": "p1", "refuse": false, "for": "2s"}"#;
const AND_BACK: &str =
    r#"{"at": "3s", "fault": "p1", "refuse": true}, {"at": "5s", "fault": "p1", "refuse": false}"#;
const AND_RESET: &str = r#"{"at": "3s", "fault": "p1", "refuse": true}, {"at": "5s", "fault": "p1", "reset_open": "100%"}"#;
const ANOTHERS: &str =
    r#"{"at": "3s", "fault": "p1", "refuse": true}, {"at": "5s", "fault": "p2", "refuse": false}"#;
const BEFORE: &str =
    r#"{"at": "2s", "fault": "p1", "refuse": false}, {"at": "3s", "fault": "p1", "refuse": true}"#;

/// They would have failed at the end of each run.
#[test_case(&json!({ "drain": { "lost": "== 0" } }), "" => "scenarios[0].expect.drain: found limits, and no server is asked to go, expected an event that asks one, such as {\"at\": \"5s\", \"drain\": \"b2\", \"for\": \"3s\"}"; "no drain")]
#[test_case(&json!({ "drain": { "lost": "== 0" } }), KILL => "scenarios[0].expect.drain: found limits, and no server is asked to go, expected an event that asks one, such as {\"at\": \"5s\", \"drain\": \"b2\", \"for\": \"3s\"}"; "a kill is no drain")]
#[test_case(&json!({ "drain": { "lost": "== 0" } }), DRAIN => ""; "a drain")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), KILL => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "nobody is back")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), DRAIN => ""; "somebody is back")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), RESTART => ""; "after a restart")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), EXEC => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "what a command does")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), MARK => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "a mark")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), CUT_OFF => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "cut off for good")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), CUT_OFF_FOR => ""; "cut off for a time")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), HARMLESS => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "not cut off")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), AND_BACK => ""; "a fault that another ends")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), AND_RESET => ""; "a fault that what is done once ends")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), ANOTHERS => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "the end of a fault of another")]
#[test_case(&json!({ "slow_start": { "over": "3s" } }), BEFORE => "scenarios[0].expect.slow_start: found a slow start, and no server comes back, expected an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}"; "the end of a fault before")]
#[test_case(&json!({ "slow_start": { "over": "10s" } }), DRAIN => "scenarios[0].expect.slow_start.over: found 10s, expected less than the load lasts, which has to go on for so long after a return; the load lasts 10s"; "a slow start of the whole load")]
#[test_case(&json!({ "ejection": { "healthy": "== 0" } }), "" => "scenarios[0].expect.ejection: found limits, and there are no events, expected an event, such as {\"at\": \"5s\", \"mark\": \"look here\"}; only the times around events are recorded finely enough to see ejections"; "no ejection to be seen")]
#[test_case(&json!({ "ejection": { "healthy": "== 0" } }), MARK => ""; "ejections around a mark")]
fn expectations_of_events_that_nobody_does_are_refused(expect: &Value, events: &str) -> String {
    let scenario = |name: &str, fields: Value| {
        let mut scenario = json!({
            "name": name,
            "load": { "open": { "rate": "10/s", "duration": "10s" } },
            "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
            "targets": ["backend:b1", "backend:b2"],
        });
        scenario
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        scenario
    };
    let events: Vec<Value> = serde_json::from_str(&format!("[{events}]")).unwrap();
    let told = |scenarios: &[Value], profiles: Value| {
        let whole = json!({
            "backends": { "serve": "grpc", "b1": {}, "b2": {},
                "p1": { "serve": "proxy", "to": "b1" }, "p2": { "serve": "proxy", "to": "b2" } },
            "profiles": profiles,
            "scenarios": scenarios,
        });
        match parse(&whole) {
            Ok(_) => String::new(),
            Err(error) => {
                let all = error.problems().iter().map(ToString::to_string);
                all.collect::<Vec<_>>().join("\n")
            }
        }
    };
    let alone = scenario("s", json!({ "expect": expect, "events": events }));
    let said = told(&[alone], json!({}));
    // An event of another scenario is one, too, and so may be that of a profile.
    let expecting = scenario("s", json!({ "expect": expect }));
    let other = scenario("other", json!({ "events": events }));
    assert_eq!(told(&[expecting.clone(), other], json!({})), said);
    assert_eq!(
        told(&[expecting], json!({ "chaos": { "events": events } })),
        ""
    );
    said
}
