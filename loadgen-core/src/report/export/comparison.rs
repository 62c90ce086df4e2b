//! A comparison for pages: as markdown, and as a page of HTML that needs nothing else, no script and nothing
//! from anywhere.

use super::super::compare::Comparison;
use super::super::view::{ComparisonView, Condition, Item, Section, Table, Tone};
use super::markdown;
use crate::text;
use crate::text::flow::unglued;

/// What is said first of runs that should not be compared.
const FORCED: &str = "FORCED: these runs are not alike, and are compared all the same";

impl Comparison {
    /// As markdown with tables: for the page of a CI job. Names are written so that they are shown as they are.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let view = ComparisonView::of(self);
        let mut blocks = Vec::new();
        if !view.unlike.is_empty() {
            blocks.push(format!("## ⚠️ {FORCED}"));
            let unlike = view.unlike.iter().map(|it| markdown::escaped(it));
            blocks.extend(unlike.map(|it| format!("- **because** {it}")));
        }
        let mark = match view.tone {
            Tone::Bad => "❌",
            Tone::Doubtful => "❔",
            Tone::Plain | Tone::Strong | Tone::Good => "✅",
        };
        let text = markdown::escaped(&view.text);
        blocks.push(format!("## {mark} {}: {text}", view.word));
        let warnings = view.warnings.iter().map(|it| markdown::escaped(it));
        blocks.extend(warnings.map(|it| format!("- *warning* {it}")));
        blocks.extend(view.sections.iter().flat_map(markdown::of_section));
        markdown::page(blocks)
    }

    /// As a page of HTML. Names are written so that they are shown as they are.
    #[must_use]
    pub fn to_html(&self) -> String {
        let view = ComparisonView::of(self);
        let mut elements = Vec::new();
        if !view.unlike.is_empty() {
            elements.push(element("h1", "bad", FORCED));
            let unlike = view.unlike.iter().map(|it| format!("because {it}"));
            elements.extend(unlike.map(|it| element("p", "bad", &it)));
        }
        let text = format!("{}: {}", view.word, view.text);
        elements.push(element("h1", class(view.tone), &text));
        let warnings = view.warnings.iter().map(|it| format!("warning: {it}"));
        elements.extend(warnings.map(|it| element("p", class(Tone::Doubtful), &it)));
        elements.extend(view.sections.iter().flat_map(section));
        format!("{HEAD}{}\n</main>\n</body>\n</html>\n", elements.join("\n"))
    }
}

/// What stands before all else. Nothing is loaded, and nothing runs.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>loadgen: a comparison of runs</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.3rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
.strong { font-weight: 600; }
.bad { color: light-dark(#b3261e, #ff8a80); }
.good { color: light-dark(#186a3b, #81c995); }
.doubtful { color: light-dark(#7b1fa2, #d7a6ff); }
</style>
</head>
<body>
<main>
"#;

/// How what is to be made of something looks.
fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Strong => "strong",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Doubtful => "doubtful",
    }
}

/// An element with a text in it.
fn element(name: &str, class: &str, text: &str) -> String {
    let class = match class {
        "" => String::new(),
        class => format!(" class=\"{class}\""),
    };
    format!("<{name}{class}>{}</{name}>", escaped(text))
}

fn section(section: &Section) -> Vec<String> {
    let title = (!section.title.is_empty()).then(|| element("h2", "", &section.title));
    let items = section.items.iter().filter_map(|item| match item {
        Item::Fact(fact) => {
            let text = format!("{}: {}", fact.label, fact.text);
            Some(element("p", class(fact.tone), &text))
        }
        Item::Table(it) => Some(table(it)),
        Item::Conditions(what, it) => Some(conditions(what, it)),
        // A comparison has no others.
        Item::Failures(_) | Item::Checks(_) | Item::Picture(_) | Item::Curve(_) => None,
    });
    title.into_iter().chain(items).collect()
}

fn table(table: &Table) -> String {
    let headings = table
        .columns
        .iter()
        .map(|it| element("th", "", &it.heading));
    let head = format!("<tr><th></th>{}</tr>", headings.collect::<String>());
    let rows = table.rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| {
            let mark = cell.mark.map(String::from).unwrap_or_default();
            element(
                "td",
                "",
                &format!("{}{mark}", cell.text.as_deref().unwrap_or("-")),
            )
        });
        let label = element("td", "", &row.label);
        let class = class(row.tone);
        format!(
            "<tr class=\"{class}\">{label}{}</tr>",
            cells.collect::<String>()
        )
    });
    let rows: String = rows.collect();
    format!("<div class=\"wide\"><table>{head}{rows}</table></div>")
}

fn conditions(what: &str, conditions: &[Condition]) -> String {
    let each = conditions.iter().map(|it| {
        let (word, class) = if it.pass {
            ("ok", "good")
        } else {
            ("FAIL", "bad")
        };
        let text = format!("{word}: {} ({})", it.expression, it.observed);
        element("li", class, &text)
    });
    format!(
        "{}<ul>{}</ul>",
        element("h2", "", what),
        each.collect::<String>()
    )
}

/// A text that is shown as it is.
fn escaped(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    for c in unglued(&text::line(said)).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
