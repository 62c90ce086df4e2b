//! Documents as text.

use loadgen_core::text;
use serde::Serialize;

/// A document as it is printed: indented, with a newline at the end.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Fails only for maps whose keys are not text and for writers that fail; neither is here.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    escaped(&text) + "\n"
}

/// A document in which nothing hidden stands as it is: a document is read on terminals and in pages,
/// too. Hidden characters other than the ends of lines are within strings only, where each can be
/// written as an escape that means the same.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && text::is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_means_the_same_and_hides_nothing() {
        let said = "\u{1b}[2J\u{9b}\u{202e}\u{e0041}\n\u{7f} 日本";
        let json = json(&said);
        assert_eq!(
            json,
            "\"\\u001b[2J\\u009b\\u202e\\udb40\\udc41\\n\\u007f 日本\"\n"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), said);
    }
}
