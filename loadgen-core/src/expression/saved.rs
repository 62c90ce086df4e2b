//! What was saved of replies, by name.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::json;

use super::taint::{self, SecretFields};
use super::value_of;

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

    /// All that is kept, for another process. Secrets are told as they are.
    ///
    /// # Errors
    /// When a value has no form in JSON, and which one.
    pub(crate) fn to_json(&self) -> Result<String, String> {
        let values = self.0.lock();
        let stored = values.iter().map(|kept| {
            let value = serde_json::to_value(&kept.value);
            let value = value.map_err(|why| {
                format!("`{}` cannot be told to the other shards: {why}", kept.name)
            })?;
            Ok(json!([*kept.name, value, kept.is_secret]))
        });
        let stored: Result<Vec<serde_json::Value>, String> = stored.collect();
        // Looking at them is no evaluation that has read a secret.
        taint::finish(|_| ());
        stored.map(|it| serde_json::Value::from(it).to_string())
    }

    /// What another process told of what it kept: names, values, and whether these are secrets.
    ///
    /// # Errors
    /// When it is nothing of that kind.
    pub(crate) fn of_json(text: &str) -> Result<Vec<(Arc<str>, Value, bool)>, String> {
        let stored: Vec<(String, serde_json::Value, bool)> = serde_json::from_str(text)
            .map_err(|why| format!("what another shard saved cannot be read: {why}"))?;
        let kept = stored.into_iter();
        Ok(kept
            .map(|(name, value, is_secret)| (name.into(), value_of(&value), is_secret))
            .collect())
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
