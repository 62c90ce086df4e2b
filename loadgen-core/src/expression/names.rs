//! Which names an expression uses, and which of them nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::nearest::did_you_mean;

/// Where constant fields of a name lead: `row.name`, `metadata['x-id']`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) root: String,
    pub(crate) fields: Vec<String>,
}

impl Path {
    pub(super) fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            fields: Vec::new(),
        }
    }

    /// The way to a field of it.
    pub(super) fn with(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// The way to the first of its fields.
    fn first(&self, fields: usize) -> Self {
        Self {
            root: self.root.clone(),
            fields: self.fields[..fields].to_vec(),
        }
    }
}

/// As an expression says it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for field in &self.fields {
            let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
            let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if field.starts_with(begins) && field.chars().all(goes_on) {
                write!(f, ".{field}")?;
            } else {
                let field = field.replace('\\', "\\\\").replace('\'', "\\'");
                write!(f, "['{field}']")?;
            }
        }
        Ok(())
    }
}

/// What a part of an expression comes to, as far as that can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// What stands there.
    Path(Path),
    Unknown,
}

impl Kind {
    pub(super) fn of(value: &minijinja::Value) -> Self {
        match value.as_str() {
            Some(_) => Self::Text,
            None if value.is_number() => Self::Number,
            None => Self::Unknown,
        }
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) kind: Kind,
    pub(super) source: String,
}

/// Two values that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) left: Side,
    pub(super) sign: &'static str,
    pub(super) right: Side,
}

/// The names that an expression uses: `row`, and `row.name` where a field is asked for by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    roots: BTreeSet<String>,
    paths: BTreeSet<Path>,
    comparisons: Vec<Comparison>,
}

impl Names {
    pub(super) fn add(&mut self, path: Path) {
        self.roots.insert(path.root.clone());
        self.paths.insert(path);
    }

    pub(super) fn compare(&mut self, comparison: Comparison) {
        self.comparisons.push(comparison);
    }

    /// The names, without what is asked of them.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(String::as_str)
    }

    /// Where its names lead.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    /// These names, too.
    pub(crate) fn extend(&mut self, more: &Self) {
        self.roots.extend(more.roots.iter().cloned());
        self.paths.extend(more.paths.iter().cloned());
        self.comparisons.extend(more.comparisons.iter().cloned());
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

    /// The fields that are asked for of a name: `name` of `row.name.first`.
    pub(crate) fn fields_of<'a>(&'a self, root: &'a str) -> impl Iterator<Item = &'a str> {
        let paths = self.paths.iter().filter(move |path| path.root == root);
        paths.filter_map(|path| path.fields.first().map(String::as_str))
    }

    /// Whether all of a name is asked for, or a field of it that is not known before it is evaluated.
    pub(crate) fn uses_all_of(&self, root: &str) -> bool {
        let mut paths = self.paths.iter();
        paths.any(|path| path.root == root && path.fields.is_empty())
    }
}

/// What can be said of a name before the run.
#[derive(Clone)]
pub(crate) enum Known {
    /// It has no fields.
    Scalar,
    /// It is a text.
    Text,
    /// It is a number.
    Number,
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
            Self::Text => f.write_str("Text"),
            Self::Number => f.write_str("Number"),
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

/// What of a path is not known, if anything is not.
fn unknown(path: &Path, known: &BTreeMap<String, Known>) -> Option<Unknown> {
    let root = path.root.as_str();
    let not = |name: &Path, problem: String| {
        let name = name.to_string();
        Some(Unknown { name, problem })
    };
    let is_unknown = |help: String| format!("is unknown; {help}");
    if super::functions::NAMES.contains(&root) {
        return None;
    }
    let Some(mut at) = known.get(root).cloned() else {
        let functions = super::functions::NAMES.map(str::to_owned);
        let all: Vec<String> = known.keys().cloned().chain(functions).collect();
        return not(&path.first(0), is_unknown(help(root, &all)));
    };
    let mut deep = 0;
    for (done, part) in path.fields.iter().enumerate() {
        let (so_far, next) = (path.first(done), path.first(done + 1));
        match &at {
            Known::Anything | Known::NotHere(_) => break,
            Known::Scalar | Known::Text | Known::Number => {
                let why = format!("`{so_far}` has no fields");
                return not(&next, is_unknown(why));
            }
            Known::List => {
                let why = format!("`{so_far}` is a list: its first item is `{so_far}[0]`");
                return not(&next, is_unknown(why));
            }
            Known::Fields(fields) => {
                let Some(field) = fields.field(part) else {
                    let why = fields.help(part);
                    let why = why.unwrap_or_else(|| help(part, &fields.names()));
                    return not(&next, is_unknown(why));
                };
                at = field;
                deep = done + 1;
            }
        }
    }
    match &at {
        Known::NotHere(why) => not(&path.first(deep), format!("has no value here: {why}")),
        _ => None,
    }
}

impl Names {
    /// What is compared that has no answer, as far as it is known: a text with a number.
    pub(crate) fn incomparable(&self, known: &BTreeMap<String, Known>) -> Vec<String> {
        let told = self.comparisons.iter();
        let mut told: Vec<String> = told.filter_map(|it| it.problem(known)).collect();
        told.sort();
        told.dedup();
        told
    }
}

impl Comparison {
    fn problem(&self, known: &BTreeMap<String, Known>) -> Option<String> {
        let (left, right) = (self.left.kind(known), self.right.kind(known));
        let (text, number) = match (left, right) {
            (Kind::Text, Kind::Number) => (&self.left, &self.right),
            (Kind::Number, Kind::Text) => (&self.right, &self.left),
            _ => return None,
        };
        let Self { left, sign, right } = self;
        let (left_said, right_said) = (&left.source, &right.source);
        let what = format!("`{left_said} {sign} {right_said}` compares a text with a number");
        let why = match &text.kind {
            Kind::Path(path) if path.root == "row" => "; what a CSV file holds is text",
            Kind::Path(path) if path.root == "env" => "; what the environment holds is text",
            _ => "",
        };
        let filter = match number.source.contains('.') && number.kind == Kind::Number {
            true => "float",
            false => "int",
        };
        let as_number = |side: &Side| match std::ptr::eq(side, text) {
            false => side.source.clone(),
            true => text.as_number(filter),
        };
        let instead = format!("{} {sign} {}", as_number(left), as_number(right));
        Some(format!("{what}{why}; write `{instead}`"))
    }
}

impl Side {
    /// What it comes to, where that is known.
    fn kind(&self, known: &BTreeMap<String, Known>) -> Kind {
        let Kind::Path(path) = &self.kind else {
            return self.kind.clone();
        };
        let mut at = known.get(&path.root).cloned();
        for field in &path.fields {
            at = match at {
                Some(Known::Fields(fields)) => fields.field(field),
                _ => None,
            };
        }
        match at {
            Some(Known::Text) => Kind::Text,
            Some(Known::Number) => Kind::Number,
            _ => Kind::Unknown,
        }
    }

    /// How to write a text as the number that it says.
    fn as_number(&self, filter: &str) -> String {
        let within = self.source.strip_prefix('\'');
        let within = within.and_then(|it| it.strip_suffix('\''));
        match within.filter(|it| it.parse::<f64>().is_ok()) {
            Some(number) => number.to_owned(),
            None if matches!(self.kind, Kind::Path(_)) => format!("{}|{filter}", self.source),
            None => format!("({})|{filter}", self.source),
        }
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
