//! Answers byte by byte, and against hyper.

mod against_hyper;
mod bodies;
mod heads;
mod pieces;
mod requests;

use http::HeaderMap;

use super::whole::{self, Whole};
use super::{Asked, Wrong};

/// An answer to GET at all of which is looked.
const GET: Asked<'static> = Asked {
    is_for_head: false,
    wants_fields: true,
    identity: Some("x-loadgen-backend"),
};

fn get(bytes: impl AsRef<[u8]>) -> Whole {
    whole::read(bytes.as_ref(), &[], GET)
}

fn wrong(bytes: impl AsRef<[u8]>) -> Option<Wrong> {
    get(bytes).wrong
}

/// Fields as `name: value` with commas between them.
fn shown(fields: &HeaderMap) -> String {
    let one = |(name, value): (_, &http::HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What became of an answer, in one line.
fn told(whole: &Whole) -> String {
    let kept = if whole.is_kept { "kept" } else { "ended" };
    let body = String::from_utf8_lossy(&whole.body);
    match (&whole.wrong, &whole.head) {
        (Some(wrong), _) => wrong.to_string(),
        (None, None) => "no head".to_owned(),
        (None, Some((status, _))) if whole.is_complete => {
            let status = status.as_u16();
            format!("{status} {kept} {body:?}")
        }
        (None, Some(_)) => format!("cut off after {body:?}"),
    }
}
