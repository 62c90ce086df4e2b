//! The configuration as the document that is edited: which services stand in it, and what a change makes of
//! it.
//!
//! Owns the edits. Fields keep their order, and what is not about services stays as it is. Whether what an
//! edit makes is a configuration is its reader's to say.

use serde_json::{Map, Value};

/// A configuration's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document(Map<String, Value>);

/// The fields that the management edits.
pub(super) const LISTED: [&str; 2] = ["services", "default_service"];

impl Document {
    /// The document of a text that is a configuration.
    pub(super) fn of(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Self(fields),
            // A configuration's reader takes nothing but an object.
            _ => Self(Map::new()),
        }
    }

    /// The services and which one is the default, as they stand in the document.
    pub(super) fn listing(&self) -> Value {
        let field = |name: &str| Some((name.to_owned(), self.0.get(name)?.clone()));
        Value::Object(LISTED.iter().filter_map(|name| field(name)).collect())
    }

    /// Puts services and default in the place of those that are there.
    pub(super) fn set_listing(&mut self, listing: &Value) {
        for name in LISTED {
            match listing.get(name) {
                Some(value) => {
                    self.0.insert(name.to_owned(), value.clone());
                }
                None => {
                    // The others keep their places.
                    self.0.shift_remove(name);
                }
            }
        }
    }

    fn services(&self) -> &[Value] {
        let services = self.0.get("services").and_then(Value::as_array);
        services.map_or(&[], Vec::as_slice)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let is = |it: &Value| it.get("name").and_then(Value::as_str) == Some(name);
        self.services().iter().position(is)
    }

    /// The service of this name.
    pub(super) fn service(&self, name: &str) -> Option<&Value> {
        self.services().get(self.position(name)?)
    }

    /// Whether a service is the one that is meant where a path names none.
    pub(super) fn is_default(&self, name: &str) -> bool {
        self.0.get("default_service").and_then(Value::as_str) == Some(name)
    }

    /// Puts a service in the place of the one that has its name, or behind all others.
    pub(super) fn put(&mut self, name: &str, service: Value) {
        let at = self.position(name);
        let Some(Value::Array(services)) = self.0.get_mut("services") else {
            return;
        };
        match at {
            Some(at) => services[at] = service,
            None => services.push(service),
        }
    }

    /// Takes a service out.
    pub(super) fn remove(&mut self, name: &str) {
        let at = self.position(name);
        if let (Some(at), Some(Value::Array(services))) = (at, self.0.get_mut("services")) {
            services.remove(at);
        }
    }

    /// As it is written to a file.
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", Value::Object(self.0.clone()))
    }
}

/// A service with its name as its first field, where it has none yet.
pub(super) fn named(name: &str, service: Value) -> Value {
    match service {
        Value::Object(fields) if !fields.contains_key("name") => {
            let name = ("name".to_owned(), Value::from(name));
            Value::Object(std::iter::once(name).chain(fields).collect())
        }
        other => other,
    }
}

/// Changes a value as a JSON merge patch says (RFC 7396, section 2): objects are merged field by field, null
/// takes a field out, anything else takes the place of what was there.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test_case(json!({"a":"b"}), &json!({"a":"c"}) => json!({"a":"c"}))]
    #[test_case(json!({"a":"b"}), &json!({"b":"c"}) => json!({"a":"b","b":"c"}))]
    #[test_case(json!({"a":"b"}), &json!({"a":null}) => json!({}))]
    #[test_case(json!({"a":"b","b":"c"}), &json!({"a":null}) => json!({"b":"c"}))]
    #[test_case(json!({"a":["b"]}), &json!({"a":"c"}) => json!({"a":"c"}))]
    #[test_case(json!({"a":"c"}), &json!({"a":["b"]}) => json!({"a":["b"]}))]
    #[test_case(json!({"a":{"b":"c"}}), &json!({"a":{"b":"d","c":null}}) => json!({"a":{"b":"d"}}))]
    #[test_case(json!({"a":[{"b":"c"}]}), &json!({"a":[1]}) => json!({"a":[1]}))]
    #[test_case(json!(["a","b"]), &json!(["c","d"]) => json!(["c","d"]))]
    #[test_case(json!({"a":"b"}), &json!(["c"]) => json!(["c"]))]
    #[test_case(json!({"a":"foo"}), &json!(null) => json!(null))]
    #[test_case(json!({"a":"foo"}), &json!("bar") => json!("bar"))]
    #[test_case(json!({"e":null}), &json!({"a":1}) => json!({"e":null,"a":1}))]
    #[test_case(json!([1,2]), &json!({"a":"b","c":null}) => json!({"a":"b"}))]
    #[test_case(json!({}), &json!({"a":{"bb":{"ccc":null}}}) => json!({"a":{"bb":{}}}))]
    fn patches(mut target: Value, patch: &Value) -> Value {
        merge(&mut target, patch);
        target
    }

    const TEXT: &str = r#"{ "listen": "127.0.0.1:1", "services": [{ "name": "a", "x": 1.50 }, { "name": "b" }],
        "default_service": "a", "grace": "1s" }"#;

    #[test]
    fn what_an_edit_is_not_about_stays_where_it_is() {
        let mut document = Document::of(TEXT);
        document.put("b", json!({ "name": "b", "y": 2 }));
        document.put("c", json!({ "name": "c" }));
        document.remove("a");
        let text = document.text();
        let order = [
            "listen",
            "services",
            "\"b\"",
            "\"y\"",
            "\"c\"",
            "default_service",
            "grace",
        ];
        let places: Vec<_> = order.iter().map(|it| text.find(it).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(document.service("a"), None);
        assert!(document.is_default("a"));
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        assert!(Document::of(TEXT).text().contains("1.50"));
    }

    #[test]
    fn a_listing_can_be_set() {
        let mut document = Document::of(TEXT);
        let mut listing = document.listing();
        merge(&mut listing, &json!({ "default_service": null }));
        document.set_listing(&listing);
        assert_eq!(document.listing(), listing);
        let fields: Vec<_> = document.0.keys().collect();
        assert_eq!(fields, ["listen", "services", "grace"]);
    }
}
