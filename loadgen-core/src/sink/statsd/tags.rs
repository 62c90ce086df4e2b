//! Labels of a metric on the wire.

use std::fmt;
use std::sync::Arc;

/// The most bytes of a line's tags: with the longest names it still fits into a datagram.
const MOST_TAG_BYTES: usize = 400;

/// Labels of a metric, in the form that DogStatsD made common: `|#team:search,env:ci`. Cheap to
/// clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tags(Option<Arc<str>>);

impl Tags {
    /// These, as many as fit into 400 bytes; of two with one name the later one. ASCII letters,
    /// digits, `_`, `-` and `.` stay; what else a name or a value has becomes `_`.
    #[must_use]
    pub fn new<'a>(tags: impl IntoIterator<Item = &'a (String, String)>) -> Self {
        let clean = |text: &str| -> String {
            let stays = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let cleaned = text.chars().map(|c| if stays(c) { c } else { '_' });
            cleaned.take(super::names::LONGEST_PART).collect()
        };
        // Graphite takes no empty ones.
        let or_blank = |text: String| {
            if text.is_empty() {
                "_".to_owned()
            } else {
                text
            }
        };
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in tags {
            let (name, value) = (or_blank(clean(name)), or_blank(clean(value)));
            match kept.iter_mut().find(|(seen, _)| *seen == name) {
                Some((_, last)) => *last = value,
                None => kept.push((name, value)),
            }
        }
        let mut text = String::new();
        for (name, value) in kept {
            let separator = if text.is_empty() { "|#" } else { "," };
            let more = format!("{separator}{name}:{value}");
            if text.len() + more.len() <= MOST_TAG_BYTES {
                text.push_str(&more);
            }
        }
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}
