//! The forms that a secret takes in what others say: quoted, encoded, or as what it is the encoded form of.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::SHORTEST;
use crate::text;

/// What is encoded in a query or a form.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As it is, as it looks once it is quoted or made fit to be shown, and as it is encoded.
pub(super) fn of(secret: String) -> [String; 9] {
    let quoted = secret.escape_debug().to_string();
    let in_json = in_json(&secret);
    // As Go writes it for pages of HTML; as .NET does; and what is ASCII only.
    let for_pages = escaped(&in_json, &['&', '<', '>'], false);
    let quoted_by_number = in_json.replace("\\\"", "\"");
    let careful = ['&', '<', '>', '\'', '+', '`', '"'];
    let careful = in_upper_case(&escaped(&quoted_by_number, &careful, true));
    let in_ascii_json = escaped(&in_json, &[], true);
    let shown = text::line(&secret);
    let in_query = utf8_percent_encode(&secret, ENCODED).to_string();
    let in_form = in_query.replace("%20", "+");
    [
        secret,
        quoted,
        in_json,
        for_pages,
        careful,
        in_ascii_json,
        shown,
        in_query,
        in_form,
    ]
}

/// As it stands between the quotes of a JSON text.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The same of servers that write these characters of it as their numbers, and with `ascii` all that are none.
fn escaped(json: &str, also: &[char], ascii: bool) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if also.contains(&c) || (ascii && !c.is_ascii()) {
            let units = &mut [0; 2];
            let units = c.encode_utf16(units).iter();
            escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A text of JSON with the digits of such numbers in upper case.
fn in_upper_case(json: &str) -> String {
    let mut parts = json.split("\\u");
    let mut upper = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len().min(4);
        let (digits, rest) = match part.is_char_boundary(digits) {
            true => part.split_at(digits),
            false => ("", part),
        };
        upper.push_str("\\u");
        upper.push_str(&digits.to_ascii_uppercase());
        upper.push_str(rest);
    }
    upper
}

/// The text that a secret is the base64 or hexadecimal form of: bytes may be sent as these, and are shown as
/// the text.
pub(super) fn decoded(secret: &str) -> impl Iterator<Item = String> {
    let bytes = secret.trim_end_matches('=').as_bytes();
    let encodings = [BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE];
    let decoded = encodings.map(|it| it.decode(bytes));
    let texts = decoded.into_iter().flatten().map(String::from_utf8);
    texts
        .flatten()
        .filter(|it| it.len() >= SHORTEST && !it.contains(char::is_control))
}

/// The password in `Basic …`, which is user, colon and password in base64.
pub(super) fn password_of_basic(secret: &str) -> Option<String> {
    let (scheme, encoded) = secret.split_once(' ')?;
    let decoded = BASE64
        .decode(encoded.trim().as_bytes())
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| password.to_owned())
}
