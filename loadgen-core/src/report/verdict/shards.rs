//! Whether a merged run is whole: shards that are missing, were cut off, or did not run together.

use std::time::SystemTime;

use super::super::document::{MergedShard, Shards, were_stopped};
use super::super::phrase::{percent, span};
use super::Findings;
use crate::units::human::counted;

/// Beginnings this far apart are worth a word, in seconds, where there are as many clocks as machines: seconds of the
/// run over time are no longer the same.
const NOTABLE_APART_S: f64 = 1.0;
/// The same by one clock, beyond what that may be wrong by: shards that are told of one moment begin closer together.
const NOTABLE_BY_ONE_CLOCK_S: f64 = 0.02;

pub(super) fn judge(shards: &Shards, findings: &mut Findings) {
    let all_were_stopped = were_stopped(shards.merged.iter());
    for shard in shards.merged.iter().filter(|it| it.stopped && !it.cut_off) {
        let sentence = format!(
            "shard {} was stopped after {}, before its part was done",
            shard.index,
            seconds(shard.duration_s),
        );
        match all_were_stopped {
            true => findings.warnings.push(sentence),
            false => findings.incomplete(sentence),
        }
    }
    for shard in shards.merged.iter().filter(|it| it.cut_off) {
        findings.incomplete(format!(
            "shard {} was cut off: it was killed, or has not come to its end yet, and what is here of it is what its \
             journal has of its first {}",
            shard.index,
            seconds(shard.duration_s),
        ));
    }
    if !shards.missing.is_empty() {
        let them = match shards.missing.as_slice() {
            [one] => format!("shard {one} of {} is missing, and with it", shards.count),
            several => format!(
                "shards {} of {} are missing, and with them",
                listed(several),
                shards.count
            ),
        };
        findings.incomplete(format!(
            "{them} {} of the planned load: the figures are of {} of {}",
            percent(shards.missing_share),
            shards.merged.len(),
            counted(shards.count, "shard"),
        ));
    } else if shards.missing_share > 0.0 {
        findings.incomplete(format!(
            "{} of the planned load is missing with what was cut off or stopped",
            percent(shards.missing_share),
        ));
    }
    findings.warnings.extend(paced(&shards.merged));
    match apart(&shards.merged) {
        Some((sentence, true)) => findings.incomplete(sentence),
        Some((sentence, false)) => findings.warnings.push(sentence),
        None => {}
    }
}

/// Shards that waited for what was due in different ways.
fn paced(merged: &[MergedShard]) -> Option<String> {
    let mut ways: Vec<(String, Vec<u64>)> = Vec::new();
    // One that had nothing to do waited for nothing.
    for shard in merged.iter().filter(|it| !it.has_no_part()) {
        let paced = shard.generator.paced();
        match ways.iter_mut().find(|(way, _)| *way == paced) {
            Some((_, shards)) => shards.push(shard.index),
            None => ways.push((paced, vec![shard.index])),
        }
    }
    let told = ways.iter().map(|(way, shards)| match shards.as_slice() {
        [one] => format!("shard {one} {way}"),
        several => format!("shards {} {way}", listed(several)),
    });
    let told: Vec<String> = told.collect();
    (ways.len() > 1).then(|| {
        format!(
            "shards did not wait for what was due in one way, so that what they added to times differs: {}",
            told.join(", ")
        )
    })
}

/// Shards that did not begin together, by their clocks, and whether one was over before another began. Then it may
/// be of another run by the same plan.
fn apart(merged: &[MergedShard]) -> Option<(String, bool)> {
    // One clock where there was a coordinator, else as many as machines.
    let by_one_clock = merged.iter().all(|it| it.clock.is_some());
    let began = |it: &MergedShard| {
        let own = humantime::parse_rfc3339(&it.started_at).ok()?;
        let clock = it.clock.filter(|_| by_one_clock);
        Some(clock.map_or(own, |it| it.corrected(own)))
    };
    // One that had nothing to do is over at once.
    let having_a_part = || merged.iter().filter(|it| !it.has_no_part());
    let with_begin = || having_a_part().filter_map(|it| Some((began(it)?, it)));
    let (last_at, last) = with_begin().max_by_key(|(at, _)| *at)?;
    let since = |at: SystemTime| last_at.duration_since(at).unwrap_or_default().as_secs_f64();
    // Whichever was over the longest, or else began first.
    let over = |(at, it): &(SystemTime, &MergedShard)| since(*at) - it.duration_s;
    let first = with_begin().min_by(|a, b| over(b).total_cmp(&over(a)));
    let was_over = first.as_ref().is_some_and(|it| over(it) >= 0.0);
    let (first_at, first) = match was_over {
        true => first?,
        false => with_begin().min_by_key(|(at, _)| *at)?,
    };
    let apart = last_at.duration_since(first_at).ok()?.as_secs_f64();
    let uncertain = |it: &MergedShard| it.clock.map_or(0.0, |it| it.within_us / 1e6);
    let notable = match by_one_clock {
        true => NOTABLE_BY_ONE_CLOCK_S + uncertain(first) + uncertain(last),
        false => NOTABLE_APART_S,
    };
    if !was_over && apart <= notable {
        return None;
    }
    let beside = match was_over {
        true => "which was over by then: they never made their load together",
        false => "so for that long not all of the load was there at once",
    };
    let clocks = match by_one_clock {
        true => "the coordinator's clock",
        false => "their clocks",
    };
    let sentence = format!(
        "shard {} began {} after shard {}, by {clocks}, {beside}; seconds of the run over time count from each \
         shard's own beginning",
        last.index,
        seconds(apart),
        first.index,
    );
    Some((sentence, was_over))
}

fn seconds(seconds: f64) -> String {
    span((seconds.max(0.0) * 1e9) as u64)
}

/// `1, 2 and 3`; of many the first ones.
fn listed(numbers: &[u64]) -> String {
    const MOST_NAMED: usize = 10;
    let named = numbers.iter().take(MOST_NAMED).map(u64::to_string);
    let mut named: Vec<String> = named.collect();
    let last = match numbers.len().saturating_sub(MOST_NAMED) {
        0 => named.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    match named.is_empty() {
        true => last,
        false => format!("{} and {last}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::report::document::{ClockOffset, Generator, Host, Status};
    use crate::schedule::{Load, Shard, Slice};

    fn shard(index: u64, started_at: &str) -> MergedShard {
        MergedShard {
            index,
            id: format!("run-{index}"),
            started_at: started_at.to_owned(),
            clock: None,
            duration_s: 10.0,
            stopped: false,
            cut_off: false,
            host: Host::default(),
            slices: Vec::new(),
            generator: Generator::default(),
        }
    }

    fn shards(missing: &[u64]) -> Shards {
        Shards {
            count: 4,
            seed: 0,
            run_id: None,
            missing: missing.to_vec(),
            missing_share: missing.len() as f64 / 4.0,
            merged: (0..4)
                .filter(|it| !missing.contains(it))
                .map(|it| shard(it, "2026-11-03T10:00:00.000000Z"))
                .collect(),
        }
    }

    /// A result that lay there from the day before takes the place of none.
    #[test]
    fn one_of_another_day_makes_it_invalid() {
        let mut shards = shards(&[]);
        shards.merged[3].started_at = "2026-11-02T10:00:00.000000Z".to_owned();
        let (status, reasons, _) = told(&shards);
        assert_eq!((status, reasons.len()), (Status::Invalid, 1));
        assert!(
            reasons[0].contains("never made their load together"),
            "{reasons:?}"
        );
    }

    fn told(shards: &Shards) -> (Status, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        judge(shards, &mut findings);
        let verdict = findings.into_verdict(String::new);
        (verdict.status, verdict.reasons, verdict.warnings)
    }

    #[test]
    fn a_whole_run_needs_no_word() {
        assert_eq!(told(&shards(&[])), (Status::Pass, vec![], vec![]));
    }

    #[test_case(&[2] => "shard 2 of 4 is missing, and with it 25% of the planned load: the figures are of 3 of 4 shards")]
    #[test_case(&[0, 2, 3] => "shards 0, 2 and 3 of 4 are missing, and with them 75% of the planned load: the figures are of 1 of 4 shards")]
    fn a_lost_shard_makes_it_invalid(missing: &[u64]) -> String {
        let (status, mut reasons, warnings) = told(&shards(missing));
        assert_eq!(
            (status, reasons.len(), warnings.len()),
            (Status::Invalid, 1, 0)
        );
        reasons.remove(0)
    }

    #[test]
    fn one_that_was_cut_off_does_too() {
        let mut shards = shards(&[]);
        shards.merged[1].cut_off = true;
        shards.merged[1].duration_s = 3.5;
        shards.missing_share = 0.16;
        let (status, reasons, _) = told(&shards);
        assert_eq!(status, Status::Invalid);
        assert_eq!(
            reasons,
            [
                "shard 1 was cut off: it was killed, or has not come to its end yet, and what is here of it is what \
                 its journal has of its first 3.5 s",
                "16% of the planned load is missing with what was cut off or stopped",
            ]
        );
    }

    /// Of one process that is a warning, and so it is where all were.
    #[test]
    fn one_that_was_stopped_does_unless_all_were() {
        let mut shards = shards(&[]);
        shards.merged[1].stopped = true;
        let (status, reasons, _) = told(&shards);
        assert_eq!(status, Status::Invalid);
        assert_eq!(
            reasons,
            ["shard 1 was stopped after 10 s, before its part was done"]
        );
        shards.merged.iter_mut().for_each(|it| it.stopped = true);
        let (status, _, warnings) = told(&shards);
        assert_eq!((status, warnings.len()), (Status::Pass, 4));
    }

    #[test_case("2026-11-03T10:00:00.900000Z" => None; "near enough")]
    #[test_case("2026-11-03T10:00:03.000000Z" => Some("shard 2 began 3 s after shard 0, by their clocks, so for that long not all of the load was there at once; seconds of the run over time count from each shard's own beginning".to_owned()); "late")]
    #[test_case("2026-11-03T11:00:00.000000Z" => Some("shard 2 began 3600 s after shard 0, by their clocks, which was over by then: they never made their load together; seconds of the run over time count from each shard's own beginning".to_owned()); "another time")]
    fn they_should_begin_together(third: &str) -> Option<String> {
        let mut shards = shards(&[]);
        shards.merged[2].started_at = third.to_owned();
        let (status, mut reasons, mut warnings) = told(&shards);
        match status {
            Status::Invalid => reasons.pop(),
            _ => warnings.pop(),
        }
    }

    /// Of a scenario of two users the third shard has none, and is over before the last of the others has begun.
    #[test]
    fn one_without_a_part_need_not_have_been_there() {
        let mut shards = shards(&[]);
        let whole = Load::closed(2).for_(std::time::Duration::from_secs(10));
        for (index, shard) in (0..).zip(&mut shards.merged) {
            let part = Shard::new(index, 4).unwrap().among(2);
            shard.slices = vec![Slice::of("s", &whole.clone().into(), part)];
        }
        shards.merged[0].started_at = "2026-11-03T10:00:00.030000Z".to_owned();
        shards.merged[2].duration_s = 0.0;
        shards.merged[3].duration_s = 0.0;
        assert_eq!(told(&shards), (Status::Pass, vec![], vec![]));
        // One with a part had to.
        shards.merged[1].duration_s = 0.0;
        assert_eq!(told(&shards).0, Status::Invalid);
    }

    /// Nobody can stop what is over, or has nothing to do.
    #[test]
    fn one_that_was_over_did_not_go_on_when_the_others_were_stopped() {
        let mut shards = shards(&[]);
        shards.merged.iter_mut().for_each(|it| it.stopped = true);
        shards.merged[2].stopped = false;
        shards.merged[2].duration_s = 4.0;
        let (status, _, warnings) = told(&shards);
        assert_eq!((status, warnings.len()), (Status::Pass, 3));
        shards.merged[2].duration_s = 40.0;
        assert_eq!(told(&shards).0, Status::Invalid);
    }

    /// Whoever's clock is 5 s ahead began with the others all the same.
    #[test]
    fn clocks_that_differ_are_put_right() {
        let mut shards = shards(&[]);
        for shard in &mut shards.merged {
            shard.clock = Some(ClockOffset::new(0.0, 100.0));
        }
        shards.merged[2].started_at = "2026-11-03T10:00:05.000000Z".to_owned();
        shards.merged[2].clock = Some(ClockOffset::new(-5_000_000.0, 100.0));
        assert_eq!(told(&shards), (Status::Pass, vec![], vec![]));
        shards.merged[2].clock = Some(ClockOffset::new(-2_000_000.0, 100.0));
        let (_, _, warnings) = told(&shards);
        assert!(
            warnings[0]
                .starts_with("shard 2 began 3 s after shard 0, by the coordinator's clock, so"),
            "{warnings:?}"
        );
        // By one clock, a tenth of a second is no accident, unless that clock is known no better.
        shards.merged[2].clock = Some(ClockOffset::new(-4_900_000.0, 100.0));
        let (_, _, warnings) = told(&shards);
        assert!(
            warnings[0].starts_with("shard 2 began 100 ms after shard 0"),
            "{warnings:?}"
        );
        shards.merged[2].clock = Some(ClockOffset::new(-4_900_000.0, 90_000.0));
        assert_eq!(told(&shards), (Status::Pass, vec![], vec![]));
        shards.merged[2].clock = Some(ClockOffset::new(-2_000_000.0, 100.0));
        // Where one has said nothing of its clock, none counts.
        shards.merged[0].clock = None;
        let (_, _, warnings) = told(&shards);
        assert!(warnings[0].contains("began 5 s after shard 0, by their clocks"));
    }

    #[test]
    fn many_are_counted() {
        let missing: Vec<u64> = (1..15).collect();
        assert_eq!(listed(&missing), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more");
    }
}
