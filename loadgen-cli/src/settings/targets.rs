//! Targets as written on the command line: each protocol's in a flag of its own, several in one
//! value with commas between them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use loadgen_core::scenario::{Protocol, Target, TargetError};

use super::error::SettingsError;
use crate::args::{TargetChoice, TargetFlags, WhatArgs};
use crate::protocols;

/// Each protocol's targets, with those that `--target` names: of the only one that is run, or of the one
/// that the scheme is of.
///
/// # Errors
/// [`SettingsError::WhoseTarget`] where neither tells.
pub(super) fn settle<'a>(
    what: &'a WhatArgs,
    run: &BTreeSet<Protocol>,
) -> Result<Cow<'a, TargetFlags>, SettingsError> {
    let mut settled = Cow::Borrowed(&what.each_target);
    let choices = what.targets.iter().filter_map(|it| match it {
        TargetChoice::At(targets) => Some(targets.as_str()),
        TargetChoice::Protocol(_) => None,
    });
    for target in choices.flat_map(|it| it.split(',')).map(str::trim) {
        let only = run.first().filter(|_| run.len() == 1).copied();
        let Some(protocol) = only.or_else(|| by_scheme(target, run)) else {
            return Err(SettingsError::WhoseTarget {
                target: target.to_owned(),
                spoken: run.iter().filter_map(|it| protocols::of(*it)).collect(),
            });
        };
        settled.to_mut().push(protocol, target);
    }
    Ok(settled)
}

/// The protocol that a target's scheme is of. What is wrong with one that is nobody's is told as for
/// any other target.
fn by_scheme(target: &str, run: &BTreeSet<Protocol>) -> Option<Protocol> {
    let (scheme, _) = target.split_once("://")?;
    let mut of_those = run.iter().filter_map(|it| protocols::of(*it));
    let row = of_those
        .find(|it| it.has_scheme(scheme))
        .or_else(|| protocols::of_scheme(scheme))
        .or(protocols::ALL.first().copied())?;
    Some(row.protocol)
}

/// The targets in the values of a repeatable flag.
///
/// # Errors
/// [`TargetError`] for the first part that is not a target.
pub(super) fn parse_all(values: &[String]) -> Result<Vec<Target>, TargetError> {
    parts(values).map(str::parse).collect()
}

/// The targets as they are written.
pub(super) fn parts(values: &[String]) -> impl Iterator<Item = &str> {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_repetition_mean_the_same() {
        let values = ["a:1,b:2".to_owned(), "c:3".to_owned()];
        let targets = parse_all(&values).unwrap();
        let hosts: Vec<_> = targets.into_iter().map(|it| it.host).collect();
        assert_eq!(hosts, ["a", "b", "c"]);
    }

    use test_case::test_case;

    const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Websocket];

    #[test_case("a:1", &[Protocol::Grpc] => "grpc a:1"; "the only protocol")]
    #[test_case("a:1, b:2", &[Protocol::Websocket] => "websocket a:1 b:2"; "several")]
    #[test_case("https://a", &BOTH => "grpc https://a"; "by its scheme")]
    #[test_case("ws://a", &BOTH => "websocket ws://a"; "by its other scheme")]
    #[test_case("a:1", &BOTH => "`--target a:1` could be for gRPC or for WebSocket, and this run has both; say which with `--grpc-target` or `--websocket-target`"; "of either")]
    fn settles(target: &str, run: &[Protocol]) -> String {
        let what = WhatArgs {
            targets: vec![TargetChoice::At(target.to_owned())],
            ..WhatArgs::default()
        };
        match settle(&what, &run.iter().copied().collect()) {
            Err(error) => error.to_string(),
            Ok(settled) => {
                let given = protocols::ALL.into_iter().filter_map(|it| {
                    let targets = settled.of(it.protocol);
                    (!targets.is_empty()).then(|| format!("{} {}", it.protocol, targets.join(" ")))
                });
                given.collect::<Vec<_>>().join(", ")
            }
        }
    }

    #[test]
    fn an_empty_part_is_no_target() {
        assert!(parse_all(&["a:1,,b:2".to_owned()]).is_err());
    }
}
