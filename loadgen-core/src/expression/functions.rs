//! The functions that the language has beside minijinja's own.

use std::borrow::Cow;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::scope::draw;
use super::{bounds, taint};

pub(super) const UUID: &str = "uuid";

/// Their names, minijinja's among them.
pub(super) const NAMES: [&str; 10] = [
    "base64",
    "choice",
    "dict",
    "json",
    "namespace",
    "now",
    "random",
    "range",
    "sha256",
    UUID,
];

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_function(UUID, |state: &State<'_, '_>| random_uuid(draw(state)));
    environment.add_function("random", random);
    environment.add_function("choice", choice);
    environment.add_function("now", now);
    environment.add_function("sha256", sha256);
    environment.add_function("base64", base64);
    environment.add_function("json", json);
}

/// A random UUID (RFC 9562, version 4).
pub(super) fn random_uuid(mut chance: fastrand::Rng) -> String {
    const GROUPS: [Range<usize>; 5] = [0..4, 4..6, 6..8, 8..10, 10..16];
    let versioned = (chance.u128(..) & !(0xf << 76)) | (0x4 << 76);
    let id = ((versioned & !(0b11 << 62)) | (0b10 << 62)).to_be_bytes();
    let mut text = String::with_capacity(36);
    for group in GROUPS {
        if group.start > 0 {
            text.push('-');
        }
        HEXLOWER.encode_append(&id[group], &mut text);
    }
    text
}

/// A whole number from `least` to `most`, both included; or a fraction where one of them is one.
fn random(
    state: &State<'_, '_>,
    least: Option<&Value>,
    most: Option<&Value>,
) -> Result<Value, Error> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("random(): {why}"));
    let (Some(least), Some(most)) = (least, most) else {
        return Err(wrong("it takes two numbers, as in `random(1, 6)`"));
    };
    if let (Some(first), Some(last)) = (whole(least), whole(most)) {
        if first > last {
            return Err(wrong("the first number is above the second"));
        }
        return Ok(Value::from(draw(state).i64(first..=last)));
    }
    let (Ok(least), Ok(most)) = (f64::try_from(least.clone()), f64::try_from(most.clone())) else {
        return Err(wrong("it takes two numbers, as in `random(1, 6)`"));
    };
    if least > most || !(most - least).is_finite() {
        return Err(wrong("the first number is above the second"));
    }
    Ok(Value::from(least + draw(state).f64() * (most - least)))
}

fn whole(value: &Value) -> Option<i64> {
    value.is_integer().then(|| value.as_i64()).flatten()
}

/// One item of a list.
fn choice(state: &State<'_, '_>, list: Option<&Value>) -> Result<Value, Error> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("choice(): {why}"));
    let Some(list) = list.filter(|it| it.kind() == ValueKind::Seq) else {
        return Err(wrong("it takes a list, as in `choice(['a', 'b'])`"));
    };
    match list.len() {
        None | Some(0) => Err(wrong("the list is empty")),
        Some(len) => list.get_item_by_index(draw(state).usize(..len)),
    }
}

/// The time, as milliseconds since 1970 (UTC).
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The bytes of a text or of bytes.
fn bytes_of(value: &Value) -> Result<Cow<'_, [u8]>, Error> {
    match (value.as_bytes(), value.as_str()) {
        (Some(bytes), _) => Ok(bytes.into()),
        (None, Some(text)) => Ok(text.as_bytes().into()),
        (None, None) => Ok(bounds::text_of(value)?.into_bytes().into()),
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
fn sha256(value: &Value) -> Result<String, Error> {
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes_of(value)?);
    Ok(taint::made(HEXLOWER.encode(digest.as_ref())))
}

/// A text in base64.
fn base64(value: &Value) -> Result<String, Error> {
    let bytes = bytes_of(value)?;
    bounds::spend(BASE64.encode_len(bytes.len()))?;
    Ok(taint::made(BASE64.encode(&bytes)))
}

/// A value as JSON.
fn json(value: &Value) -> Result<String, Error> {
    bounds::json_of(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, format!("json(): {error}")))
}
