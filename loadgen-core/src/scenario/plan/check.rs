//! A plan that was made in code, held to what a file is held to.

use super::ScenarioPlan;
use super::print::scenario;
use crate::scenario::protocol::layers::{Layer, Layers};
use crate::scenario::reader::problem::{Problems, SuiteError};
use crate::scenario::reader::{Check, Place};

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
            problems: &problems,
        };
        let plan = layers.plan();
        let problems = problems.into_vec();
        match plan {
            Some(_) if problems.is_empty() => Ok(self),
            _ => Err(SuiteError::Invalid {
                source_name: format!("scenario `{}`", self.name),
                problems,
            }),
        }
    }
}
