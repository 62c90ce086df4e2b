//! What is done to servers while a run is under way, and the requests around it.
#![expect(
    clippy::disallowed_methods,
    reason = "whoever does something to servers has a thread and a clock of their own"
)]

use std::time::{Duration, Instant};

use loadgen_core::engine::{Options, Run, ScenarioSpec, TimelineSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::{EventAction, EventRecord, Timeline, TimelineCell};
use loadgen_core::report::{self, Context};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};

/// Two servers by turns; what goes to the one fails from the 501st arrival on, without a name: by when it was
/// due, and not by when a worker came to it.
struct Servers;

impl Workload for Servers {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let arrival = iteration.arrival().expect("the model is open");
        tokio::time::sleep(Duration::from_millis(20)).await;
        match arrival % 2 {
            0 => iteration.answered_by(b"b1"),
            _ if arrival >= 500 => return Failure::Reset("the connection was reset").into(),
            _ => iteration.answered_by(b"b2"),
        }
        Outcome::Ok
    }
}

fn spec(windows: Option<(u64, u64)>) -> ScenarioSpec {
    let load = Load::open(Rate::new(1_000.0).expect("a rate"))
        .for_(Duration::from_millis(800))
        .max_users(200);
    let mut spec = ScenarioSpec::new("s", load);
    spec.warm_up = Duration::from_millis(100);
    spec.timeline = windows.map(|(from, to)| {
        let window = (Duration::from_millis(from), Duration::from_millis(to));
        TimelineSpec::new([window], Some(Duration::from_millis(10)))
    });
    spec
}

fn sum(timeline: &Timeline, backend: Option<&str>, count: fn(&TimelineCell) -> u64) -> u64 {
    timeline.of(backend).map(|(_, cell)| count(&cell)).sum()
}

#[test]
fn requests_around_an_event_are_kept_by_server_and_time() {
    let run = Run::new(Options::default().workers(2)).scenario(spec(Some((200, 600))), |_| Servers);
    let marker = run.marker();
    let teller = std::thread::spawn(move || {
        assert!(marker.begun(Duration::from_secs(10)));
        let at = Duration::from_millis(400);
        let due = marker.due(0, at).expect("the clock runs");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut event = EventRecord::new(EventAction::Kill, "kill b2");
        event.planned = Some(at);
        event.done = Some(marker.since(0, Instant::now()));
        assert!(marker.record(0, event));
        marker
    });
    let record = run.execute().expect("the run begins");
    let marker = teller.join().expect("it told");
    assert!(marker.is_over());
    let scenario = &record.scenarios[0];
    let done = scenario.events[0].done.expect("it was done");
    assert!((400..700).contains(&done.as_millis()), "{done:?}");

    let timeline = &scenario.timeline;
    let window = (Duration::from_millis(200), Duration::from_millis(600));
    assert_eq!(timeline.windows(), [window]);
    let due = |backend| sum(timeline, backend, |it| it.due);
    // A thousand a second for 400 ms.
    assert_eq!(due(Some("b1")) + due(Some("b2")) + due(None), 400);
    let of = [Some("b1"), Some("b2"), None].map(due);
    assert!(
        of.iter().all(|it| *it > 0) && of[0].abs_diff(200) <= 4,
        "{of:?}"
    );
    let failed = |backend| sum(timeline, backend, |it| it.due_failed);
    assert_eq!((failed(Some("b2")), failed(None)), (0, due(None)));
    // All take 20 ms and may take 10.
    assert_eq!(sum(timeline, Some("b1"), |it| it.due_slow), due(Some("b1")));
    assert_eq!(sum(timeline, None, |it| it.due_slow), 0);
    let ended = sum(timeline, None, |it| it.ended_failed);
    assert!(ended > 0 && ended <= due(None), "{ended}");
    // The 501st was due 400 ms after the warm-up.
    let silent = |(at, cell): &(Duration, TimelineCell)| cell.due > 0 && at.as_millis() > 400;
    assert!(!timeline.of(Some("b2")).any(|it| silent(&it)));

    let document = report::build(&record, Context::default());
    let document = serde_json::to_value(&document.scenarios[0]).expect("JSON");
    assert_eq!(document["events"][0]["event"], "kill b2");
    assert_eq!(document["events"][0]["at_s"], 0.4);
    let moments = document["timeline"].as_array().expect("moments");
    let times: Vec<f64> = moments.iter().filter_map(|it| it["t_s"].as_f64()).collect();
    assert_eq!(times, [0.2, 0.3, 0.4, 0.5]);
}

#[test]
fn without_events_nothing_is_kept() {
    let run = Run::new(Options::default().workers(2)).scenario(spec(None), |_| Servers);
    let record = run.execute().expect("the run begins");
    assert!(record.scenarios[0].timeline.is_empty());
    let document = report::build(&record, Context::default());
    let document = serde_json::to_value(&document.scenarios[0]).expect("JSON");
    assert!(document.get("timeline").is_none() && document.get("events").is_none());
}
