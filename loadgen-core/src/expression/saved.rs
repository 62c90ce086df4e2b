//! What was saved of replies, by name.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::taint::{self, SecretFields};

/// What a user has saved. Few names, and the same ones again and again.
#[derive(Clone, Default)]
pub(crate) struct Saved(Arc<Values>);

#[derive(Default)]
struct Values(Mutex<Vec<Kept>>);

struct Kept {
    name: Arc<str>,
    value: Value,
    is_secret: bool,
}

impl Values {
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Saved {
    /// Keeps a value under a name. Of one that is no secret as a whole, fields with a secret's name still are.
    pub(crate) fn save(&self, name: &Arc<str>, value: Value, is_secret: bool) {
        let kept = Kept {
            name: Arc::clone(name),
            value: match is_secret {
                true => SecretFields::all(value),
                false => SecretFields::by_name(value),
            },
            is_secret,
        };
        let mut values = self.0.lock();
        match values.iter_mut().find(|known| known.name == *name) {
            Some(known) => *known = kept,
            None => values.push(kept),
        }
    }

    /// What expressions see.
    pub(crate) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Values may be secrets: only their names are shown.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.lock();
        f.debug_list()
            .entries(values.iter().map(|kept| &kept.name))
            .finish()
    }
}

impl Object for Values {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let values = self.lock();
        let found = values.iter().find(|kept| *kept.name == *key)?;
        if found.is_secret {
            taint::reads(&found.value);
        }
        Some(found.value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.lock();
        Enumerator::Values(
            names
                .iter()
                .map(|kept| Value::from(Arc::clone(&kept.name)))
                .collect(),
        )
    }
}
