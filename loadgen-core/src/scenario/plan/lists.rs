//! Targets that are lists of addresses, as a scenario says them.

use std::time::Duration;

use super::defaults;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::room::Room;
use crate::scenario::reader::List;
use crate::scenario::target::RawTarget;
use crate::scenario::value::target::Target;
use crate::units::format_duration;

/// The least that lists may be asked for apart.
const LEAST: Duration = Duration::from_millis(100);

impl Layers<'_> {
    /// Whether no target is a list of addresses, or what is spoken meets them.
    pub(super) fn lists_fit<R: Room>(&self, targets: &List<RawTarget>, path: &str) -> bool {
        let Some(help) = R::refuse_lists(self) else {
            return true;
        };
        let mut fit = true;
        for (index, target) in targets.given() {
            let Some(target) = target.address() else {
                continue;
            };
            if target.target.list().is_some() {
                fit = false;
                let name = R::SPOKEN.map_or("", |words| words.name);
                self.problems.add(
                    format!("{path}[{index}]"),
                    format!(
                        "a list of addresses, `{}`, in a {name} scenario",
                        target.target
                    ),
                    "an address",
                    Some(help.to_owned()),
                );
            }
        }
        fit
    }

    /// A target as a plan has it: a list in a file is relative to the scenario's own.
    pub(super) fn placed(&self, target: &Target) -> Target {
        self.base_dir
            .map_or_else(|| target.clone(), |folder| target.within(folder))
    }

    /// How often lists are asked for.
    pub(super) fn resolve_every(&self) -> Option<Duration> {
        let picked = self.pick("resolve_every", |raw| &raw.resolve_every);
        let every = picked.entry.or(defaults::RESOLVE_EVERY, |span| span.0)?;
        if every < LEAST {
            self.problems.add(
                &picked.path,
                format_duration(every),
                "100ms at the least",
                Some("whoever is asked has others to answer, too".to_owned()),
            );
            return None;
        }
        Some(every)
    }
}
