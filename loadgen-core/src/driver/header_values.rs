//! Header fields, as expressions see them.

use std::sync::Arc;

use http::HeaderMap;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::expression::Value;

/// Metadata, header fields or trailers as a value: `metadata['x-id']`, and `metadata.x_id` where the name has no underscore.
/// What is given several times is joined with commas.
pub(super) fn header_values(headers: HeaderMap) -> Value {
    Value::from_object(Values(headers))
}

#[derive(Debug)]
struct Values(HeaderMap);

impl Values {
    fn joined(&self, name: &str) -> Option<Value> {
        let values: Vec<_> = self
            .0
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (!values.is_empty()).then(|| Value::from(values.join(", ")))
    }
}

impl Object for Values {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.joined(name)
            .or_else(|| self.joined(&name.replace('_', "-")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.keys().map(|name| Value::from(name.as_str()));
        Enumerator::Values(names.collect())
    }
}
