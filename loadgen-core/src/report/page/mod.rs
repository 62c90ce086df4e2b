//! A result as a page: one file that asks nothing of any network, for people to open, send and keep.
//!
//! Written from the view model, and so from the result document alone: it can be made again
//! from a stored one. What there is to read stands in the page; its script draws the charts, from the
//! document that the page carries. Owns the markup, its look, the script, and what the browser may do.

mod carried;
mod parts;
mod policy;
#[cfg(test)]
mod tests;

use minijinja::{Value, context};

use self::carried::Carried;
use super::document::{Capacity, Document};
use super::view::{Page, Progress};

pub use self::carried::embedded;
pub(crate) use self::parts::{ChapterPart, Parts, Writer};
pub(crate) use super::view::purpose;

/// Its look, and what draws the charts.
const STYLE: &str = include_str!("page.css");
macro_rules! script {
    ($($own:literal),+) => {
        concat!(
            include_str!("script/carried.js"),
            include_str!("script/numbers.js"),
            include_str!("script/histograms.js"),
            include_str!("script/shared.js"),
            include_str!("script/over_time.js"),
            include_str!("script/percentiles.js"),
            include_str!("script/servers.js"),
            include_str!("script/connections.js"),
            include_str!("script/capacity.js"),
            include_str!("script/chart.js"),
            include_str!("script/page.js"),
            $(include_str!($own)),+
        )
    };
}
/// Of a page that carries its document, and of one that is brought it.
const SCRIPT: &str = script!("script/report.js");
const LIVE_SCRIPT: &str = script!("script/become.js", "script/steer.js", "script/live.js");
/// The library that draws, deflated and in base64.
const CHARTS: &str = include_str!(concat!(env!("OUT_DIR"), "/echarts.txt"));

/// A document as a page: HTML that is whole in itself.
///
/// What servers said is shown as it is, but for what is hidden, and can do nothing in the page. The
/// document can be [taken out](embedded) of it again.
#[must_use]
pub fn html(document: &Document) -> String {
    let Carried {
        media_type,
        text,
        extent,
    } = Carried::of(document);
    let writer = Writer::new();
    let parts = writer.parts(&Page::of(document));
    let carried = context! {
        policy => policy::of(STYLE, [SCRIPT, &charts()]),
        version => document.run.version,
        extent => extent,
        data_type => Value::from_safe_string(media_type.to_owned()),
        data => Value::from_safe_string(text),
        is_live => false,
        script => Value::from_safe_string(SCRIPT.to_owned()),
    };
    writer.page(&parts, context! { ..carried, ..common() })
}

/// The page of a run that is under way, which is brought what it shows by whoever serves it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LivePage {
    /// The page: the same for all runs of this version.
    pub html: String,
    /// What a browser may do in it: for the header field `Content-Security-Policy`.
    pub policy: String,
}

impl LivePage {
    /// The page. Its script opens a WebSocket at `/live` and takes what a [`Dashboard`](crate::live::Dashboard) makes, in
    /// messages of text; and beside it `{"standing": […]}`, the [standing](crate::engine::Standing) of the scenarios, or
    /// `null` where the run takes nothing. It sends `{"id": N, "change": …}`, a [change](crate::engine::Change), and is
    /// answered `{"id": N, "done": "…"}` or `{"id": N, "refused": "…"}`, in words.
    #[must_use]
    pub fn new() -> Self {
        let writer = Writer::new();
        let policy = policy::live(&policy::of(STYLE, [LIVE_SCRIPT, &charts()]));
        let parts = writer.parts(&Page::before(&Progress::waiting("Connecting to the run")));
        let brought = context! {
            policy => policy,
            version => env!("CARGO_PKG_VERSION"),
            is_live => true,
            script => Value::from_safe_string(LIVE_SCRIPT.to_owned()),
        };
        Self {
            html: writer.page(&parts, context! { ..brought, ..common() }),
            policy: policy::served(&policy),
        }
    }
}

impl Default for LivePage {
    fn default() -> Self {
        Self::new()
    }
}

/// What a page says of a finished run.
pub(crate) fn parts(writer: &Writer, document: &Document) -> Parts {
    writer.parts(&Page::of(document))
}

/// What a page says of a run that has come so far, without its plan.
pub(crate) fn parts_so_far(writer: &Writer, document: &Document, progress: &Progress) -> Parts {
    writer.parts(&Page::so_far(document, progress))
}

/// The plan of a run, which is no part of what is said of it so far.
pub(crate) fn plan_part(writer: &Writer, document: &Document) -> ChapterPart {
    writer.chapter(&Page::plan(document))
}

/// What a page says of a run before there are figures.
pub(crate) fn parts_before(writer: &Writer, progress: &Progress) -> Parts {
    writer.parts(&Page::before(progress))
}

/// What a page says of a search that goes on, but for its trials' own figures.
pub(crate) fn parts_of_search(
    writer: &Writer,
    progress: &Progress,
    known: &Capacity,
    now: String,
) -> Parts {
    writer.parts(&Page::searching(progress, known, now))
}

/// What a page says of the trial of a search, which is called so.
pub(crate) fn trial_parts(writer: &Writer, document: &Document, called: &str) -> Vec<ChapterPart> {
    let chapters = Page::trial(document, called);
    chapters.iter().map(|it| writer.chapter(it)).collect()
}

/// The library that draws.
fn charts() -> String {
    carried::inflated(CHARTS).expect("it was deflated when this was built")
}

/// What all pages have.
fn common() -> Value {
    context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        charts => Value::from_safe_string(CHARTS.to_owned()),
        charts_version => env!("ECHARTS_VERSION"),
    }
}
