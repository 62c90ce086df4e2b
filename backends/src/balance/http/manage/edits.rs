//! What the management's requests do to the document. A document that is sent is judged by the configuration's
//! own reader, with paths as they are in what was sent.

use serde_json::Value;

use super::document::{Document, LISTED, merge, named};
use super::refusal::Refusal;
use super::tags::{Conditions, tag};
use crate::balance::config::{self, Problem};
use crate::balance::http::settings::{NAME, is_name, service};

/// What has become of a service.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) service: Value,
    pub(super) is_new: bool,
}

/// Adds a service that is not there yet.
pub(super) fn create(
    document: &mut Document,
    name: &str,
    body: &str,
    conditions: &Conditions,
) -> Result<Stored, Refusal> {
    if document.service(name).is_some() {
        let name = name.to_owned();
        return Err(Refusal::Exists { name });
    }
    put(document, name, body, conditions)
}

/// Adds a service, or puts it in the place of the one of its name.
pub(super) fn put(
    document: &mut Document,
    name: &str,
    body: &str,
    conditions: &Conditions,
) -> Result<Stored, Refusal> {
    if !is_name(name) {
        return Err(Refusal::Invalid {
            problems: vec![Problem {
                path: "name".to_owned(),
                found: format!("{name:?} in the path"),
                expected: NAME.to_owned(),
                help: None,
            }],
        });
    }
    let current = document.service(name);
    require(conditions, current)?;
    let is_new = current.is_none();
    store(document, name, value(body)?, is_new)
}

/// Changes the given parts of a service.
pub(super) fn patch(
    document: &mut Document,
    name: &str,
    body: &str,
    conditions: &Conditions,
) -> Result<Stored, Refusal> {
    let current = find(document, name)?;
    require(conditions, Some(current))?;
    let mut changed = current.clone();
    merge(&mut changed, &value(body)?);
    store(document, name, changed, false)
}

/// Takes a service out.
pub(super) fn delete(
    document: &mut Document,
    name: &str,
    conditions: &Conditions,
) -> Result<(), Refusal> {
    require(conditions, Some(find(document, name)?))?;
    if document.is_default(name) {
        let name = name.to_owned();
        return Err(Refusal::IsDefault { name });
    }
    document.remove(name);
    Ok(())
}

/// Changes the given parts of all that is listed: which service is the default, or all services at once.
pub(super) fn patch_listing(
    document: &mut Document,
    body: &str,
    conditions: &Conditions,
) -> Result<Value, Refusal> {
    let mut listing = document.listing();
    require(conditions, Some(&listing))?;
    merge(&mut listing, &value(body)?);
    // What is in it, the whole document's reader says.
    config::parse("", &listing.to_string(), |top, _| {
        top.object(&LISTED).map(|_| ())
    })?;
    document.set_listing(&listing);
    Ok(listing)
}

/// The service of this name.
pub(super) fn find<'a>(document: &'a Document, name: &str) -> Result<&'a Value, Refusal> {
    document.service(name).ok_or_else(|| Refusal::NoService {
        name: name.to_owned(),
    })
}

fn require(conditions: &Conditions, current: Option<&Value>) -> Result<(), Refusal> {
    let current = current.map(tag);
    let allowed = conditions.allow(current.as_deref());
    allowed.then_some(()).ok_or(Refusal::Precondition)
}

fn store(
    document: &mut Document,
    name: &str,
    given: Value,
    is_new: bool,
) -> Result<Stored, Refusal> {
    config::parse("", &given.to_string(), |top, problems| {
        service(top, Some(name), problems)
    })?;
    let service = named(name, given);
    document.put(name, service.clone());
    Ok(Stored { service, is_new })
}

/// The JSON of a body, in which no field may stand twice.
pub(crate) fn value(body: &str) -> Result<Value, Refusal> {
    // This also bounds how deep it is, before anything looks into the depth.
    let value = serde_json::from_str(body).map_err(|error| config::syntax("", &error))?;
    config::parse("", body, |top, _| {
        top.refuse_duplicates();
        Some(())
    })?;
    Ok(value)
}
