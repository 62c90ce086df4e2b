//! Messages under the eyes of an interceptor.
//!
//! TCP has no fields: what is asked for is the connection, and all that is seen are bytes that went one way or
//! the other.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::driver::intercept::{Content, ContentError, Dialect, Direction, Form, Request, Watch};
use crate::workload::Iteration;

static NO_FIELDS: Dialect = Dialect {
    fields: "",
    is_own: |_| true,
    is_reserved: |_| true,
};

const MESSAGE: &str = "message";

/// A step begins, on a connection to `target`.
pub(super) fn begins(watch: &Watch, target: String, iteration: &Iteration<'_>) {
    let whose = (iteration.user(), iteration.number());
    let what = "tcp".to_owned();
    let request = Request::new(&NO_FIELDS, what, target, whose, HeaderMap::new());
    let _: Arc<Request> = watch.request(request);
}

/// A message is about to be sent: what is sent in its place.
pub(super) fn sends(watch: &Watch, bytes: Bytes) -> Bytes {
    let form = form_of(&bytes);
    let (bytes, ..) = watch.sends(MESSAGE, (bytes, form), &written);
    bytes
}

/// A reply is whole.
pub(super) fn answered(watch: &Watch, reply: &Bytes) {
    watch.received(Direction::Reply, MESSAGE, reply, &form_of(reply));
}

/// So much had come of a reply when the step ended.
pub(super) fn broke_off(watch: &Watch, part: &[u8]) {
    let part = Bytes::copy_from_slice(part);
    let form = form_of(&part);
    watch.received(Direction::Reply, "part of a message", &part, &form);
}

/// How bytes are read: as a text where they are one that people can read.
fn form_of(bytes: &[u8]) -> Form {
    let is_shown = |it: char| !it.is_control() || matches!(it, '\n' | '\r' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_shown) => Form::Text,
        _ => Form::Binary,
    }
}

fn written(content: &Content) -> Result<(Bytes, Form), ContentError> {
    let (bytes, form): (Bytes, _) = match content {
        Content::Json(value) => (value.to_string().into(), Form::Text),
        Content::Text(text) => (text.clone().into(), Form::Text),
        Content::Binary(bytes) => (bytes.clone(), Form::Binary),
    };
    match bytes.is_empty() {
        // No answer could be told to be its.
        true => Err(ContentError("nothing at all cannot be sent".to_owned())),
        false => Ok((bytes, form)),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"PING\r\n\t" => matches Form::Text; "a line")]
    #[test_case("gr\u{fc}\u{df}e".as_bytes() => matches Form::Text; "more than ASCII")]
    #[test_case(b"" => matches Form::Text; "nothing")]
    #[test_case(b"\x00\x02ok" => matches Form::Binary; "a length in front")]
    #[test_case(b"\x1b[31m" => matches Form::Binary; "what a terminal obeys")]
    #[test_case(b"\xff\xfe" => matches Form::Binary; "no UTF-8")]
    fn bytes_are_read(bytes: &[u8]) -> Form {
        form_of(bytes)
    }
}
