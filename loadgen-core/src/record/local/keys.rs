//! The keys of a scenario that says itself what is to stay with one server.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::bounds::MOST_NAME_BYTES;
use crate::record::stickiness::MOST_KEYS;
use crate::secrets::Secrets;
use crate::text;
use crate::workload::KeyIndex;

/// Keys and their numbers.
#[derive(Debug, Default)]
pub(super) struct Keys {
    numbers: HashMap<Rc<str>, KeyIndex>,
    keys: Vec<Rc<str>>,
}

impl Keys {
    /// The number of a key. Those beyond the bound share the one that comes after it.
    pub(super) fn number(&mut self, key: &str) -> Option<KeyIndex> {
        if let Some(known) = self.numbers.get(key) {
            return Some(*known);
        }
        let place = self.keys.len();
        let number = KeyIndex::new(u32::try_from(place).ok()?);
        if place >= MOST_KEYS {
            return Some(number);
        }
        let key: Rc<str> = key.into();
        self.numbers.insert(Rc::clone(&key), number);
        self.keys.push(key);
        Some(number)
    }

    /// What a key is called. Where that cannot be shown whole, what tells it from others is shown in its place.
    pub(super) fn name(&self, number: KeyIndex, secrets: &Secrets) -> String {
        let Some(key) = self.keys.get(number.place()) else {
            return String::new();
        };
        let shown = text::line(&secrets.masked(key));
        if shown == **key && shown.len() <= MOST_NAME_BYTES {
            return shown;
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let end = shown.floor_char_boundary(MOST_NAME_BYTES / 2);
        format!("{}\u{2026} {:016x}", &shown[..end], hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_number_and_its_own_name() {
        let mut keys = Keys::default();
        let [one, other, again] = ["a", "b", "a"].map(|it| keys.number(it).expect("few"));
        assert_eq!((one, one == other), (again, false));
        let secrets = Secrets::default();
        assert_eq!(keys.name(other, &secrets), "b");
        let long = ["x".repeat(300) + "1", "x".repeat(300) + "2"];
        let [one, other] = long.map(|it| keys.number(&it).expect("few"));
        let [one, other] = [one, other].map(|it| keys.name(it, &secrets));
        assert_ne!(one, other);
        assert!(one.len() <= MOST_NAME_BYTES, "{one}");
    }

    #[test]
    fn those_beyond_the_bound_share_a_number() {
        let mut keys = Keys::default();
        for key in 0..MOST_KEYS {
            keys.number(&key.to_string());
        }
        let last = KeyIndex::new(u32::try_from(MOST_KEYS).expect("small"));
        assert_eq!(keys.number("more"), Some(last));
        assert_eq!(keys.number("yet more"), Some(last));
        assert_eq!(keys.keys.len(), MOST_KEYS);
    }
}
