//! A scenario as YAML for people: with comments that say what can be changed.

use std::path::Path;

use serde_json::Value;

/// What stands above a field.
fn comment(field: &str) -> Option<&'static str> {
    Some(match field {
        "targets" => "Where to send; with https:// or wss:// in front with TLS.",
        "protos" => "What describes the service; without this the server is asked by reflection.",
        "closed" => {
            "Users who start again when they are done; `open: { rate: 500/s, duration: 30s }` sends at a rate."
        }
        "open" => {
            "Iterations start at this rate, whatever the service does; `closed: { users: 10, duration: 30s }` has users."
        }
        "message" => "The message in protobuf's JSON form.",
        "steps" => "What one iteration does, one step after the other.",
        "thresholds" => "What must hold; where something does not, the exit code is 99.",
        _ => return None,
    })
}

/// The file.
pub(super) fn file(file: &Value, path: &Path) -> String {
    let mut text = format!(
        "# `loadgen run {}` runs this; the scenario reference of loadgen's book has every field.\n",
        path.display()
    );
    block(file, 0, &mut text);
    text
}

/// The lines of a value that begins on a line of its own.
fn block(value: &Value, indent: usize, out: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                if let Some(comment) = comment(name) {
                    out.push_str(&format!("{blanks}# {comment}\n"));
                }
                out.push_str(&format!("{blanks}{name}:"));
                field(name, value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut lines = String::new();
                block(item, indent + 2, &mut lines);
                // The dash stands where the blanks of the first line that is no comment end.
                let at = lines
                    .split_inclusive('\n')
                    .take_while(|line| line.trim_start().starts_with('#'))
                    .map(str::len)
                    .sum::<usize>();
                lines.replace_range(at + indent..=at + indent, "-");
                out.push_str(&lines);
            }
        }
        scalar => out.push_str(&format!("{blanks}{scalar}\n")),
    }
}

/// What stands behind a field's name. What is sent is JSON within YAML: it can be copied.
fn field(name: &str, value: &Value, indent: usize, out: &mut String) {
    let is_json = matches!(name, "message" | "json");
    match value {
        Value::Object(_) | Value::Array(_) if is_json => {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            let further = format!("\n{}", " ".repeat(indent + 2));
            out.push_str(&format!(" {}\n", text.replace('\n', &further)));
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        // JSON's scalars are YAML's.
        scalar => out.push_str(&format!(" {scalar}\n")),
    }
}
