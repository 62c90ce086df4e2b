//! Thresholds: what each is about must be there, and the load long enough for it.

use std::time::Duration;

use crate::condition::Threshold;
use crate::nearest::did_you_mean;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::room::Life;
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, List};
use crate::scenario::step::measured;
use crate::schedule::Load;
use crate::units::format_duration;

impl Layers<'_> {
    pub(super) fn thresholds<A>(
        &self,
        life: Option<&Life<A>>,
        load: Option<&Load>,
    ) -> Option<Vec<Threshold>> {
        let picked = self.pick("thresholds", |raw| &raw.thresholds);
        let list: &List<Threshold> = match picked.entry {
            Entry::Absent => return Some(vec![Threshold::default_error_rate()]),
            entry => entry.given()?,
        };
        let mut fits = true;
        for (index, threshold) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            fits &= self.is_about_this(threshold, life, &path);
            fits &= self.suits_model(threshold, load, &path);
            if let Some(lasts) = load.and_then(Load::duration) {
                fits &= fits_into(lasts, threshold, &path, self.problems);
            }
        }
        list.all(Clone::clone).filter(|_| fits)
    }

    /// Whether a condition is about what this scenario has.
    pub(in crate::scenario) fn is_about_this<A>(
        &self,
        threshold: &Threshold,
        life: Option<&Life<A>>,
        path: &str,
    ) -> bool {
        let mut fits = self.is_its_own(threshold, path);
        fits &= self.has_step(threshold, life, path);
        fits &= self.tells_slow(threshold, path);
        fits & self.retries(threshold, path)
    }

    fn is_its_own(&self, threshold: &Threshold, path: &str) -> bool {
        let Some(tag) = threshold.tag() else {
            return true;
        };
        let help = format!(
            "a condition on all scenarios with `{tag}` stands in the `thresholds` beside `scenarios`"
        );
        let found = format!("`{threshold}`");
        let expected = "a condition on this scenario";
        self.problems.add(path, found, expected, Some(help));
        false
    }

    fn has_step<A>(&self, threshold: &Threshold, life: Option<&Life<A>>, path: &str) -> bool {
        let (Some(name), Some(life)) = (threshold.step(), life) else {
            return true;
        };
        let parts = [&life.begin, &life.steps, &life.end];
        let all = parts.into_iter().flat_map(|steps| measured(steps));
        let names: Vec<&str> = all.map(|(name, ..)| name).collect();
        if names.contains(&name) {
            return true;
        }
        let help = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("the steps are {}", names.join(", ")));
        self.problems.add(
            path,
            format!("the unknown step `{name}`"),
            "the name of a step",
            Some(help),
        );
        false
    }

    fn tells_slow(&self, threshold: &Threshold, path: &str) -> bool {
        if !threshold.is_about_slow() || self.has_ok_within() {
            return true;
        }
        let help = "`expect.failover.ok_within` says how long a request may take".to_owned();
        let found = format!("`{threshold}`, and nothing says what is slow");
        let expected = "`ok_within` beside it";
        self.problems.add(path, found, expected, Some(help));
        false
    }

    fn retries(&self, threshold: &Threshold, path: &str) -> bool {
        if !threshold.is_about_retries() || !self.pick("retry", |raw| &raw.retry).entry.is_absent()
        {
            return true;
        }
        let help = "calls are made again where the scenario has `retry`".to_owned();
        let found = format!("`{threshold}`, and no call is made again");
        let expected = "`retry` beside it";
        self.problems.add(path, found, expected, Some(help));
        false
    }

    fn suits_model(&self, threshold: &Threshold, load: Option<&Load>, path: &str) -> bool {
        if !threshold.needs_open_model() || !matches!(load, Some(Load::Closed(_))) {
            return true;
        }
        self.problems.add(
            path,
            format!("`{threshold}` with a closed load"),
            "something that a closed load has",
            Some("start lag and queue wait are of open models only".to_owned()),
        );
        false
    }
}

/// Whether a load that lasts so long has a window, and goes on for long enough to be ended.
pub(in crate::scenario) fn fits_into(
    lasts: Duration,
    threshold: &Threshold,
    path: &str,
    problems: &Problems,
) -> bool {
    let refuse = |path: String, found: String, expected: &str| {
        let help = format!("the load lasts {}", format_duration(lasts));
        problems.add(path, found, expected, Some(help));
        false
    };
    if let Some(window) = threshold.window().filter(|it| *it > lasts) {
        let found = format!("windows of {}", format_duration(window));
        return refuse(path.to_owned(), found, "windows no longer than the load");
    }
    match threshold.abort_after().filter(|it| *it >= lasts) {
        Some(after) => {
            let found = format!(
                "`{threshold}` to end the run after {} at the earliest",
                format_duration(after)
            );
            refuse(
                format!("{path}.after"),
                found,
                "a time before the load is over",
            )
        }
        None => true,
    }
}
