//! What the page's script is told, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::series::WrittenPoint;
use crate::report::page::{self, ChapterPart, Parts};
use crate::report::{Document, Scenario};

/// Where a run is, as the script goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Connecting,
    Running,
    /// The page is the report.
    Over,
    /// There will be none.
    Failed,
}

/// What has changed since the message before, or all there is.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) phase: Phase,
    /// Names the run: with another one nothing holds that was told before.
    pub(super) run: &'a str,
    pub(super) title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<&'a str>,
    pub(super) chapters: Vec<Chapter<'a>>,
    pub(super) scenarios: Vec<Drawn<'a>>,
    /// What charts of a search are drawn from, where that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<&'a Over>,
}

/// A chapter; without its HTML where that is as it was.
#[derive(Debug, Serialize)]
pub(super) struct Chapter<'a> {
    id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
}

/// What charts of a scenario are drawn from: the fields of the document that have changed, and of its series the
/// points from a second on.
#[derive(Debug, Serialize)]
pub(super) struct Drawn<'a> {
    fields: BTreeMap<&'static str, &'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_s: Option<u64>,
    points: Vec<&'a RawValue>,
}

/// What comes of a run.
#[derive(Debug, Serialize)]
pub(super) struct Over {
    /// The result document.
    result: Box<RawValue>,
    /// The report, a file.
    report: String,
}

/// What charts of a scenario are drawn from beside its series.
pub(super) type Fields = BTreeMap<&'static str, Box<RawValue>>;

impl Message<'_> {
    pub(super) fn to_json(&self) -> String {
        // Fails only for maps whose keys are not text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Over {
    pub(super) fn of(document: &Document) -> Self {
        Self {
            result: written(document),
            report: page::html(document),
        }
    }
}

/// What a chart asks of a server.
#[derive(Debug, Serialize)]
struct Server<'a> {
    id: &'a str,
    requests: u64,
    completed: u64,
}

pub(super) fn fields(scenario: &Scenario) -> Fields {
    let servers = scenario.backends.iter().map(|it| Server {
        id: &it.id,
        requests: it.requests,
        completed: it.completed,
    });
    BTreeMap::from([
        ("duration_s", written(&scenario.duration_s)),
        ("response_time_us", written(&scenario.response_time_us)),
        ("service_time_us", written(&scenario.service_time_us)),
        ("backends", written(&servers.collect::<Vec<_>>())),
        ("timeline", written(&scenario.timeline)),
        ("events", written(&scenario.events)),
    ])
}

/// What of the fields is others than before, and these points, which are those from a place on: of another trial of a
/// search there may be none yet, and none of what was before holds.
pub(super) fn drawn<'a>(
    fields: &'a Fields,
    before: Option<&Fields>,
    from: usize,
    points: &'a [WrittenPoint],
) -> Drawn<'a> {
    let is_new = |name: &str, value: &RawValue| {
        let old = before.and_then(|it| it.get(name));
        old.is_none_or(|it| it.get() != value.get())
    };
    let fields = fields.iter().filter(|(name, it)| is_new(name, it));
    Drawn {
        fields: fields.map(|(name, it)| (*name, &**it)).collect(),
        from_s: match from {
            0 => Some(0),
            _ => points.first().map(|it| it.t_s),
        },
        points: points.iter().map(|it| &*it.json).collect(),
    }
}

/// The chapters, with the HTML of those that are others than before.
pub(super) fn chapters<'a>(parts: &'a Parts, before: Option<&Parts>) -> Vec<Chapter<'a>> {
    let is_new = |chapter: &&ChapterPart| {
        let mut before = before.into_iter().flat_map(|it| &it.chapters);
        !before.any(|it| it == *chapter)
    };
    let chapters = parts.chapters.iter().map(|it| Chapter {
        id: &it.id,
        title: &it.title,
        html: Some(it).filter(is_new).map(|it| &*it.html),
    });
    chapters.collect()
}

pub(super) fn written(value: &impl Serialize) -> Box<RawValue> {
    // Fails only for maps whose keys are not text.
    to_raw_value(value).unwrap_or_default()
}
