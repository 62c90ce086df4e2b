//! How an examination looks: aligned text for a terminal, or one JSON document.

use serde_json::{Value, json};

use super::check::{Check, Keep, SYSCTL_FILE, Status};
use super::sum::{Summary, spaced};
use crate::paint::Paint;

/// The format of the document.
const SCHEMA: &str = "loadgen.doctor/1";
/// Columns of the status, of the name, and of both with what divides them.
const STATUS: usize = 7;
const NAME: usize = 11;
const INDENT: usize = STATUS + 2 + NAME + 2;

/// Text for so many columns. Commands are longer where they have to be: a broken one cannot be copied.
pub(super) fn text(checks: &[Check], summary: &Summary, paint: Paint, columns: usize) -> String {
    let mut out = String::new();
    // Some terminals wrap a line that fills all columns.
    let width = columns.saturating_sub(1);
    for check in checks {
        entry(&mut out, check, paint, width);
    }
    let mut permanent: Vec<&Keep> = Vec::new();
    for keep in checks.iter().flat_map(|it| &it.permanent) {
        if !permanent.contains(&keep) {
            permanent.push(keep);
        }
    }
    if checks.iter().any(|it| !it.commands.is_empty()) {
        out.push('\n');
        paragraph(
            &mut out,
            "Commands are suggestions: nothing was changed, and most of them need root. They last \
             until the system or the shell ends.",
            width,
        );
    }
    let mut file = "";
    permanent.sort_by_key(|it| it.file != SYSCTL_FILE);
    for keep in permanent {
        if keep.file != file {
            file = keep.file;
            out.push_str(&format!(
                "\nTo make it last, in {file}{}:\n",
                takes_effect(file)
            ));
        }
        out.push_str(&format!("  {}\n", keep.line));
    }
    out.push('\n');
    paragraph(&mut out, &summary.text, width);
    out
}

fn takes_effect(file: &str) -> &'static str {
    match file {
        SYSCTL_FILE => " (read by `sysctl --system`)",
        "/etc/security/limits.conf" => " (from the next login on)",
        "/etc/default/cpupower" => " (with cpupower.service enabled)",
        _ => "",
    }
}

fn entry(out: &mut String, check: &Check, paint: Paint, width: usize) {
    let status = format!("{:STATUS$}", check.status.word());
    let status = match check.status {
        Status::Ok => paint.good(&status),
        Status::Note => paint.strong(&status),
        Status::Warning => paint.doubtful(&status),
        Status::Unknown => paint.faint(&status),
    };
    out.push_str(&format!("{status}  {:NAME$}  ", spaced(check.name)));
    let indent = " ".repeat(INDENT);
    let shown = wrapped(&check.shown, width.saturating_sub(INDENT));
    out.push_str(&shown.join(&format!("\n{indent}")));
    out.push('\n');
    // What is in order and limits nothing needs no second line.
    if check.limits != "nothing" {
        for line in wrapped(&check.limits, width.saturating_sub(INDENT)) {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
    for command in &check.commands {
        let line = format!("$ {command}");
        let room = width.saturating_sub(line.chars().count()).min(INDENT);
        out.push_str(&format!("{:room$}{}\n", "", paint.strong(&line)));
    }
}

fn paragraph(out: &mut String, text: &str, width: usize) {
    for line in wrapped(text, width) {
        out.push_str(&line);
        out.push('\n');
    }
}

/// A text in lines of at most this many columns, broken at blanks.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(super) fn json(checks: &[Check], summary: &Summary) -> Value {
    let checks: Vec<Value> = checks.iter().map(check_json).collect();
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "checks": checks,
        "summary": present(json!({
            "text": summary.text,
            "most_connections": summary.most_connections,
            "most_connections_to_one_target": summary.most_to_one_target,
            "first_limit": summary.first_limit,
        })),
    })
}

fn check_json(check: &Check) -> Value {
    let permanent = check.permanent.iter();
    let permanent: Vec<Value> = permanent
        .map(|it| json!({ "file": it.file, "line": it.line }))
        .collect();
    json!({
        "name": check.name,
        "status": check.status.word(),
        "found": present(check.found.clone()),
        "limits": check.limits,
        "commands": check.commands,
        "permanent": permanent,
    })
}

/// Without what is not known: like the result document's, it is left out, never null.
fn present(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
