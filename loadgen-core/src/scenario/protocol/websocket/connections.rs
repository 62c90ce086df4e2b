//! How replies are told from other messages: room for an id in what is sent, and what the steps of
//! one path say of the connection they share.

use std::collections::HashMap;

use serde_json::Value;

use super::plan::WebsocketExchange;
use super::raw::{RawReply, RawWebsocket};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::Life;
use crate::scenario::reader::Entry;
use crate::scenario::step::{Action, all, for_each_mut};

/// Why a number does not fit into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom<'a> {
    /// The message is no object.
    NoObject,
    /// Something else stands where an object of this name would have to be.
    Within(&'a str),
    /// The field is there already.
    Taken,
}

/// Whether a number fits into a message at this path. Objects on the way are there, or are made.
pub(super) fn room_for<'a>(message: &Value, path: &'a str) -> Result<(), NoRoom<'a>> {
    let mut object = message.as_object().ok_or(NoRoom::NoObject)?;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        match object.get(name) {
            None => return Ok(()),
            Some(_) if is_last => return Err(NoRoom::Taken),
            Some(value) => object = value.as_object().ok_or(NoRoom::Within(name))?,
        }
    }
    Ok(())
}

/// What a step's path is where it says nothing.
fn path_of(raw: &RawWebsocket) -> &str {
    raw.path.given().map_or("/", |path| path.0.as_str())
}

/// What a step would take a push for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenFor {
    Replies,
    Stream,
    Feed,
}

fn takes_pushes_for(raw: &RawWebsocket) -> Option<TakenFor> {
    let sends = !raw.send.is_absent();
    let is_marked = matches!(raw.reply, Entry::Given(RawReply::Marked(_)));
    if is_marked || !raw.matches.is_absent() {
        return None;
    }
    if !raw.stream.is_absent() {
        return Some(match sends {
            true => TakenFor::Stream,
            false => TakenFor::Feed,
        });
    }
    // What could not be read has been complained about.
    let in_order = matches!(raw.reply, Entry::Absent | Entry::Given(RawReply::One));
    (sends && in_order && raw.match_id.is_absent()).then_some(TakenFor::Replies)
}

impl Layers<'_> {
    /// Whether the steps of each path agree on what the server says by itself on their connection,
    /// and can tell it from what they wait for.
    pub(super) fn connections_agree(&self, steps: &[(String, &RawStep)]) -> bool {
        let exchanges: Vec<(&str, &RawWebsocket)> = steps
            .iter()
            .filter_map(|(path, step)| Some((path.as_str(), step.websocket.given()?)))
            .collect();
        let mut agree = true;
        let mut refuse = |step: &str, field: &str, found: String, expected: &str, help: &str| {
            agree = false;
            let path = format!("{step}.websocket{field}");
            self.problems
                .add(path, found, expected, Some(help.to_owned()));
        };
        let (mut greetings, mut pushes) = (HashMap::new(), HashMap::new());
        for &(step, raw) in &exchanges {
            let same = "what the other steps of its path say, or nothing";
            let help = "steps of one path share a connection";
            if let Some(greeting) = raw.greeting.given() {
                let (first, said) = *greetings.entry(path_of(raw)).or_insert((step, greeting.0));
                if said != greeting.0 {
                    let found = format!("{}, and {said} at `{first}`", greeting.0);
                    refuse(step, ".greeting", found, same, help);
                }
            }
            if let Some(are_normal) = raw.pushes.given() {
                let (first, said) = *pushes.entry(path_of(raw)).or_insert((step, *are_normal));
                if said != *are_normal {
                    let found = format!("{are_normal}, and {said} at `{first}`");
                    refuse(step, ".pushes", found, same, help);
                }
            }
        }
        for &(step, raw) in &exchanges {
            if pushes.get(path_of(raw)).is_none_or(|(_, said)| !said) {
                continue;
            }
            let (field, found, expected, help) = match takes_pushes_for(raw) {
                None => continue,
                Some(TakenFor::Replies) => (
                    "",
                    "replies in the order of the messages on a connection with `pushes`",
                    "replies that can be told from pushes",
                    "say which field has a number that the reply repeats (`match_id`), or which \
                     value marks a reply (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)",
                ),
                Some(TakenFor::Stream) => (
                    ".stream",
                    "a stream on a connection with `pushes`",
                    "messages that can be told from pushes, or it on another path",
                    "all that comes while a stream is under way is taken for a part of it; say which \
                     value marks its messages (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)",
                ),
                Some(TakenFor::Feed) => (
                    ".stream",
                    "a stream that comes by itself on a connection with `pushes`",
                    "one of them, or messages that can be told from pushes",
                    "what comes by itself is what the step listens to; say which value marks its \
                     messages (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)",
                ),
            };
            refuse(step, field, found.to_owned(), expected, help);
        }
        agree
    }
}

/// Has all steps of a path say what one of them says of their connection.
pub(super) fn share_connections(life: &mut Life<WebsocketExchange>) {
    let parts = [
        &mut life.setup,
        &mut life.begin,
        &mut life.steps,
        &mut life.end,
    ];
    let mut said: HashMap<String, (u32, bool)> = HashMap::new();
    for (_, step) in parts.iter().flat_map(|steps| all(steps, "")) {
        if let Some(exchange) = step.spoken() {
            let (greeting, pushes) = said.entry(exchange.path.clone()).or_default();
            *greeting = exchange.greeting.max(*greeting);
            *pushes |= exchange.pushes;
        }
    }
    for steps in parts {
        for_each_mut(steps, &mut |step| {
            if let Action::Speak(exchange) = &mut step.action
                && let Some(shared) = said.get(&exchange.path)
            {
                (exchange.greeting, exchange.pushes) = *shared;
            }
        });
    }
}
