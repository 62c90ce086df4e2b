//! What somebody meant who put a blank where a flag has its value after `=`.

use std::ffi::OsString;

use clap::{Command, CommandFactory, Parser};
use loadgen_core::secrets;

use super::Args;

/// What was meant on the command line of this process, where a word would be the value of the flag before it.
pub(crate) fn meant() -> Option<String> {
    let given: Vec<OsString> = std::env::args_os().collect();
    meant_by(&given)
}

fn meant_by(given: &[OsString]) -> Option<String> {
    let root = Args::command();
    let mut command = &root;
    for (at, pair) in given.windows(2).enumerate() {
        let [Some(flag), Some(value)] = [pair[0].to_str(), pair[1].to_str()] else {
            continue;
        };
        if flag == "--" {
            return None;
        }
        command = command.find_subcommand(flag).unwrap_or(command);
        if value.starts_with('-') || !is_joined_to_its_value(command, flag) {
            continue;
        }
        let joined = format!("{flag}={value}");
        let mut all = given.to_vec();
        all.splice(at..at + 2, [OsString::from(&joined)]);
        if Args::try_parse_from(all).is_ok() {
            let value = secrets::address(value);
            return Some(format!(
                "a value of `{flag}` stands after `=`: did you mean `{flag}={value}`?"
            ));
        }
    }
    None
}

/// Whether a flag of a command takes a value, and that after `=` only.
fn is_joined_to_its_value(command: &Command, flag: &str) -> bool {
    let long = flag.strip_prefix("--");
    let mut known = command.get_arguments();
    long.is_some() && known.any(|it| it.get_long() == long && it.is_require_equals_set())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("run --ui 8090 -s hello_light" => Some("a value of `--ui` stands after `=`: did you mean `--ui=8090`?".to_owned()))]
    #[test_case("run -s hello_light --prometheus 9464" => Some("a value of `--prometheus` stands after `=`: did you mean `--prometheus=9464`?".to_owned()))]
    #[test_case("http --ui 8090 http://127.0.0.1:1/" => Some("a value of `--ui` stands after `=`: did you mean `--ui=8090`?".to_owned()))]
    #[test_case("compare --force machine a.json b.json" => Some("a value of `--force` stands after `=`: did you mean `--force=machine`?".to_owned()))]
    #[test_case("run --ui checkout.json" => None; "no value of it")]
    #[test_case("run --ui -s hello_light" => None; "a flag")]
    #[test_case("run --ui=8090 -s hello_light" => None; "as it should be")]
    #[test_case("run --scenario 8090" => None; "a flag with a blank")]
    fn is_meant(line: &str) -> Option<String> {
        let given = std::iter::once("loadgen").chain(line.split(' '));
        meant_by(&given.map(OsString::from).collect::<Vec<_>>())
    }
}
