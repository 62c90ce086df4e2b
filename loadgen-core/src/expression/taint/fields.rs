//! Values some of whose fields are secrets.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

use super::reads;
use crate::secrets::names_a_secret;

/// Fields that are secrets, all of them.
pub(crate) fn all_secret(fields: BTreeMap<String, String>) -> Value {
    SecretFields::all(fields.into_iter().collect())
}

/// An object or a list of which some fields are secrets, at whatever depth: what reads one is made of a secret.
pub(crate) struct SecretFields {
    value: Value,
    which: Which,
}

/// Which fields are secrets.
#[derive(Clone)]
enum Which {
    All,
    /// Those of these names, and all that is in them.
    Of(Arc<HashSet<Box<str>>>),
    /// Those that have a secret's name, and all that is in them.
    Named,
}

impl Which {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.contains(name),
            Self::Named => names_a_secret(name),
        }
    }
}

impl SecretFields {
    /// All that is in this value is secret. A text is what it is: who has it says so.
    pub(crate) fn all(value: Value) -> Value {
        Self::over(value, Which::All)
    }

    /// What has one of these names in this value is secret.
    pub(crate) fn of(names: &Arc<HashSet<Box<str>>>, value: Value) -> Value {
        match names.is_empty() {
            true => value,
            false => Self::over(value, Which::Of(Arc::clone(names))),
        }
    }

    /// What has a secret's name in this value is secret.
    pub(crate) fn by_name(value: Value) -> Value {
        Self::over(value, Which::Named)
    }

    /// This secret is read.
    pub(crate) fn read(value: &Value) {
        reads(value);
    }

    /// Only what has fields needs it.
    fn over(value: Value, which: Which) -> Value {
        match value.kind() {
            ValueKind::Map | ValueKind::Seq => Value::from_object(Self { value, which }),
            _ => value,
        }
    }

    fn is_map(&self) -> bool {
        self.value.kind() == ValueKind::Map
    }
}

/// Only names are shown.
impl fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.value.try_iter().into_iter().flatten();
        let names = names.filter(|_| self.is_map());
        f.debug_list().entries(names).finish()
    }
}

impl Object for SecretFields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.is_map() {
            true => ObjectRepr::Map,
            false => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.value.get_item(key).ok()?;
        if value.is_undefined() {
            return None;
        }
        let is_secret = match (key.as_str(), &self.which) {
            (_, Which::All) => true,
            (Some(name), which) if self.is_map() => which.has(name),
            _ => false,
        };
        match is_secret {
            true => {
                reads(&value);
                Some(Self::all(value))
            }
            false => Some(Self::over(value, self.which.clone())),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if !self.is_map() {
            return Enumerator::Seq(self.value.len().unwrap_or(0));
        }
        match self.value.try_iter() {
            Ok(names) => Enumerator::Values(names.collect()),
            Err(_) => Enumerator::Empty,
        }
    }

    /// As it would be without this.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::read_all(&Value::from_dyn_object(Arc::clone(self)), false);
        fmt::Display::fmt(&self.value, f)
    }
}
