//! The targets of a scenario, ready to be connected to.

use std::sync::Arc;

use super::bind::{BindError, Origins};
use super::listing::{Listing, Source};
use super::net::{Encryption, Endpoint};
use super::tls::{self, Alpn, TlsError};
use crate::scenario::{ScenarioPlan, Target};
use crate::workload::{Lookout, Switches};

/// Why a scenario's targets cannot be connected to at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The scenario has nowhere to send to.
    #[error("the scenario has no target")]
    NoTarget,
    /// A target is not a legal address.
    #[error("targets[{index}]: `{target}` is not a host and port")]
    Target {
        /// Its place in the scenario's list.
        index: usize,
        /// The target.
        target: String,
    },
    /// A target is a list of addresses that cannot be asked for.
    #[error("targets[{index}]: `{target}` cannot be asked for: {problem}")]
    List {
        /// Its place in the scenario's list.
        index: usize,
        /// The target.
        target: String,
        /// Why.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// Connections cannot come from where they are to.
    #[error("{0}")]
    Bind(#[from] BindError),
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// Which of the scenario's targets.
    pub(crate) target: usize,
    /// Its number among the connections to that target. Each begins at the next of the addresses that
    /// the target's name has.
    pub(crate) nth: usize,
}

/// Where the connection with this number goes, which every driver counts in its own way: to each of
/// so many targets in turn.
pub(crate) fn assign(nth: usize, targets: usize) -> Assigned {
    Assigned {
        target: nth % targets,
        nth: nth / targets,
    }
}

/// The same for a connection that is a user's own, while somebody may have switched targets off: those that would go
/// to one of these are divided among the others.
pub(crate) fn aim(nth: usize, targets: usize, switches: &Switches) -> Assigned {
    let home = assign(nth, targets);
    if switches.is_on(home.target) {
        return home;
    }
    let others: Vec<usize> = (0..targets).filter(|it| switches.is_on(*it)).collect();
    match others.get(home.nth % others.len().max(1)) {
        Some(target) => Assigned {
            target: *target,
            ..home
        },
        None => home,
    }
}

/// The targets of a scenario, at least one, and where their connections come from.
pub(crate) fn of(plan: &ScenarioPlan, alpn: &'static Alpn) -> Result<Vec<Endpoint>, EndpointError> {
    if plan.targets.is_empty() {
        return Err(EndpointError::NoTarget);
    }
    let origins = Origins::new(&plan.bind, &plan.targets)?;
    let endpoints = reachable(plan, alpn)?.into_iter();
    Ok(endpoints.map(|it| it.from(&origins)).collect())
}

/// The targets of a scenario, which another machine may be going to connect to.
fn reachable(plan: &ScenarioPlan, alpn: &'static Alpn) -> Result<Vec<Endpoint>, EndpointError> {
    let is_encrypted = |target: &Target| target.tls || plan.tls.is_some();
    let encryption = if plan.targets.iter().any(is_encrypted) {
        Some(encryption(plan, alpn)?)
    } else {
        None
    };
    plan.targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            let encryption = encryption.clone().filter(|_| is_encrypted(target));
            let endpoint = Endpoint::new(target, plan.authority.as_deref(), encryption);
            let endpoint = listed(endpoint, plan, index)?;
            match endpoint.authority.parse::<http::uri::Authority>() {
                Ok(_) => Ok(endpoint),
                Err(_) => Err(EndpointError::Target {
                    index,
                    target: target.to_string(),
                }),
            }
        })
        .collect()
}

/// A target's endpoint, with the list that it stands for, where it does.
fn listed(
    endpoint: Endpoint,
    plan: &ScenarioPlan,
    index: usize,
) -> Result<Endpoint, EndpointError> {
    let target = &plan.targets[index];
    let Some(list) = target.list() else {
        return Ok(endpoint);
    };
    let from = Origins::of(&plan.bind);
    let source = Source::of(&list, target.port, &from).map_err(|error| EndpointError::List {
        index,
        target: target.to_string(),
        problem: error.to_string(),
    })?;
    let (name, field) = (target.to_string(), format!("targets[{index}]"));
    let listing = Listing::new(name, field, source, plan.resolve_every);
    Ok(endpoint.standing_for(target, listing, plan.authority.as_deref()))
}

/// How a scenario encrypts.
pub(crate) fn encryption(
    plan: &ScenarioPlan,
    alpn: &'static Alpn,
) -> Result<Encryption, EndpointError> {
    let settings = plan.tls.clone().unwrap_or_default();
    Ok(Encryption {
        client: tls::client(&settings, alpn)?,
        alpn,
        server_name: settings.server_name,
    })
}

/// What these endpoints are made of that may change: their settings, which they share, and their lists.
pub(crate) fn lookouts(endpoints: &[Endpoint]) -> impl Iterator<Item = Arc<dyn Lookout>> {
    let lists = endpoints.iter().filter_map(Endpoint::listing);
    let lists = lists.map(|it| Arc::new(it.clone()) as Arc<dyn Lookout>);
    endpoints
        .iter()
        .find_map(Endpoint::lookout)
        .into_iter()
        .chain(lists)
}

/// The targets of a scenario that may have none yet; its TLS settings are checked all the same.
pub(crate) fn check(
    plan: &ScenarioPlan,
    alpn: &'static Alpn,
) -> Result<Vec<Endpoint>, EndpointError> {
    match (&plan.tls, plan.targets.is_empty()) {
        (_, false) => reachable(plan, alpn),
        (Some(settings), true) => {
            tls::client(settings, alpn)?;
            Ok(Vec::new())
        }
        (None, true) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_a_target_that_is_off_are_divided_among_the_others_and_come_back() {
        let switches = Switches::new(3);
        let targets = || (0..12).map(|it| aim(it, 3, &switches).target);
        let counts = || [0, 1, 2].map(|it| targets().filter(|target| *target == it).count());
        assert_eq!(counts(), [4, 4, 4]);
        switches.set(1, false);
        assert_eq!(counts(), [6, 0, 6]);
        assert!(targets().step_by(3).all(|it| it == 0), "others stay");
        switches.set(0, false);
        assert_eq!(counts(), [0, 0, 12]);
        switches.set(1, true);
        assert_eq!(counts(), [0, 6, 6]);
        switches.set(0, true);
        assert_eq!(counts(), [4, 4, 4]);
    }
}
