//! What flags change in a scenario: an override replaces what it contradicts, and says so.

use super::ScenarioPlan;
use crate::scenario::load::overrides::changed;
use crate::scenario::overrides::{OverrideError, Overrides};

impl ScenarioPlan {
    /// The scenario with these overrides, and a sentence for each thing that they replaced
    /// because it contradicted them, or that does not apply.
    ///
    /// # Errors
    /// [`OverrideError`] for values out of bounds and overrides that contradict one another.
    pub fn with_overrides(
        &self,
        overrides: &Overrides,
    ) -> Result<(Self, Vec<String>), OverrideError> {
        overrides.check_bounds()?;
        let mut plan = self.clone();
        let mut notices = Vec::new();
        plan.load = changed(&self.load, overrides, &mut notices)?;
        if let Some(requests) = overrides.requests
            && plan.protocol.may_last_as_load()
            && plan.load.time_limit().is_none()
        {
            return Err(OverrideError::Endless { requests });
        }
        if let Some(connections) = overrides.connections {
            notices.extend(plan.protocol.set_connections(connections));
        }
        if let Some(codec) = overrides.codec {
            // Steps that go elsewhere may speak gRPC where the others do not.
            let elsewhere = plan.elsewhere.iter_mut().map(|it| &mut it.protocol);
            let all = std::iter::once(&mut plan.protocol).chain(elsewhere);
            let speaking = all
                .filter_map(|it| it.set_codec(codec).then_some(()))
                .count();
            if speaking == 0 {
                notices.push(format!("--codec {codec} is for gRPC"));
            }
        }
        if let Some(timeout) = overrides.timeout {
            plan.timeout = timeout;
        }
        if !overrides.targets.is_empty() {
            plan.targets.clone_from(&overrides.targets);
            plan.target_backends.clear();
        }
        let notices = notices
            .into_iter()
            .map(|notice| format!("{}: {notice}", plan.name))
            .collect();
        Ok((plan.checked()?, notices))
    }
}
