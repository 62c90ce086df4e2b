//! Which names an expression uses, and which of them nobody knows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::nearest::did_you_mean;

/// The names that an expression uses: `row`, and `row.name` where a field is asked for by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    roots: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(roots: HashSet<String>, paths: HashSet<String>) -> Self {
        Self {
            roots: roots.into_iter().collect(),
            paths: paths.into_iter().collect(),
        }
    }

    /// The names, without what is asked of them.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(String::as_str)
    }

    /// All dotted paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// These names, too.
    pub(crate) fn extend(&mut self, more: &Self) {
        self.roots.extend(more.roots.iter().cloned());
        self.paths.extend(more.paths.iter().cloned());
    }

    /// Whether nothing but these names and the language's functions is used.
    pub(crate) fn are_only(&self, these: &[&str]) -> bool {
        let mut roots = self.roots();
        roots.all(|root| these.contains(&root) || super::functions::NAMES.contains(&root))
    }

    /// Whether this name is used.
    pub(crate) fn uses(&self, root: &str) -> bool {
        self.roots.contains(root)
    }

    /// The dotted paths below a name: `name` of `row.name`.
    pub(crate) fn below<'a>(&'a self, root: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths
            .iter()
            .filter_map(move |path| path.strip_prefix(root)?.strip_prefix('.'))
    }
}

/// What can be said of a name before the run.
#[derive(Clone)]
pub(crate) enum Known {
    /// It has no fields.
    Scalar,
    /// It has items, and they have fields.
    List,
    /// It may have fields, and nobody knows which.
    Anything,
    /// It has fields, and these know which.
    Fields(Rc<dyn Fields>),
    /// It is a name of the language, and this is why it has no value here.
    NotHere(Arc<str>),
}

/// The fields of a value that are known before the run.
pub(crate) trait Fields {
    /// What is known of a field; `None` where there is none of this name.
    fn field(&self, name: &str) -> Option<Known>;

    /// The fields' names, for messages.
    fn names(&self) -> Vec<String>;

    /// What to say of a name that is none, in place of the nearest that is.
    fn help(&self, _: &str) -> Option<String> {
        None
    }
}

impl Fields for BTreeMap<String, Known> {
    fn field(&self, name: &str) -> Option<Known> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

impl Known {
    /// It has these fields.
    pub(crate) fn fields(fields: impl IntoIterator<Item = (String, Known)>) -> Self {
        let fields: BTreeMap<String, Known> = fields.into_iter().collect();
        Self::Fields(Rc::new(fields))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar => f.write_str("Scalar"),
            Self::List => f.write_str("List"),
            Self::Anything => f.write_str("Anything"),
            Self::Fields(fields) => f.debug_tuple("Fields").field(&fields.names()).finish(),
            Self::NotHere(why) => f.debug_tuple("NotHere").field(why).finish(),
        }
    }
}

/// A name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// As it was written: `row.nmae`.
    pub(crate) name: String,
    /// Why it is none, and the nearest that is: what follows it in a sentence.
    pub(crate) problem: String,
}

impl Names {
    /// The names among these that are not known.
    pub(crate) fn unknown(&self, known: &BTreeMap<String, Known>) -> Vec<Unknown> {
        let mut found: Vec<Unknown> = self
            .paths
            .iter()
            .filter_map(|path| unknown(path, known))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup();
        found
    }
}

/// What of a dotted path is not known, if anything is not.
fn unknown(path: &str, known: &BTreeMap<String, Known>) -> Option<Unknown> {
    let mut parts = path.split('.');
    let root = parts.next().unwrap_or_default();
    let not = |name: &str, problem: String| {
        let name = name.to_owned();
        Some(Unknown { name, problem })
    };
    let is_unknown = |help: String| format!("is unknown; {help}");
    if super::functions::NAMES.contains(&root) {
        return None;
    }
    let Some(mut at) = known.get(root).cloned() else {
        let functions = super::functions::NAMES.map(str::to_owned);
        let all: Vec<String> = known.keys().cloned().chain(functions).collect();
        return not(root, is_unknown(help(root, &all)));
    };
    let mut so_far = root.to_owned();
    for part in parts {
        match &at {
            Known::Anything | Known::NotHere(_) => break,
            Known::Scalar => {
                let why = format!("`{so_far}` has no fields");
                return not(&format!("{so_far}.{part}"), is_unknown(why));
            }
            Known::List => {
                let why = format!("`{so_far}` is a list: its first item is `{so_far}[0]`");
                return not(&format!("{so_far}.{part}"), is_unknown(why));
            }
            Known::Fields(fields) => {
                so_far = format!("{so_far}.{part}");
                let Some(field) = fields.field(part) else {
                    let why = fields.help(part);
                    let why = why.unwrap_or_else(|| help(part, &fields.names()));
                    return not(&so_far, is_unknown(why));
                };
                at = field;
            }
        }
    }
    match &at {
        Known::NotHere(why) => not(&so_far, format!("has no value here: {why}")),
        _ => None,
    }
}

/// The nearest of these names, or all of them where none is near.
fn help(name: &str, all: &[String]) -> String {
    /// More are not named.
    const MOST: usize = 40;
    did_you_mean(name, all.iter().map(String::as_str)).unwrap_or_else(|| {
        let mut all: Vec<_> = all.iter().map(|it| format!("`{it}`")).collect();
        all.sort();
        match all.len() {
            0 => "there are none".to_owned(),
            1..=MOST => format!("known: {}", all.join(", ")),
            more => format!("known: {} and {} more", all[..MOST].join(", "), more - MOST),
        }
    })
}
