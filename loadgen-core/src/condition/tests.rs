use proptest::prelude::*;
use test_case::test_case;

use super::*;

#[test_case("", "expected the name of a metric at column 1, found the end"; "nothing")]
#[test_case(
    "error_rat < 1%",
    "unknown metric `error_rat` at column 1; did you mean `error_rate`?"
)]
#[test_case(
    "p99 < 5ms",
    "unknown metric `p99` at column 1; did you mean `response_time.p99`?"
)]
#[test_case(
    "latency < 5ms",
    "unknown metric `latency` at column 1; did you mean `response_time.p95`?"
)]
#[test_case(
    "errors < 1%",
    "unknown metric `errors` at column 1; did you mean `error_rate`?"
)]
#[test_case("  Late < 1%", "unknown metric `Late` at column 3; did you mean `late`?"; "upper case")]
#[test_case("error_rate", "expected one of `<`, `<=`, `>`, `>=`, `==`, `!=` at column 11, found the end"; "no operator")]
#[test_case("error_rate = 1%", "expected one of `<`, `<=`, `>`, `>=`, `==`, `!=` at column 12, found `=`"; "one equal sign")]
#[test_case("error_rate < ", "expected a percentage such as `1%` at column 14, found the end"; "no value")]
#[test_case("error_rate < 1", "expected a percentage such as `1%` at column 14, found `1`"; "no percent sign")]
#[test_case("error_rate < 1ms", "expected a percentage such as `1%` at column 14, found `1ms`"; "a time for a rate")]
#[test_case("error_rate < -1%", "expected a percentage such as `1%` at column 14, found `-1%`"; "negative")]
#[test_case("error_rate < NaN%", "expected a percentage such as `1%` at column 14, found `NaN%`"; "nan")]
#[test_case("error_rate < 1.%", "expected a percentage such as `1%` at column 14, found `1.%`"; "no decimals")]
#[test_case("error_rate < 1.2.3%", "expected a percentage such as `1%` at column 14, found `1.2.3%`"; "two points")]
#[test_case("error_rate < 1% please", "expected the end of the condition, or windows such as `over any 10s` at column 17, found `please`"; "something after")]
#[test_case("error_rate < 1% over 10s", "expected `any` and a time, as in `over any 10s` at column 22, found `10s`"; "over without any")]
#[test_case("error_rate < 1% over", "expected `any` and a time, as in `over any 10s` at column 21, found the end"; "over nothing")]
#[test_case("error_rate < 1% over any", "expected whole seconds from 1s to 1h such as `10s` at column 25, found the end"; "over any nothing")]
#[test_case("error_rate < 1% over any 0s", "expected whole seconds from 1s to 1h such as `10s` at column 26, found `0s`"; "no window")]
#[test_case("error_rate < 1% over any 10", "expected whole seconds from 1s to 1h such as `10s` at column 26, found `10`"; "a window without a unit")]
#[test_case("error_rate < 1% over any 1.5s", "expected whole seconds from 1s to 1h such as `10s` at column 26, found `1.5s`"; "half a second")]
#[test_case("error_rate < 1% over any 2h", "expected whole seconds from 1s to 1h such as `10s` at column 26, found `2h`"; "a long window")]
#[test_case("error_rate < 1% over any 10 s", "expected whole seconds from 1s to 1h such as `10s` at column 26, found `10`"; "a blank before the unit")]
#[test_case("error_rate < 1% over any 10s please", "expected the end of the condition at column 30, found `please`"; "something after a window")]
#[test_case("error_rate over any 10s < 1%", "expected one of `<`, `<=`, `>`, `>=`, `==`, `!=` at column 12, found `over`"; "windows before the bound")]
#[test_case("silence < 1s over any 10s", "expected the end of the condition (this is of a whole run) at column 14, found `over`"; "silence over windows")]
#[test_case("backends.'(unknown)'.failed < 1 over any 10s", "expected the end of the condition (this is of a whole run) at column 33, found `over`"; "without a name over windows")]
#[test_case("balance.imbalance < 1.2 over any 10s", "expected the end of the condition (this is of a whole run) at column 25, found `over`"; "balance over windows")]
#[test_case("failover.lost < 9 over any 10s", "expected the end of the condition (this is of a whole run) at column 19, found `over`"; "failover over windows")]
#[test_case("balance.imbalance == 1.2", "expected `<`, `<=`, `>` or `>=` (a measured time or rate is never exactly equal) at column 19, found `==`"; "equally balanced")]
#[test_case("balance.imbalance < 120%", "expected a number such as `1.2` at column 21, found `120%`"; "imbalance as a share")]
#[test_case("balance.idle < 0.5", "expected a whole number at column 16, found `0.5`"; "half a server")]
#[test_case(
    "balance.even < 1",
    "unknown figure of balance `even` at column 9; expected one of imbalance, least, variation, dispersion, idle"
)]
#[test_case(
    "failover.detectd < 1s",
    "unknown figure of a failover `detectd` at column 10; did you mean `detected`?"
)]
#[test_case("failover.detected < 1", "expected a time with a unit (ns, us, ms, s, m or h) such as `5ms` at column 21, found `1`"; "a time without its unit")]
#[test_case("drain.lost <= 1%", "expected a whole number at column 15, found `1%`"; "lost as a share")]
#[test_case("tags.tier.gold.failover.lost < 5", "expected a metric that scenarios have together (what became of a server's load is of each scenario: `failover` belongs to its own `thresholds`) at column 16, found `failover.lost`"; "failover of a tag")]
#[test_case("unanswered < 1 over any 10s", "expected the end of the condition (this is of a whole run) at column 16, found `over`"; "unanswered over windows")]
#[test_case("failed == 0 over any 10s", "expected `<`, `<=`, `>` or `>=` (with `over any` the worst window is compared) at column 8, found `==`"; "equal over windows")]
#[test_case(
    "backends.b1.latency.p95 < 5ms",
    "unknown metric of a backend `latency` at column 13; expected one of requests, share, failed, error_rate, response_time"
)]
#[test_case("backends.10.0.0.1:8080.share < 5%", "expected a metric of a backend such as `error_rate` (a name with other characters than letters, digits, `_` and `-` stands in quotes: `backends.'10.0.0.1:8080'.error_rate`) at column 13, found `0.0.1:8080.share`"; "an address without quotes")]
#[test_case("backends.'b1.share < 5%", "expected the closing ' of a name at column 24, found the end"; "an open quote")]
#[test_case("backends.''.share < 5%", "expected the name that a server gives itself at column 10, found `''.share`"; "nothing in quotes")]
#[test_case("backends.b1 < 5%", "expected a point at column 12, found `<`"; "no metric of a backend")]
#[test_case("backends.b1.share < 5", "expected a percentage such as `1%` at column 21, found `5`"; "a share without a percent sign")]
#[test_case(
    "backends.b1.shar < 5%",
    "unknown metric of a backend `shar` at column 13; did you mean `share`?"
)]
#[test_case(
    "backend.b1.share < 5%",
    "unknown metric `backend` at column 1; did you mean `backends`?"
)]
#[test_case(
    "tag.tier.gold.failed < 5",
    "unknown metric `tag` at column 1; did you mean `tags`?"
)]
#[test_case("tags < 5", "expected a point at column 5, found `<`"; "tags alone")]
#[test_case("tags.tier < 5", "expected a point at column 10, found `<`"; "a tag without a value")]
#[test_case("tags.tier.gold < 5", "expected a point at column 15, found `<`"; "a tag without a metric")]
#[test_case("tags..gold.failed < 5", "expected the key of a tag at column 6, found `.gold.failed`"; "no key")]
#[test_case("tags.tier.''.failed < 5", "expected the value of a tag at column 11, found `''.failed`"; "no value of a tag")]
#[test_case("tags.tier.'gold.failed < 5", "expected the closing ' of a name at column 27, found the end"; "an open quote of a tag")]
#[test_case("tags.tier.gold.faild < 5", "unknown metric `faild` at column 16; did you mean `failed`?"; "an unknown metric of a tag")]
#[test_case("tags.tier.response_time.p99 < 5ms", "expected a metric after the tag's key and value: `tags.KEY.VALUE.METRIC` at column 25, found `p99`"; "a tag without its value")]
#[test_case("tags.tier.gold.tags.region.eu.failed < 5", "expected a metric (a condition is on one tag) at column 16, found `tags.region.eu.failed`"; "two tags")]
#[test_case("tags.tier.gold.silence < 5s", "expected a metric that scenarios have together (how long a service was silent is of each scenario: `silence` belongs to its own `thresholds`) at column 16, found `silence`"; "silence of a tag")]
#[test_case("tags.tier.gold.unanswered < 5 over any 10s", "expected the end of the condition (this is of a whole run) at column 31, found `over`"; "unanswered of a tag over windows")]
#[test_case("response_time < 5ms", "expected a statistic after a point such as `.p95` at column 14, found `<`"; "no statistic")]
#[test_case(
    "response_time.p98 < 5ms",
    "unknown statistic `p98` at column 15; did you mean `p90`?"
)]
#[test_case(
    "response_time.quartile < 5ms",
    "unknown statistic `quartile` at column 15; expected one of mean, min, p50, p90, p95, p99, p999, p9999, max"
)]
#[test_case("response_time.p95 < 5", "expected a time with a unit (ns, us, ms, s, m or h) such as `5ms` at column 21, found `5`"; "no unit")]
#[test_case(
    "response_time.p95 == 5ms",
    "expected `<`, `<=`, `>` or `>=` (a measured time or rate is never exactly equal) at column 19, found `==`"
)]
#[test_case("throughput > 1000", "expected a rate such as `1000/s` at column 14, found `1000`"; "a rate without a unit")]
#[test_case("planned > 1%", "expected a whole number at column 11, found `1%`"; "planned is the whole")]
#[test_case("failed < 0.5", "expected a whole number or a percentage such as `5` or `1%` at column 10, found `0.5`"; "half an iteration")]
#[test_case("failed < 1e999", "expected a whole number or a percentage such as `5` or `1%` at column 10, found `1e999`"; "exponent")]
#[test_case("failed < 99999999999999999999", "expected a whole number or a percentage such as `5` or `1%` at column 10, found `99999999999999999999`"; "huge")]
#[test_case(
    "outcomes.timeut == 0",
    "unknown outcome `timeut` at column 10; did you mean `timeout`?"
)]
#[test_case(
    "outcomes.grpc.UNAVAILBLE == 0",
    "unknown gRPC status `UNAVAILBLE` at column 15; did you mean `UNAVAILABLE`?"
)]
#[test_case("outcomes.grpc == 0", "expected a point at column 14, found `==`"; "no code")]
#[test_case(
    "outcomes.http.999 == 0",
    "expected an HTTP status such as `503` at column 15, found `999`"
)]
#[test_case(
    "outcomes.reset.cancel == 0",
    "expected the reason of a reset in capitals such as `REFUSED_STREAM` at column 16, found `cancel`"
)]
#[test_case(
    "connections.lost == 0",
    "unknown event `lost` at column 13; expected one of opened, failed, dropped"
)]
#[test_case(
    "retries.attemps < 5",
    "unknown count of retries `attemps` at column 9; did you mean `attempts`?"
)]
#[test_case("retries.attempts < 5%", "expected a whole number at column 20, found `5%`"; "attempts as a share")]
#[test_case("retries.failed < 5 over any 10s", "expected the end of the condition (this is of a whole run) at column 20, found `over`"; "retries over windows")]
#[test_case("steps. < 1", "expected the name of a step at column 7, found `<`"; "no step")]
#[test_case(
    "steps.hello.connect_time.p50 < 1ms",
    "unknown metric of a step `connect_time` at column 13; expected one of error_rate, outcomes, messages_sent, messages_received, messages_missing, messages_out_of_order, messages_unexpected, messages_too_late, response_time, service_time, start_lag, queue_wait, send_lag, read_lag, generator, first_byte, first_message, message_gap, round_trip, message_lag, stream_wait"
)]
#[test_case(
    "ünicode < 1",
    "unknown metric `ünicode` at column 1; expected a metric such as `response_time.p95`, `error_rate` or `throughput`"
)]
fn refuses(expression: &str, message: &str) {
    let error = expression.parse::<Threshold>().unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test_case("backends.b1.share < 60%", Some("b1"), None)]
#[test_case("backends.'10.0.0.1:8080'.response_time.p99 < 20ms over any 1m30s", Some("10.0.0.1:8080"), Some(90); "an address")]
#[test_case("backends.\"it's\".requests >= 10/s", Some("it's"), None; "the other quotes")]
#[test_case("backends.'(unknown)'.failed == 0", Some("(unknown)"), None; "without a name")]
#[test_case("steps.'by-the-way'.response_time.p99<20ms  over  any  1h ", None, Some(3600); "blanks")]
#[test_case("balance.imbalance < 1.2", None, None)]
#[test_case("failover.detected < 800ms", None, None)]
#[test_case("drain.lost == 0", None, None)]
fn selects(expression: &str, backend: Option<&str>, window: Option<u64>) {
    let threshold: Threshold = expression.parse().unwrap();
    assert_eq!(threshold.backend(), backend);
    assert_eq!(threshold.window(), window.map(Duration::from_secs));
}

#[test_case("tags.tier.gold.error_rate < 1%", "tier", "gold", None, None)]
#[test_case("tags.tier.gold.balance.imbalance < 1.2", "tier", "gold", None, None; "balance")]
#[test_case(" tags.tier.gold.steps.ask.round_trip.p99 < 5ms over any 10s", "tier", "gold", Some("ask"), Some(10); "a step over windows")]
#[test_case("tags.'a.b'.\"it's 1.2\".backends.b1.share < 60%", "a.b", "it's 1.2", None, None; "in quotes")]
#[test_case("tags.throughput.late.late < 5", "throughput", "late", None, None; "words of metrics")]
fn tags(expression: &str, key: &str, value: &str, step: Option<&str>, window: Option<u64>) {
    let threshold: Threshold = expression.parse().unwrap();
    let tag = Tag::new(key, value);
    assert_eq!(threshold.tag(), Some(&tag));
    assert_eq!(threshold.step(), step);
    assert_eq!(threshold.window(), window.map(Duration::from_secs));
    let again = format!("{tag}.error_rate < 1%");
    assert_eq!(again.parse::<Threshold>().unwrap().tag(), Some(&tag));
}

#[test]
fn windows_can_be_asked_for_in_code() {
    let threshold = |text: &str| text.parse::<Threshold>().unwrap();
    let window = Duration::from_secs(90);
    let windowed = threshold("error_rate < 1%")
        .aborting(Duration::ZERO)
        .over_any(window);
    let written = threshold("error_rate < 1% over any 1m30s");
    assert_eq!(windowed, Ok(written.clone().aborting(Duration::ZERO)));
    for refused in [
        written.over_any(window),
        threshold("silence < 1s").over_any(window),
        threshold("error_rate < 1%").over_any(Duration::from_millis(1_500)),
    ] {
        assert!(refused.is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = text.parse::<Threshold>();
    }

    #[test]
    fn pieces_of_the_grammar_in_any_order(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "steps", ".", "hello", "response_time", "p95", "<", "<=", "==", "1", "5ms", "%",
                " ", "outcomes", "grpc", "UNAVAILABLE", "error_rate", "/s", "late", "ü", "backends",
                "share", "retries", "attempts", "balance", "imbalance", "failover", "lost", "tags", "tier", "'", "\"", " over any ", "10s", "0",
            ]),
            0..14,
        )
    ) {
        let text = pieces.concat();
        if let Ok(threshold) = text.parse::<Threshold>() {
            let again = threshold.expression().parse::<Threshold>();
            prop_assert_eq!(again, Ok(threshold));
        }
    }
}
