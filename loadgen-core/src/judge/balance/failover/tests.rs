//! Runs made after those that real proxies gave: 500 requests a second in turns to three servers, b2 away from
//! 4.023 s to 7.063 s.

use test_case::test_case;

use super::*;
use crate::record::{BackendRecord, Sparse, TimelineCell, new_coarse_histogram};

const DONE: Duration = Duration::from_micros(4_023_000);
const READY: Duration = Duration::from_micros(7_063_000);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What becomes of a request: who answers, after how long, and whether ok.
#[derive(Clone, Copy)]
struct Fate(Option<&'static str>, Duration, bool);

/// So soon.
const SOON: Duration = Duration::from_millis(1);
const REFUSED: Fate = Fate(None, SOON, false);

fn ok(by: &'static str) -> Fate {
    Fate(Some(by), SOON, true)
}

/// Somebody else, in turns.
fn elsewhere(request: u64) -> Fate {
    ok(["b1", "b3"][(request % 2) as usize])
}

/// Ten seconds of load; `fate` is asked for the requests that it is b2's turn for, and `others` for the rest.
fn run(
    until: Duration,
    fate: impl Fn(u64, Duration) -> Fate,
    others: impl Fn(u64) -> Option<Fate>,
) -> Timeline {
    let windows = [(Duration::ZERO, Duration::from_secs(70))];
    let mut timeline = Timeline::new(windows).slow_after(Some(ms(250)));
    let bucket = |at: Duration| (at.as_nanos() / Timeline::BUCKET.as_nanos()) as u64;
    for request in 0..5_000 {
        let due = ms(2) * u32::try_from(request).unwrap();
        if due >= until {
            break;
        }
        let turn = match request % 3 {
            0 => ok("b1"),
            1 => fate(request, due),
            _ => ok("b3"),
        };
        let Fate(by, took, is_ok) = others(request).unwrap_or(turn);
        let mut times = new_coarse_histogram();
        times.saturating_record(took.as_nanos() as u64);
        timeline.add(
            by,
            bucket(due),
            TimelineCell {
                due: 1,
                due_failed: u64::from(!is_ok),
                due_slow: u64::from(is_ok && took > ms(250)),
                ..TimelineCell::default()
            },
        );
        if let Some(by) = by {
            timeline.add_times(by, bucket(due), &Sparse::of(&times));
        }
        timeline.add(
            by,
            bucket(due + took),
            TimelineCell {
                ended_ok: u64::from(is_ok),
                ended_failed: u64::from(!is_ok),
                ..TimelineCell::default()
            },
        );
    }
    timeline
}

fn killed() -> EventRecord {
    let mut event = EventRecord::new(EventAction::Kill, "kill b2");
    event.backend = Some("b2".to_owned());
    event.done = Some(DONE);
    event.ready = Some(READY);
    event
}

fn of(
    timeline: &Timeline,
    event: &EventRecord,
    before: Option<Duration>,
    next: Option<Duration>,
) -> Failover {
    super::of((timeline, Duration::from_secs(10)), event, before, next)
}

fn found(timeline: &Timeline) -> Failover {
    of(timeline, &killed(), None, None)
}

fn whole(fate: impl Fn(u64, Duration) -> Fate) -> Failover {
    found(&run(Duration::from_secs(10), fate, |_| None))
}

/// Within a bucket of it.
#[track_caller]
fn took(moment: Moment, expected: Duration) {
    let time = moment.after().unwrap_or_else(|| panic!("{moment:?}"));
    assert!(
        time.abs_diff(expected) <= ms(10),
        "{time:?} for {expected:?}"
    );
}

#[test]
fn round_robin_without_checks_never_notices() {
    let failover = whole(|_, due| match DONE <= due && due < READY {
        true => REFUSED,
        false => ok("b2"),
    });
    assert_eq!(failover.detected, Moment::Never);
    assert_eq!((failover.lost, failover.lost_in_flight), (506, 0));
    // The first came in the bucket of the event, and may have been due before it.
    assert_eq!(failover.given, Some(505));
    assert_eq!(failover.relapses, None);
    took(failover.recovered, READY - DONE);
    took(failover.returned, Duration::ZERO);
    assert_eq!(failover.silence, ms(10));
    assert_eq!(failover.untold, None);
}

#[test]
fn health_checks_that_find_out() {
    let noticed = DONE + ms(820);
    let failover = whole(|request, due| match () {
        () if (DONE..noticed).contains(&due) => REFUSED,
        () if (noticed..READY + ms(260)).contains(&due) => elsewhere(request),
        () => ok("b2"),
    });
    took(failover.detected, ms(820));
    took(failover.recovered, ms(820));
    assert_eq!((failover.lost, failover.relapses), (136, Some(0)));
    took(failover.returned, ms(260));
    took(failover.rebalanced, ms(260));
    let (first, last) = failover.errors.unwrap();
    assert!(
        first < ms(10) && last.abs_diff(ms(820)) <= ms(10),
        "{first:?} {last:?}"
    );
}

/// The others take longer while b2 is away, and b2 itself when it is back.
#[test]
fn the_tail_of_the_others() {
    let others = |request: u64| {
        let due = ms(2) * u32::try_from(request).unwrap();
        let took = if due < DONE { SOON } else { ms(20) };
        (due < READY).then(|| Fate(elsewhere(request).0, took, true))
    };
    let slow = |_, _| Fate(Some("b2"), ms(200), true);
    let mut timeline = run(Duration::from_secs(10), slow, others);
    // It had something in the time before.
    for bucket in 0..350 {
        timeline.add(Some("b2"), bucket, TimelineCell::of_due(true, false));
    }
    let failover = found(&timeline);
    let survivors = failover.survivors.as_ref().expect("b1 and b3 went on");
    let p99 = |times| Survivors::p99(times).map(|it| it.as_micros());
    // Off by 0.4 % at the most, and not a request of after that.
    let (before, during) = (p99(&survivors.before), p99(&survivors.during));
    assert!(
        before.is_some_and(|it| it.abs_diff(1_000) <= 4),
        "{before:?}"
    );
    assert!(
        during.is_some_and(|it| it.abs_diff(20_000) <= 80),
        "{during:?}"
    );
    // 500 a second, up to half a second before, and the 3.04 s of its absence.
    assert_eq!(survivors.before.len(), 1_760);
    assert_eq!(survivors.during.len(), 1_520);
    // The next event ends it, and then they are too few.
    let until = of(&timeline, &killed(), None, Some(DONE + ms(1_000)));
    let survivors = until.survivors.expect("b1 and b3 went on");
    assert_eq!(
        (survivors.during.len(), Survivors::p99(&survivors.during)),
        (500, None)
    );
    // Where nothing was usual there is nothing to compare with.
    let early = of(&timeline, &killed(), Some(DONE + ms(1)), None);
    assert_eq!(early.survivors, None);
}

/// Requests that were due just before it was back and left late: a dead server cannot have had them before.
#[test]
fn what_a_dead_server_answers_it_got_when_it_was_back() {
    let late = |request: u64, due: Duration| match () {
        () if due < DONE || READY - ms(40) < due => ok("b2"),
        () => elsewhere(request),
    };
    let failover = whole(late);
    assert_eq!(failover.relapses, Some(0));
    // What a balancer keeps, and tries again until the server is there, was given to it all the same.
    let kept = |request: u64, due: Duration| match () {
        () if due < DONE + ms(900) => ok("b2"),
        () if due < READY => elsewhere(request),
        () => ok("b2"),
    };
    let failover = whole(kept);
    took(failover.detected, ms(900));
    let mut event = killed();
    event.action = EventAction::Freeze;
    let timeline = run(Duration::from_secs(10), late, |_| None);
    let failover = of(&timeline, &event, None, None);
    assert!(failover.relapses.is_some_and(|it| it > 3), "{failover:?}");
}

/// Ejected at once, and readmitted while it was still dead: what counts is told apart from what came later.
#[test]
fn outlier_detection_that_readmits_the_dead() {
    let failover = whole(|request, due| {
        let after = due.saturating_sub(DONE).as_millis();
        match after {
            _ if due < DONE => ok("b2"),
            0..=20 | 1_330..=2_353 => REFUSED,
            _ if due < READY + ms(810) => elsewhere(request),
            _ => ok("b2"),
        }
    });
    took(failover.detected, ms(20));
    took(failover.recovered, ms(20));
    assert_eq!(failover.relapses, Some(171));
    assert_eq!(failover.lost, 171 + 3);
    took(failover.returned, ms(810));
    assert!(failover.errors.unwrap().1.abs_diff(ms(2_353)) <= ms(10));
}

#[test]
fn what_is_sent_again_loses_nothing_and_may_never_go_back() {
    let failover = whole(|request, due| match due < DONE {
        true => ok("b2"),
        false => elsewhere(request),
    });
    took(failover.detected, Duration::ZERO);
    took(failover.recovered, Duration::ZERO);
    assert_eq!((failover.lost, failover.relapses), (0, Some(0)));
    assert_eq!(failover.errors, None);
    assert_eq!(failover.returned, Moment::Never);
    assert_eq!(failover.rebalanced, Moment::Never);
}

/// A frozen server keeps what it is given, and answers it when it goes on.
#[test]
fn a_frozen_server_answers_when_it_thaws() {
    let mut event = killed();
    event.action = EventAction::Freeze;
    let fate = |_, due| match DONE <= due && due < READY {
        true => Fate(Some("b2"), READY + SOON - due, true),
        false => ok("b2"),
    };
    let timeline = run(Duration::from_secs(10), fate, |_| None);
    let failover = of(&timeline, &event, None, None);
    assert_eq!(failover.detected, Moment::Never);
    assert_eq!(failover.lost, 0);
    // Those that were given to it less than 250 ms before it went on were in time.
    let slow = failover.slow.unwrap();
    assert!(slow.abs_diff((3_040 - 250) / 6) <= 2, "{slow}");
    took(failover.recovered, READY - DONE - ms(250));
    took(failover.returned, Duration::ZERO);
}

#[test]
fn what_was_under_way_is_told_apart() {
    // Requests take 100 ms, and those under way fail with the server.
    let failover = whole(|request, due| match () {
        () if due + ms(100) < DONE => Fate(Some("b2"), ms(100), true),
        () if due < DONE => Fate(Some("b2"), DONE + SOON - due, false),
        () if due < READY => elsewhere(request),
        () => ok("b2"),
    });
    // Of 17 due in those 100 ms, one was in the bucket of the event and may have come after it.
    assert_eq!((failover.lost, failover.lost_in_flight), (17, 16));
    took(failover.detected, Duration::ZERO);
    assert!(failover.errors.unwrap().0 < ms(10));
}

/// One request in a hundred fails whatever happens: that is neither loss nor a sign of the dead.
#[test]
fn failures_that_are_usual_do_not_count() {
    let always = |request: u64| (request % 100 == 50).then_some(REFUSED);
    let noticed = DONE + ms(300);
    let away = |request, due| match () {
        () if (DONE..noticed).contains(&due) => REFUSED,
        () if (noticed..READY).contains(&due) => elsewhere(request),
        () => ok("b2"),
    };
    let failover = found(&run(Duration::from_secs(10), away, always));
    // The few that are usual in half a second may hide as many of its own.
    let detected = failover.detected.after().unwrap();
    assert!((ms(230)..ms(310)).contains(&detected), "{detected:?}");
    assert!(failover.lost.abs_diff(50) <= 2, "{}", failover.lost);
    assert_eq!(failover.errors, None);
    assert!(failover.relapses.unwrap() <= 10, "{:?}", failover.relapses);
}

/// With a few users that wait for their answers, all of them wait for the frozen server sooner or later. Nobody
/// has noticed anything then.
#[test]
fn users_that_all_wait_are_no_discovery() {
    let stuck = DONE + ms(60);
    let fate = |_, due| match due < DONE {
        true => ok("b2"),
        false => Fate(Some("b2"), READY - due, true),
    };
    let mut timeline = run(stuck, fate, |_| None);
    for bucket in 707..1_000 {
        for server in ["b1", "b2", "b3"] {
            timeline.add(
                Some(server),
                bucket,
                TimelineCell {
                    due: 2,
                    ended_ok: 2,
                    ..TimelineCell::default()
                },
            );
        }
    }
    let mut event = killed();
    event.action = EventAction::Freeze;
    let failover = of(&timeline, &event, None, None);
    assert_eq!(failover.detected, Moment::Never);
    assert!(failover.silence > Duration::from_secs(2), "{failover:?}");
    took(failover.rebalanced, Duration::ZERO);
}

/// The load ends: that nothing is given to it then is no discovery.
#[test]
fn the_end_of_the_load_is_no_silence() {
    let mut event = killed();
    event.ready = None;
    let until = |end| {
        let fate = |_, due| if due < DONE { ok("b2") } else { REFUSED };
        of(&run(end, fate, |_| None), &event, None, None)
    };
    let failover = until(DONE + ms(2_000));
    assert_eq!(failover.detected, Moment::Untold);
    let why = "it was not detected until the load ended, 2 s after it";
    assert_eq!(failover.untold.as_deref(), Some(why));
    assert_eq!(failover.recovered, Moment::Never);
    assert_eq!(failover.returned, Moment::Untold);
    let failover = until(DONE + ms(300));
    assert_eq!(failover.detected, Moment::Untold);
    assert_eq!(
        failover.untold.as_deref(),
        Some("less than 500ms of load was left after it")
    );
}

/// What takes a second cannot come in less.
#[test]
fn nothing_is_never_where_there_was_no_time_for_it() {
    let until = |end| {
        let fate = |request, due| match due < DONE {
            true => ok("b2"),
            false => elsewhere(request),
        };
        found(&run(end, fate, |_| None))
    };
    let failover = until(READY + ms(300));
    assert_eq!(failover.returned, Moment::Untold);
    assert_eq!(failover.rebalanced, Moment::Untold);
    let why = "less than 1s of load was left after the server was back";
    assert_eq!(failover.untold.as_deref(), Some(why));
    let failover = until(READY + ms(700));
    assert_eq!(failover.returned, Moment::Never);
    assert_eq!(failover.rebalanced, Moment::Untold);
    assert_eq!(until(READY + ms(1_100)).rebalanced, Moment::Never);
}

#[test]
fn the_next_event_ends_what_can_be_told() {
    let fate = |_, due| match DONE <= due && due < READY {
        true => REFUSED,
        false => ok("b2"),
    };
    let timeline = run(Duration::from_secs(10), fate, |_| None);
    let failover = of(&timeline, &killed(), None, Some(DONE + ms(1_000)));
    assert_eq!(failover.detected, Moment::Untold);
    assert!(failover.lost.abs_diff(166) <= 2, "{}", failover.lost);
    // What was usual is not what the event before did.
    let late = of(&timeline, &killed(), Some(DONE - ms(200)), None);
    let why = "there was less than 500ms of load before it to compare with";
    assert_eq!(late.untold.as_deref(), Some(why));
}

#[test]
fn a_server_that_is_back_at_once_is_not_missed() {
    let mut event = killed();
    event.ready = Some(DONE + ms(200));
    let timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    let failover = of(&timeline, &event, None, None);
    assert_eq!(failover.detected, Moment::Untold);
    took(failover.returned, Duration::ZERO);
    assert!(
        failover
            .untold
            .unwrap()
            .starts_with("the server was back before")
    );
}

#[test_case(
    "b9",
    "nothing answered as `b9`: it had no requests, or goes by another name"
)]
#[test_case("late", "`late` answered nothing in the time before it")]
#[test_case(
    "few",
    "`few` got 20.1 requests a second, too few for 500ms of silence to mean anything"
)]
#[test_case(
    "rare",
    "`rare` got 1.2 requests a second, too few for 500ms of silence to mean anything"
)]
fn without_requests_nothing_is_told(backend: &str, why: &str) {
    let rare = |request| match request {
        _ if request % 500 == 7 => Some(ok("rare")),
        _ if request % 25 == 3 => Some(ok("few")),
        4_500.. => Some(ok("late")),
        _ => None,
    };
    let timeline = run(Duration::from_secs(10), |_, _| ok("b2"), rare);
    let mut event = killed();
    event.backend = Some(backend.to_owned());
    let failover = of(&timeline, &event, None, None);
    assert_eq!(failover.untold.as_deref(), Some(why));
    assert_eq!(failover.detected, Moment::Untold);
    // What a server had no part in was lost by nobody.
    let had_some = matches!(backend, "rare" | "few");
    assert_eq!(failover.was_seen, had_some);
}

/// A burst of failures before it makes ten a second usual on average, which takes nothing off what came after.
#[test]
fn a_burst_before_it_hides_no_loss() {
    let noticed = DONE + ms(820);
    let away = |request, due| match () {
        () if (DONE..noticed).contains(&due) => REFUSED,
        () if (noticed..READY).contains(&due) => elsewhere(request),
        () => ok("b2"),
    };
    let burst = |request| (500..550).contains(&request).then_some(REFUSED);
    let mut event = killed();
    event.done = Some(DONE);
    let failover = of(
        &run(Duration::from_secs(10), away, burst),
        &event,
        None,
        None,
    );
    // Of some 137, six are usual in half a second, of which there are two.
    assert!((120..=137).contains(&failover.lost), "{}", failover.lost);
}

/// Of a server that never came back, each third request fails: that is not usual for the next.
#[test]
fn what_an_outage_brings_is_not_usual_for_the_next() {
    let timeline = run(
        Duration::from_secs(10),
        |_, due| if due < DONE { ok("b2") } else { REFUSED },
        |_| None,
    );
    let mut first = killed();
    first.ready = None;
    let mut second = first.clone();
    second.backend = Some("b1".to_owned());
    second.done = Some(ms(7_000));
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    record.events = vec![first, second];
    record.timeline = timeline;
    let found = failovers(&record);
    let [(_, first), (_, second)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(first.over, None);
    assert!(first.lost.abs_diff(496) <= 2, "{first:?}");
    let why = "the event before it was not over, so that nothing was usual";
    assert_eq!(second.untold.as_deref(), Some(why));
    // None is taken off.
    assert!(second.lost.abs_diff(500) <= 2, "{second:?}");
}

/// What was found of the first is over once nothing fails, whether it is back or not.
#[test]
fn an_outage_is_over_when_nothing_fails() {
    let noticed = DONE + ms(820);
    let failover = whole(|request, due| match () {
        () if (DONE..noticed).contains(&due) => REFUSED,
        () if (noticed..READY).contains(&due) => elsewhere(request),
        () => ok("b2"),
    });
    assert!(failover.over.unwrap().abs_diff(READY) <= ms(10));
    let mut event = killed();
    event.ready = None;
    let timeline = run(
        Duration::from_secs(10),
        |request, due| match () {
            () if (DONE..noticed).contains(&due) => REFUSED,
            () if noticed <= due => elsewhere(request),
            () => ok("b2"),
        },
        |_| None,
    );
    let over = of(&timeline, &event, None, None).over.unwrap();
    assert!(over.abs_diff(noticed) <= ms(10), "{over:?}");
}

#[test]
fn without_a_limit_nothing_is_slow() {
    let timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    assert_eq!(found(&timeline).slow, Some(0));
    assert_eq!(found(&timeline.slow_after(None)).slow, None);
}

#[test]
fn where_the_load_was_over_nothing_was_tried() {
    let failover = found(&run(DONE - ms(1_000), |_, _| ok("b2"), |_| None));
    assert!(!failover.was_seen);
    let why = "less than 500ms of load was left after it";
    assert_eq!(failover.untold.as_deref(), Some(why));
}

/// 66 s of it are recorded; what comes after that is not looked at.
#[test]
fn what_was_lost_is_of_the_time_that_was_recorded() {
    let timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    let at_most = |elapsed| {
        super::of(
            (&timeline, Duration::from_secs(elapsed)),
            &killed(),
            None,
            None,
        )
    };
    assert_eq!(at_most(70).recorded, None);
    assert_eq!(at_most(90).recorded, Some(Duration::from_secs(70) - DONE));
    let load = (&timeline, Duration::from_secs(90));
    let cut = super::of(load, &killed(), None, Some(Duration::from_secs(9)));
    assert_eq!(cut.recorded, None);
}

/// It has no time of its own, and is none that others are compared with.
#[test]
fn an_event_from_before_is_told_as_that() {
    let mut event = killed();
    event.done = None;
    event.before = Some(Duration::from_millis(1_500));
    event.ready = Some(ms(300));
    let fate = |request, due| match due < ms(320) {
        true => elsewhere(request),
        false => ok("b2"),
    };
    let timeline = run(Duration::from_secs(10), fate, |_| None);
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    record.events = vec![killed(), event];
    record.timeline = timeline;
    let all = failovers(&record);
    let (_, first) = &all[0];
    let why = "it was done 1.5 s before measuring began";
    assert_eq!(first.untold.as_deref(), Some(why));
    assert_eq!((first.detected, first.was_seen), (Moment::Untold, false));
    took(first.returned, ms(20));
    // The next is judged as ever.
    assert_eq!(all[1].1.detected, Moment::Never);
    assert!(all[1].1.was_seen, "{all:?}");
    // All were there once it had answered again.
    let outages = outages(&record);
    assert_eq!(outages[0].from, Duration::ZERO);
    let over = outages[0].to.expect("it was back");
    assert!((ms(300)..=ms(330)).contains(&over), "{over:?}");
    record.events[1].ready = None;
    assert_eq!(super::outages(&record)[0].to, None);
}

/// What is done once breaks what is under way and takes nobody away.
#[test]
fn a_momentary_fault_is_no_outage() {
    let fate = |_, due| match (DONE..DONE + ms(100)).contains(&due) {
        true => REFUSED,
        false => ok("b2"),
    };
    let mut event = EventRecord::new(EventAction::Fault, "fault p: reset_open 10%");
    event.backend = Some("p".to_owned());
    event.behind = vec!["b2".to_owned()];
    event.done = Some(DONE);
    event.effect = EventEffect::Momentary;
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    record.timeline = run(Duration::from_secs(10), fate, |_| None);
    record.elapsed = Duration::from_secs(10);
    record.events = vec![event];
    let all = failovers(&record);
    let (_, failover) = &all[0];
    assert_eq!((failover.was_seen, failover.lost), (true, 16));
    took(failover.recovered, ms(100));
    assert_eq!(failover.detected, Moment::Untold);
    let why = "`b2` was there all the time";
    assert_eq!(failover.untold.as_deref(), Some(why));
    assert_eq!(outages(&record), []);
    assert_eq!(record.events[0].taken_away(), Vec::<&str>::new());
    record.events[0].effect = EventEffect::Ends;
    assert_eq!(failovers(&record), []);
    record.events[0].effect = EventEffect::Lasts;
    assert_eq!(outages(&record).len(), 1);
}

/// A fault proxy answers nobody: those behind it went away.
#[test]
fn those_behind_a_proxy_are_the_ones_that_went_away() {
    let noticed = DONE + ms(820);
    let fate = |request, due| match () {
        () if (DONE..noticed).contains(&due) => REFUSED,
        () if (noticed..READY + ms(260)).contains(&due) => elsewhere(request),
        () => ok("b2"),
    };
    let timeline = run(Duration::from_secs(10), fate, |_| None);
    let mut event = EventRecord::new(EventAction::Fault, "fault p: refuse");
    event.backend = Some("p".to_owned());
    event.done = Some(DONE);
    event.ready = Some(READY);
    let nobody = of(&timeline, &event, None, None);
    let why = "nothing answered as `p`: it had no requests, or goes by another name";
    assert_eq!(nobody.untold.as_deref(), Some(why));
    event.behind = vec!["b2".to_owned()];
    let failover = of(&timeline, &event, None, None);
    took(failover.detected, ms(820));
    took(failover.rebalanced, ms(260));
    assert_eq!((failover.lost, failover.relapses), (136, Some(0)));
    // Two of three are one part of all.
    event.behind = vec!["b1".to_owned(), "b2".to_owned()];
    let both = of(&timeline, &event, None, None);
    assert_eq!(both.detected, Moment::Never);
    took(both.returned, Duration::ZERO);
}

#[test]
fn events_that_take_nobody_away_are_none() {
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    let mut mark = EventRecord::new(EventAction::Mark, "now");
    mark.backend = Some("b2".to_owned());
    let mut undone = killed();
    undone.done = None;
    record.events = vec![mark, killed(), undone];
    record.timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    let all = failovers(&record);
    let why: Vec<_> = all.iter().map(|(_, it)| it.untold.as_deref()).collect();
    assert_eq!(why, [Some("it was not done"), None]);
}

/// Whatever a server that went away does to the load, a pause does more.
#[test]
fn nothing_is_told_where_somebody_changed_the_load() {
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    record.timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    let mut change = EventRecord::new(EventAction::Users, "users 3");
    change.done = Some(Duration::from_secs(71));
    record.events = vec![killed(), change];
    assert_eq!(failovers(&record)[0].1.untold, None, "it was long after it");
    record.events[1].done = Some(Duration::from_secs(4));
    let all = failovers(&record);
    assert_eq!(all.len(), 1, "it takes nobody away");
    let found = &all[0].1;
    assert!(!found.was_seen);
    let why = "somebody changed the load around it (`users 3` at 4 s)";
    assert_eq!(found.untold.as_deref(), Some(why));
}

/// They are all due at the start, and over at the end or when they break.
#[test]
fn streams_that_last_are_not_taken_for_requests() {
    let mut record = ScenarioRecord::empty("agents", "grpc", false, &[]);
    record.timeline = run(ms(10_000), |_, _| REFUSED, |_| None);
    record.events.push(killed());
    record.lasting = true;
    let [(_, failover)] = <[_; 1]>::try_from(failovers(&record)).expect("one event");
    assert!(!failover.was_seen);
    assert_eq!(failover.untold.as_deref(), Some(LASTING));
    record.events[0].done = None;
    let untold = failovers(&record)[0].1.untold.clone();
    assert_eq!(untold.as_deref(), Some("it was not done"));
}

/// What found no target that takes calls was given to nobody.
#[test]
fn what_was_never_sent_is_not_given_to_the_dead() {
    let noticed = DONE + ms(100);
    let mut timeline = run(
        Duration::from_secs(10),
        |_, due| match () {
            () if (DONE..noticed).contains(&due) => REFUSED,
            () if (noticed..READY).contains(&due) => ok("b1"),
            () => ok("b2"),
        },
        |_| None,
    );
    let before = found(&timeline);
    for bucket in 420..700 {
        let rejected = TimelineCell {
            due: 1,
            due_failed: 1,
            ended_failed: 1,
            due_unsent: 1,
            ended_unsent: 1,
            ..TimelineCell::default()
        };
        timeline.add(None, bucket, rejected);
    }
    let failover = found(&timeline);
    took(failover.detected, ms(100));
    assert_eq!((failover.given, failover.relapses), (before.given, Some(0)));
    assert_eq!(failover.lost, before.lost + 280);
}

/// At a server that the scenario does not ask: nothing that became of its load comes of that.
#[test]
fn what_is_done_elsewhere_is_none() {
    let mut record = ScenarioRecord::empty("direct", "grpc", true, &[]);
    let mut other = killed();
    other.elsewhere = true;
    record.events = vec![killed(), other];
    record.timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    assert_eq!(failovers(&record).len(), 1);
    assert_eq!(departures(&record).len(), 1);
}

/// A balancer answers nothing itself, and its failover is told all the same, where it names nobody behind it, too.
#[test]
fn what_is_done_to_a_target_is_one() {
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    record.servers = ["b1", "b2", "b3"].map(str::to_owned).to_vec();
    record.backends = record.servers.iter().map(BackendRecord::empty).collect();
    record.timeline = run(Duration::from_secs(10), |_, _| ok("b2"), |_| None);
    record.events = vec![EventRecord {
        backend: Some("lb".to_owned()),
        ..killed()
    }];
    assert_eq!(failovers(&record).len(), 1);
}
