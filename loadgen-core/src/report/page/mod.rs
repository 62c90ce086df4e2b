//! A result as a page: one file that asks nothing of any network, for people to open, send and keep.
//!
//! Written from the view model, and so from the result document alone: it can be made again
//! from a stored one. What there is to read stands in the page; its script draws the charts, from the
//! document that the page carries. Owns the markup, its look, the script, and what the browser may do.

mod carried;
mod policy;
#[cfg(test)]
mod tests;

use minijinja::{
    AutoEscape, Environment, Error, HtmlEscape, Output, State, UndefinedBehavior, Value, context,
    escape_formatter,
};

use self::carried::Carried;
use super::document::Document;
use super::view::Page;
use crate::text;

pub use self::carried::embedded;

/// The markup, its look, and what draws the charts.
const MARKUP: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    include_str!("script/carried.js"),
    include_str!("script/numbers.js"),
    include_str!("script/histograms.js"),
    include_str!("script/shared.js"),
    include_str!("script/over_time.js"),
    include_str!("script/percentiles.js"),
    include_str!("script/servers.js"),
    include_str!("script/connections.js"),
    include_str!("script/chart.js"),
    include_str!("script/page.js"),
);
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
    let charts = carried::inflated(CHARTS).expect("it was deflated when this was built");
    let values = context! {
        page => Page::of(document),
        policy => policy::of(STYLE, [SCRIPT, &charts]),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        charts => Value::from_safe_string(CHARTS.to_owned()),
        charts_version => env!("ECHARTS_VERSION"),
        extent => extent,
        data_type => Value::from_safe_string(media_type.to_owned()),
        data => Value::from_safe_string(text),
    };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(write_shown);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let written = environment.render_str(MARKUP, values);
    written.expect("the markup asks for what the view has")
}

/// Writes a value so that it is seen and nothing else: what is hidden in it replaced, what is markup
/// escaped.
fn write_shown(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(said) if !value.is_safe() => {
            write!(out, "{}", HtmlEscape(&text::lines(said))).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}
