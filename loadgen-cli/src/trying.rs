//! What a newcomer is told to type: to begin with, and to go on with.

use std::ffi::OsString;

use crate::protocols::Spoken;

/// The command to begin with, long enough to be watched.
pub(crate) fn first(row: &Spoken) -> String {
    format!("{} run --scenario {} -d 5s", program(), row.trial)
}

/// The command to go on with after a run against loadgen's own servers.
pub(crate) fn next(row: &Spoken) -> String {
    format!("{} {}", program(), row.own)
}

/// This program as it was called, so that what is told can be copied.
fn program() -> String {
    as_called(std::env::args_os().next())
}

fn as_called(zeroth: Option<OsString>) -> String {
    // Anything else would have to be quoted, in a way that not every shell has.
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    zeroth
        .and_then(|it| it.into_string().ok())
        .filter(|it| !it.is_empty() && it.chars().all(is_plain))
        .unwrap_or_else(|| "loadgen".to_owned())
}

#[cfg(test)]
mod tests {
    use loadgen_core::scenario;
    use test_case::test_case;

    use super::*;
    use crate::protocols;

    #[test_case("loadgen" => "loadgen")]
    #[test_case("target/release/loadgen" => "target/release/loadgen"; "by cargo run")]
    #[test_case("/home/my self/loadgen" => "loadgen"; "a blank")]
    #[test_case("" => "loadgen"; "nothing")]
    fn calls(zeroth: &str) -> String {
        as_called(Some(zeroth.into()))
    }

    #[test]
    fn a_trial_of_each_protocol_alone_is_shipped() {
        let suite = scenario::shipped();
        for row in protocols::ALL {
            let plan = suite.select(&[row.trial], None).unwrap();
            let protocols: Vec<_> = plan.scenarios.iter().map(|it| it.protocol()).collect();
            assert_eq!(protocols, [row.protocol]);
        }
    }
}
