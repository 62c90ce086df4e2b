//! An expression that is nothing but a dotted path, as those of `save` usually are.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::{Names, Path, Scope};

/// `reply.user.name`: found by asking each value for the next, without an interpreter.
#[derive(Clone)]
pub(super) struct Lookup(Path);

impl Lookup {
    /// The path that a source is, if it is one; these are the names that it uses.
    pub(super) fn of(source: &str, names: &Names) -> Option<Self> {
        let mut used = names.paths();
        let path = used
            .next()
            .filter(|path| path.to_string() == source.trim())?;
        used.next().is_none().then(|| Self(path.clone()))
    }

    /// What is there. Why nothing is, the interpreter can say.
    pub(super) fn find(&self, scope: &Scope) -> Option<Value> {
        let Path { root, fields } = &self.0;
        let root = scope.value().get_attr(root).ok()?;
        let is_there =
            |value: &Value| !matches!(value.kind(), ValueKind::Undefined | ValueKind::Invalid);
        let found = fields.iter().try_fold(root, |value, field| {
            is_there(&value).then(|| value.get_attr(field).ok())?
        })?;
        is_there(&found).then_some(found)
    }
}
