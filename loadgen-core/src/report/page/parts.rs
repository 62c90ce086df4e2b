//! The parts of a page: each is written by itself, so that what has not changed need not be sent again.

use minijinja::{
    AutoEscape, Environment, Error, HtmlEscape, Output, State, UndefinedBehavior, Value, context,
    escape_formatter,
};
use serde::Serialize;

use super::super::view::{Chapter, Page};
use crate::text;

/// The markup of a whole page, of what stands above all else in it, and of what has an entry in its table of
/// contents.
const PAGE: &str = include_str!("page.html");
const HEADER: &str = include_str!("header.html");
const CHAPTER: &str = include_str!("chapter.html");

/// What of a page says something of a run, as HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Parts {
    pub(crate) title: String,
    pub(crate) header: String,
    pub(crate) chapters: Vec<ChapterPart>,
}

/// A chapter as HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ChapterPart {
    /// Names it within the page.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) html: String,
}

/// Writes pages, and parts of them.
#[derive(Debug)]
pub(crate) struct Writer(Environment<'static>);

impl Writer {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(write_shown);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, markup) in [("page", PAGE), ("header", HEADER), ("chapter", CHAPTER)] {
            let added = environment.add_template(name, markup);
            added.expect("the markup is a template");
        }
        Self(environment)
    }

    /// What a page says.
    pub(in crate::report) fn parts(&self, page: &Page) -> Parts {
        let chapters = page.chapters.iter().map(|it| self.chapter(it));
        Parts {
            title: page.title.clone(),
            header: self.write("header", Value::from_serialize(page)),
            chapters: chapters.collect(),
        }
    }

    pub(in crate::report) fn chapter(&self, chapter: &Chapter) -> ChapterPart {
        ChapterPart {
            id: chapter.id.clone(),
            title: chapter.title.clone(),
            html: self.write("chapter", Value::from_serialize(chapter)),
        }
    }

    /// A whole page of these parts, and of what else its markup asks for.
    pub(super) fn page(&self, parts: &Parts, others: Value) -> String {
        let safe = |html: &str| Value::from_safe_string(html.to_owned());
        let chapters = parts.chapters.iter().map(|it| {
            context! { id => it.id, title => it.title, html => safe(&it.html) }
        });
        let chapters: Vec<Value> = chapters.collect();
        let parts = context! {
            title => parts.title, header => safe(&parts.header), chapters => chapters,
        };
        self.write("page", context! { parts => parts, ..others })
    }

    fn write(&self, name: &str, values: Value) -> String {
        let template = self.0.get_template(name);
        let written = template.and_then(|it| it.render(values));
        written.expect("the markup asks for what the view has")
    }
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
