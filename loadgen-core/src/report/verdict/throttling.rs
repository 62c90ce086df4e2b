//! Whether a control group stopped the generator, and what helps.

use super::super::phrase::percent;
use crate::record::RunRecord;

/// A control group that was stopped for more than this part of the measured time: invalid.
const MOST_THROTTLED: f64 = 0.01;

/// Why a run is invalid whose generator was stopped for too long.
pub(super) fn reason(record: &RunRecord) -> Option<String> {
    let share = record.generator.throttled_share?;
    (share > MOST_THROTTLED).then(|| {
        format!(
            "the generator's control group had used up its quota of processor time and was stopped \
             for {} of the measured time (at most {} may be): raise the quota (`cpu.max` or \
             `cpu.cfs_quota_us`, `docker update --cpus`, a pod's limits), or use fewer workers or less \
             load",
            percent(share),
            percent(MOST_THROTTLED),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use test_case::test_case;

    use super::*;
    use crate::record::GeneratorRecord;
    use crate::report::verdict;

    fn run(throttled_share: Option<f64>) -> RunRecord {
        let generator = GeneratorRecord {
            throttled_share,
            ..GeneratorRecord::default()
        };
        let elapsed = Duration::from_secs(10);
        RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, Vec::new(), generator)
    }

    #[test_case(None => false; "the system does not tell")]
    #[test_case(Some(0.0) => false; "never")]
    #[test_case(Some(0.01) => false; "exactly as long as may be")]
    #[test_case(Some(0.010_1) => true; "longer")]
    fn stopped_for_too_long(share: Option<f64>) -> bool {
        let record = run(share);
        let reasons = verdict(&record, &[], &[]).reasons;
        reason(&record).is_some_and(|it| reasons.contains(&it))
    }

    #[test]
    fn in_words() {
        insta::assert_snapshot!(reason(&run(Some(0.374))).unwrap(), @"the generator's control group had used up its quota of processor time and was stopped for 37.4% of the measured time (at most 1% may be): raise the quota (`cpu.max` or `cpu.cfs_quota_us`, `docker update --cpus`, a pod's limits), or use fewer workers or less load");
    }
}
