//! Events as they are written.

use super::raw::{DeedSpan, MarkText, RawEvent, RawHttpDeed, RawJson, UrlText, Word};
use super::{Deed, DeedBody, EventPlan, HttpDeed};
use crate::scenario::backend::value::BackendName;
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::value::{PositiveSpan, RawSource, Span};

pub(in crate::scenario) fn print(events: &[EventPlan]) -> Entry<List<RawEvent>> {
    List::unless_empty(events.iter().map(event))
}

fn event(plan: &EventPlan) -> RawEvent {
    let name = |it: &String| Entry::Given(BackendName(it.clone()));
    let mut raw = RawEvent {
        at: Entry::Given(Span(plan.at)),
        back_after: Entry::from_option(plan.deed.back_after().map(PositiveSpan)),
        ..RawEvent::default()
    };
    match &plan.deed {
        Deed::Kill { backend, .. } => raw.kill = name(backend),
        Deed::Restart { backend } => raw.restart = name(backend),
        Deed::Freeze { backend, .. } => raw.freeze = name(backend),
        Deed::Drain { backend, .. } => raw.drain = name(backend),
        Deed::Fault {
            backend, faults, ..
        } => {
            raw.fault = name(backend);
            raw.set_faults(faults);
        }
        Deed::Http(deed) => {
            raw.http = Entry::Given(http(deed));
            raw.timeout = Entry::Given(DeedSpan(deed.timeout));
        }
        Deed::Exec(deed) => {
            raw.exec = Entry::Given(List::of(deed.command.iter().cloned().map(Word)));
            raw.timeout = Entry::Given(DeedSpan(deed.timeout));
        }
        Deed::Mark(text) => raw.mark = Entry::Given(MarkText(text.clone())),
    }
    raw
}

fn http(deed: &HttpDeed) -> RawHttpDeed {
    let mut raw = RawHttpDeed {
        headers: Entries::of(&deed.headers, RawSource::of),
        ..RawHttpDeed::default()
    };
    let url = Entry::Given(UrlText(deed.url.clone()));
    match deed.method.as_str() {
        "GET" => raw.get = url,
        "PUT" => raw.put = url,
        "PATCH" => raw.patch = url,
        "DELETE" => raw.delete = url,
        _ => raw.post = url,
    }
    match &deed.body {
        Some(DeedBody::Json(value)) => raw.json = Entry::Given(RawJson(value.clone())),
        Some(DeedBody::Text(text)) => raw.text = Entry::Given(text.clone()),
        None => {}
    }
    raw
}
