//! A plan that was made in code, held to what a file is held to.

use super::print::scenario;
use super::{Plan, ScenarioPlan};
use crate::scenario::protocol::layers::{Layer, Layers};
use crate::scenario::reader::problem::{Problems, SuiteError};
use crate::scenario::reader::{Check, Place};
use crate::scenario::suite::thresholds;

impl Plan {
    /// Whether the conditions on tags fit the scenarios that have these: steps, load models, and how long
    /// loads last. Those that are [not judged](Plan::unjudged) are not looked at.
    ///
    /// # Errors
    /// [`SuiteError`] with everything that does not fit; paths begin with `thresholds`.
    pub fn check_thresholds(&self) -> Result<(), SuiteError> {
        let problems = Problems::default();
        for (index, threshold) in self.thresholds.iter().enumerate() {
            if let Some(tag) = threshold.tag() {
                let path = format!("thresholds[{index}]");
                thresholds::check(threshold, tag, &self.scenarios, &path, &problems);
            }
        }
        match problems.into_vec() {
            found if found.is_empty() => Ok(()),
            found => Err(SuiteError::Invalid {
                source_name: "the conditions on tags".to_owned(),
                problems: found,
            }),
        }
    }
}

impl ScenarioPlan {
    /// The plan again, if it passes every check that a file would have to.
    ///
    /// # Errors
    /// [`SuiteError`] with everything that is wrong with it; paths begin with `scenarios[0]`.
    pub fn checked(self) -> Result<Self, SuiteError> {
        let problems = Problems::default();
        let path = "scenarios[0]".to_owned();
        let mut raw = scenario(&self);
        raw.check(&Place {
            path: path.clone(),
            problems: &problems,
        });
        let layers = Layers {
            layers: vec![Layer {
                raw: &raw,
                path: path.clone(),
            }],
            own_path: path,
            base_dir: None,
            servers: None,
            problems: &problems,
        };
        let plans = layers.plans();
        let problems = problems.into_vec();
        match plans.as_slice() {
            [_] if problems.is_empty() => Ok(self),
            _ => Err(SuiteError::Invalid {
                source_name: format!("scenario `{}`", self.name),
                problems,
            }),
        }
    }
}
