//! Targets that are lists of addresses, as a scenario says them.

use std::time::Duration;

use super::defaults;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::room::Room;
use crate::scenario::reader::List;
use crate::scenario::target::RawTarget;
use crate::scenario::value::address_list::AddressList;
use crate::scenario::value::target::Target;
use crate::units::format_duration;

/// The least that lists may be asked for apart.
const LEAST: Duration = Duration::from_millis(100);

impl Layers<'_> {
    /// Whether it is known what host requests name: those over HTTP/1.1 and WebSocket are written ahead, and
    /// the addresses of a list, but for a name's, have no host in common unless the scenario says one.
    pub(super) fn lists_fit<R: Room>(&self, targets: &List<RawTarget>, path: &str) -> bool {
        let is_said = !self
            .pick("authority", |raw| &raw.authority)
            .entry
            .is_absent();
        if is_said || !R::names_host(self) {
            return true;
        }
        let has_no_host = |target: &Target| match target.list() {
            None | Some(AddressList::Dns { .. }) => false,
            Some(_) => true,
        };
        let mut fit = true;
        let addresses = targets
            .given()
            .filter_map(|(index, it)| Some((index, it.address()?)));
        for (index, target) in addresses.filter(|(_, it)| has_no_host(&it.target)) {
            fit = false;
            self.problems.add(
                format!("{path}[{index}]"),
                format!("`{}` without `authority`", target.target),
                "`authority`: the host that requests name, whichever address they go to",
                Some("such as \"authority\": \"shop.example\"".to_owned()),
            );
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
        let targets = self.pick("targets", |raw| &raw.targets);
        let is_own = |path: &str| {
            path.rsplit_once('.')
                .is_some_and(|it| it.0 == self.own_path)
        };
        // A scenario that says both says them of each other; those of another layer are for whomever they fit.
        if picked.entry.given().is_some()
            && is_own(&picked.path)
            && is_own(&targets.path)
            && let Some(list) = targets.entry.given()
        {
            let is_list =
                |it: &RawTarget| it.address().is_some_and(|it| it.target.list().is_some());
            let are_known = list.given().count() == list.0.len();
            if are_known && !list.0.is_empty() && !list.given().any(|(_, it)| is_list(it)) {
                self.problems.add(
                    &picked.path,
                    "it beside targets that are no lists of addresses",
                    "a list among the `targets`, such as \"dns:///host:50051\"",
                    None,
                );
                return None;
            }
        }
        Some(every)
    }
}
