//! Targets as written on the command line: each protocol's in a flag of its own, several in one
//! value with commas between them.

use loadgen_core::scenario::{Protocol, Target, TargetError};

use crate::args::RunArgs;

/// The protocols whose targets can be named, each with its flag.
pub(crate) const FLAGS: [(Protocol, &str); 2] = [
    (Protocol::Grpc, "--grpc-target"),
    (Protocol::Websocket, "--websocket-target"),
];

/// The flag that names a protocol's targets.
pub(crate) fn flag(protocol: Protocol) -> Option<&'static str> {
    let mut flags = FLAGS.iter();
    flags.find(|(it, _)| *it == protocol).map(|(_, flag)| *flag)
}

/// The values of that flag.
pub(crate) fn given(args: &RunArgs, protocol: Protocol) -> &[String] {
    match protocol {
        Protocol::Grpc => &args.grpc_targets,
        Protocol::Websocket => &args.websocket_targets,
        _ => &[],
    }
}

/// The targets in the values of a repeatable flag.
///
/// # Errors
/// [`TargetError`] for the first part that is not a target.
pub(crate) fn parse_all(values: &[String]) -> Result<Vec<Target>, TargetError> {
    parts(values).map(str::parse).collect()
}

/// The targets as they are written.
pub(crate) fn parts(values: &[String]) -> impl Iterator<Item = &str> {
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

    #[test]
    fn an_empty_part_is_no_target() {
        assert!(parse_all(&["a:1,,b:2".to_owned()]).is_err());
    }
}
