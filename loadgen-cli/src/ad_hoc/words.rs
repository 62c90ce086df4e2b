//! What is wrong with a scenario that was made of flags, in words of flags.

use super::{grpc, http, tcp, websocket};
use crate::error::Error;
use crate::protocols;

/// What stands where in the scenario, and the flag that says it. What a step's fields are called is each
/// protocol's; the longer stands first.
const PLACES: [(&str, &str); 8] = [
    ("load.closed.users", "-c"),
    ("load.closed.iterations", "-n"),
    ("load.closed.duration", "-d"),
    ("load.open.duration", "-d"),
    ("load.open.users.max", "-c"),
    ("metadata", "-H"),
    ("headers", "-H"),
    ("warm_up", "--warm-up"),
];
/// The same for lists, whose items are flags of their own.
const LISTS: [(&str, &str); 5] = [
    ("steps[0].check[", "--check"),
    ("targets[", "TARGET"),
    ("protos[", "--proto"),
    ("subprotocols[", "--subprotocol"),
    ("thresholds[", "--threshold"),
];
/// What messages advise to write into a scenario.
const ADVICE: [(&str, &str); 3] = [
    ("in `protos`", "with `--proto`"),
    ("the scenario's `metadata`", "`-H`"),
    ("protos: ", "--proto "),
];

/// An error in the words of whoever gave flags and wrote no file.
pub(crate) fn in_flags(error: Error) -> Error {
    let said = error.to_string();
    let text = translated(&said);
    if text == said {
        error
    } else {
        Error::InFlags {
            error: Box::new(error),
            text,
        }
    }
}

fn translated(said: &str) -> String {
    let mut text = without_scenario(said).replace("scenarios[0].", "");
    let of_steps = [
        grpc::PLACES.as_slice(),
        websocket::PLACES.as_slice(),
        http::PLACES.as_slice(),
        tcp::PLACES.as_slice(),
    ];
    for (place, flag) in of_steps.concat().into_iter().chain(PLACES) {
        text = replaced_at_start(&text, place, flag);
    }
    for (list, flag) in LISTS {
        text = without_index(&text, list, flag);
    }
    for (advice, flag) in ADVICE {
        text = text.replace(advice, flag);
    }
    // The target has no flag here.
    for spoken in protocols::ALL {
        text = text.replace(&format!("`{} ", spoken.target_flag()), "`");
    }
    text
}

/// There is one scenario only, and nobody has named it.
fn without_scenario(said: &str) -> String {
    let Some((before, after)) = said.split_once("scenario `") else {
        return said.to_owned();
    };
    match after.split_once("`: ") {
        Some((name, rest)) if !name.contains(['`', '\n']) => format!("{before}{rest}"),
        _ => said.to_owned(),
    }
}

/// Places stand at the beginning of a line, or behind what the line is of.
fn replaced_at_start(text: &str, place: &str, flag: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(place) {
        let end = at + place.len();
        let begins = rest[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace);
        let ends = rest[end..].starts_with([':', '.', '[']);
        out.push_str(&rest[..at]);
        out.push_str(if begins && ends { flag } else { place });
        rest = &rest[end..];
    }
    out + rest
}

fn without_index(text: &str, list: &str, flag: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(list) {
        let behind = &rest[at + list.len()..];
        let Some(end) = behind.find(']') else { break };
        out.push_str(&rest[..at]);
        out.push_str(flag);
        rest = &behind[end + 1..];
    }
    out + rest
}
