//! What the service left undone, in words.

use super::*;
use crate::outcome::Failure;
use crate::record::{EventAction, EventRecord, LifePart, StepSpec, TargetRecord};
use crate::workload::{MessageFault, SampleKind};

#[test]
fn messages_out_of_the_blue_are_warned_of() {
    let record = run(false, |record| {
        let step = &mut record.scenarios[0].steps[0];
        step.message_faults[MessageFault::Unexpected as usize] = 1_204;
        let mut replies = crate::record::new_histogram();
        replies.saturating_record_n(1_000_000, 10_000);
        step.samples = vec![(SampleKind::RoundTrip, replies)];
    });
    let verdict = verdict(&record, &[], &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 1,204 messages came to step `hello` that nothing had asked for, beside 10,000 taken for replies; where replies are taken in the order in which they come, any of them may have been something else: say which message is a reply, by a number that it repeats (`match_id`) or by a field and its value (`reply`), and what comes by itself (`\"greeting\": 1`, `\"pushes\": true`)");
}

#[test]
fn messages_out_of_the_blue_beside_none_that_was_asked_for() {
    let record = run(false, |record| {
        let step = &mut record.scenarios[0].steps[0];
        step.message_faults[MessageFault::Unexpected as usize] = 1;
        step.messages_received = 5;
    });
    let verdict = verdict(&record, &[], &[]);
    assert!(
        verdict.warnings[0].starts_with(
            "`greet`: 1 message came to step `hello` that nothing had asked for, of 5 received;"
        ),
        "{:?}",
        verdict.warnings
    );
}

#[test]
fn a_slow_service_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 812);
        let scenario = &mut record.scenarios[0];
        scenario.unanswered = 812;
        scenario.dropped_unanswered = 812;
        scenario.parts.queue_wait.reset();
        scenario.parts.queue_wait.saturating_record_n(0, 9_000);
        scenario
            .parts
            .queue_wait
            .saturating_record_n(900_000_000, 188);
    });
    let verdict = verdict(&record, &[], &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 812 of 10,000 arrivals (8.12%) never started, and 188 of the 9,188 that started (2.05%) waited over 1 ms for a free user, up to 900 ms (which is in the response time, as a client would have felt it), because all users were busy with iterations that the service had not ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service should see the whole rate
`greet`: 812 iterations were left unanswered (8.12% of those planned: 812 never started because all users were busy): they count as failed, and in the percentiles with their age, which is a lower bound");
}

#[test]
fn what_the_figures_leave_out_in_words() {
    let record = run(false, |record| {
        record.stopped = true;
        record.elapsed = Duration::from_millis(2_500);
        let scenario = &mut record.scenarios[0];
        scenario.saturated_samples = 2;
        scenario.ledger.completed = 9_998;
        scenario.ledger.failed = 1;
        scenario.ledger.interrupted = 1;
        scenario.outcomes = vec![(Outcome::Ok, 9_998), (Failure::Timeout.into(), 1)];
    });
    let verdict = verdict(&record, &[], &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @r"
stopped early: figures and conditions are of 2.5 s only
`greet`: 1 iteration was cut off by the end of the run; how long they would have taken is in no figure
`greet`: 2 samples were above an hour and counted as one hour
");
}

#[test]
fn a_service_that_went_silent_fails_unless_told_otherwise() {
    let record = run(false, |record| silent(record, 2_500));
    let condition = |expression: &str| vec![ThresholdResult::new(expression, "", Some(0.0), true)];
    let failed = verdict(&record, &[condition("error_rate < 1%")], &[]);
    assert_eq!(failed.status, Status::Fail);
    insta::assert_snapshot!(failed.reasons.join("\n"), @"`greet`: no iteration ended ok to the end of the load, for 2.5 s, from 2 s on, while some were under way");
    for expression in ["silence < 1m", "error_rate < 1%"] {
        let mut conditions = condition("silence < 1m");
        conditions.extend(condition(expression));
        assert_eq!(verdict(&record, &[conditions], &[]).status, Status::Pass);
    }
}

/// A service that takes a second for each answer may be slow; and may have died.
#[test]
fn a_silence_that_may_be_a_slow_answer_is_told() {
    let record = run(false, |record| {
        silent(record, 2_500);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.reset();
        scenario
            .service_time
            .saturating_record_n(1_000_000_000, 10_000);
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(0.0), true);
    let verdict = verdict(&record, &[vec![lax]], &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: no iteration ended ok to the end of the load, for 2.5 s, from 2 s on, while some were under way: no failure, as it is less than 10 times the service time's p99 (10 s), and yet the service may have died");
}

/// It is not all that there is to say.
#[test]
fn a_longer_silence_before_is_told_too() {
    let record = run(false, |record| {
        silent(record, 2_500);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.reset();
        scenario
            .service_time
            .saturating_record_n(1_000_000_000, 10_000);
        scenario.silence.longest = Stretch {
            from: Duration::ZERO,
            length: Duration::from_secs(30),
        };
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(0.0), true);
    let warnings = verdict(&record, &[vec![lax]], &[]).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].contains("for 30 s, from the start on"),
        "{warnings:?}"
    );
}

#[test]
fn percentiles_of_failures_are_told() {
    let told = |failed| {
        let record = run(false, |record| {
            let scenario = &mut record.scenarios[0];
            scenario.ledger.completed -= failed;
            scenario.ledger.failed = failed;
            let refused = (Failure::Connect.into(), failed);
            scenario.outcomes = vec![(Outcome::Ok, 10_000 - failed), refused];
        });
        verdict(&record, &[], &[]).warnings.join("\n")
    };
    assert_eq!(told(1_000), "");
    assert_eq!(told(10_000), "", "nothing else is in them");
    insta::assert_snapshot!(told(5_700), @"`greet`: 57% of the times are of iterations that failed, which are in all percentiles");
}

/// 1,000 answers within a millisecond, then none: that those left unanswered are old does not make
/// the silence an answer that is slow.
#[test]
fn a_silence_is_not_excused_by_what_it_left_unanswered() {
    let record = run(true, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.ledger.started = 1_575;
        scenario.ledger.dropped = 8_425;
        scenario.ledger.completed = 1_000;
        scenario.ledger.interrupted = 575;
        scenario.outcomes = vec![(Outcome::Ok, 1_000)];
        scenario.unanswered = 9_000;
        scenario.dropped_unanswered = 8_425;
        scenario.service_time.saturating_record_n(1_000_000, 1_000);
        scenario
            .service_time
            .saturating_record_n(2_000_000_000, 575);
        scenario
            .response_time
            .saturating_record_n(2_000_000_000, 9_000);
        let stretch = Stretch {
            from: Duration::from_secs(2),
            length: Duration::from_secs(2),
        };
        scenario.silence.longest = stretch;
        scenario.silence.last = stretch;
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(90.0), true);
    let verdict = verdict(&record, &[vec![lax]], &[]);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.reasons[0], @"`greet`: no iteration ended ok to the end of the load, for 2 s, from 2 s on, while some were under way");
}

#[test]
fn users_may_be_busy_with_what_they_do_first() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        let scenario = &mut record.scenarios[0];
        scenario.unanswered = 500;
        scenario.dropped_unanswered = 500;
        scenario.steps[0].part = Some(LifePart::Begin);
    });
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings[0], @"`greet`: 500 of 10,000 arrivals (5%) never started, because all users were busy with what users do first (`begin`), or with iterations, that the service had not ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service should see the whole rate");
}

/// Nobody but the scenario kept the users busy: the service owes nothing.
#[test]
fn users_that_keep_their_streams_are_named() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        record.scenarios[0].lasting = true;
        record.scenarios[0].dropped_kept = 500;
    });
    let warnings = verdict(&record, &[], &[]).warnings;
    insta::assert_snapshot!(warnings.join("\n"), @"`greet`: 500 of 10,000 arrivals (5%) never started, because each user keeps its stream until the load is over: raise the most users (`load.open.users.max`, `--concurrency`) to as many as there should be streams");
}

/// A worker that was held up while users were free is another matter.
#[test]
fn users_that_were_free_are_not_to_be_more() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        record.scenarios[0].lasting = true;
    });
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    assert!(!warnings.contains("raise the most users"), "{warnings}");
    let held_up = "500 arrivals never started, which is not the service's doing";
    assert!(warnings.contains(held_up), "{warnings}");
}

/// What stood in line behind a service that hung was once said not to be its doing.
#[test]
fn who_kept_arrivals_of_a_run_that_was_cut_off_is_not_known() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        record.cut_off = true;
    });
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    assert!(!warnings.contains("not the service's doing"), "{warnings}");
    let told = "`greet`: 500 arrivals had not started when the run was cut off; whether they waited for the service \
        or the generator is not known";
    assert!(warnings.contains(told), "{warnings}");
}

#[test]
fn a_silence_is_named_instead_of_advice() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        let scenario = &mut record.scenarios[0];
        scenario.unanswered = 500;
        scenario.dropped_unanswered = 500;
        scenario.silence.longest = Stretch {
            from: Duration::from_secs(2),
            length: Duration::from_millis(1_500),
        };
    });
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings[0], @"`greet`: 500 of 10,000 arrivals (5%) never started, because all users were busy while no iteration ended ok, for 1.5 s, from 2 s on");
}

#[test]
fn a_dead_target_is_named() {
    let record = run(false, |record| {
        let mut dead = TargetRecord::empty("10.0.0.1:80");
        dead.connections.failed = 12;
        let mut alive = TargetRecord::empty("10.0.0.2:80");
        alive.completed = 10_000;
        record.scenarios[0].targets = vec![dead, alive];
    });
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings.join("\n"), @"`greet`: target 10.0.0.1:80 is dead beside others that are not: 0 completed, 0 iterations failed and 0 left unanswered there, 0 connections opened and 12 attempts failed");
}

/// They are warned of, and decide nothing: what they were for is judged by itself.
#[test]
fn lives_that_begin_or_end_badly_in_words() {
    let record = run(false, |record| {
        let scenario = &mut record.scenarios[0];
        let failure = Failure::Timeout.into();
        for (name, part) in [("login", LifePart::Begin), ("logout", LifePart::End)] {
            let step = StepSpec::from(name).part(part);
            let mut step = ScenarioRecord::empty("", "", false, &[step])
                .steps
                .remove(0);
            step.outcomes = vec![(Outcome::Ok, 1_200), (failure, 3)];
            scenario.steps.push(step);
        }
    });
    let verdict = verdict(&record, &[], &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"
    `greet`: step `login`, at the beginning of a user's life, failed 3 of 1,203 times: the iteration that needed it failed with it; before the clock, the user's first iteration tried again
    `greet`: step `logout`, at the end of a user's life, failed 3 of 1,203 times: these failures are in no error rate but `steps.logout.error_rate`
    ");
}

/// That many of them begin at once is not the iterations' delay.
#[test]
fn late_beginnings_make_no_run_invalid() {
    let record = run(false, |record| {
        let step = StepSpec::from("login").part(LifePart::Begin);
        let mut step = ScenarioRecord::empty("", "", false, &[step])
            .steps
            .remove(0);
        step.response_time.saturating_record_n(100_000_000, 1_000);
        let mut parts = crate::record::Parts::of_scenario();
        parts.undelayed.saturating_record_n(1_000_000, 1_000);
        step.parts = Some(Box::new(parts));
        record.scenarios[0].steps.push(step);
    });
    let verdict = verdict(&record, &[], &[]);
    assert_eq!(
        (verdict.status, verdict.warnings),
        (Status::Pass, Vec::new())
    );
}

#[test]
fn an_event_that_failed_makes_the_run_invalid() {
    let event = |said: &str, failure: Option<&str>| {
        let mut event = EventRecord::new(EventAction::Kill, said);
        event.planned = Some(Duration::from_secs(5));
        event.failure = failure.map(str::to_owned);
        event
    };
    let told = |events: Vec<EventRecord>| {
        let record = run(true, |record| record.scenarios[0].events = events);
        let verdict = verdict(&record, &[], &[]);
        (verdict.status, verdict.reasons)
    };
    let well = event("kill b1", None);
    assert_eq!(told(vec![well.clone()]).0, Status::Pass);
    let failed = event("kill b2", Some("it was gone already"));
    assert_eq!(
        told(vec![well, failed.clone()]),
        (
            Status::Invalid,
            vec!["`greet`: 1 event failed, so this is not the run that was asked for: `kill b2` at 5 s: it was gone already".to_owned()]
        )
    );
    let (_, reasons) = told(vec![failed.clone(), failed]);
    assert!(reasons[0].contains("2 events failed") && reasons[0].contains("the first, `kill b2`"));
}

/// What fell due during a pause is nobody's fault, and the rate is held to the rest.
#[test]
fn what_a_pause_withheld_is_nobodys_fault() {
    let change = |action, said: &str, s| {
        let mut event = EventRecord::new(action, said);
        event.done = Some(Duration::from_secs(s));
        event
    };
    let mut record = run(true, |record| {
        drop_arrivals(record, 4_000);
        record.scenarios[0].ledger.withheld = 4_000;
    });
    let verdict_of = |record: &RunRecord| {
        let verdict = verdict(record, &[], &[]);
        (verdict.status, verdict.warnings.join("\n"))
    };
    assert_eq!(verdict_of(&record), (Status::Pass, String::new()));
    record.scenarios[0].happened([
        change(EventAction::Pause, "pause", 2),
        change(EventAction::Mark, "deployed", 3),
        change(EventAction::Resume, "resume", 6),
    ]);
    let (status, warnings) = verdict_of(&record);
    assert_eq!(status, Status::Pass);
    insta::assert_snapshot!(warnings, @"changed by hand while it was measured: `greet` twice (pause, resume); figures and conditions are of all of that together");
    // Of what was not withheld more than a hundredth is too much.
    let scenario = &mut record.scenarios[0];
    scenario.ledger.withheld = 3_800;
    scenario.ledger.late = 0;
    let (_, warnings) = verdict_of(&record);
    assert!(
        warnings.contains("200 arrivals never started"),
        "{warnings}"
    );
}

/// A name that several have says not which of them it was.
#[test]
fn scenarios_of_one_name_are_told_apart() {
    let pause = || EventRecord {
        done: Some(Duration::from_secs(1)),
        ..EventRecord::new(EventAction::Pause, "pause")
    };
    let record = run(true, |record| {
        let mut other = record.scenarios[0].clone();
        other.protocol = "websocket".to_owned();
        record.scenarios.push(other);
        for scenario in &mut record.scenarios {
            scenario.happened([pause()]);
            scenario.outcomes = vec![
                (Outcome::Ok, 9_900),
                (Outcome::Failed(Failure::Timeout), 100),
            ];
            scenario.ledger.completed = 9_900;
            scenario.ledger.failed = 100;
        }
    });
    let found = verdict(&record, &[], &[]);
    let by_hand = "changed by hand while it was measured: `greet grpc` once (pause), `greet websocket` once (pause)";
    let said = [found.reasons, found.warnings].concat();
    assert!(said.iter().any(|it| it.starts_with(by_hand)), "{said:?}");
    let alone = said.iter().filter(|it| it.contains("`greet`"));
    assert_eq!(alone.count(), 0, "{said:?}");
}
