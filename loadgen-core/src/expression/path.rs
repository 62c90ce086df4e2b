//! An expression that is nothing but a dotted path, as those of `save` usually are.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::{Names, Scope};

/// `reply.user.name`: found by asking each value for the next, without an interpreter.
#[derive(Clone)]
pub(super) struct Path {
    root: Box<str>,
    fields: Box<[Box<str>]>,
}

impl Path {
    /// The path that a source is, if it is one; these are the names that it uses.
    pub(super) fn of(source: &str, names: &Names) -> Option<Self> {
        let source = source.trim();
        let mut used = names.paths();
        if used.next() != Some(source) || used.next().is_some() {
            return None;
        }
        let mut parts = source.split('.').map(Into::into);
        let root = parts.next()?;
        let fields = parts.collect();
        Some(Self { root, fields })
    }

    /// What is there. Why nothing is, the interpreter can say.
    pub(super) fn find(&self, scope: &Scope) -> Option<Value> {
        let root = scope.value().get_attr(&self.root).ok()?;
        let is_there =
            |value: &Value| !matches!(value.kind(), ValueKind::Undefined | ValueKind::Invalid);
        let found = self.fields.iter().try_fold(root, |value, field| {
            is_there(&value).then(|| value.get_attr(field).ok())?
        })?;
        is_there(&found).then_some(found)
    }
}
