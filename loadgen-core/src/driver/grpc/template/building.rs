//! From a message in protobuf's JSON form to its parts.
//!
//! Owns what is done at each template that the walk through a message comes to.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, decode_varint, encode_key};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Field,
};
use serde_json::{Map, Value as Json};

use super::super::encoded::encoded;
use super::super::message::{Form, Slot, Walk};
use super::super::scalar::{map_key, one_of, word};
use super::leaf::{Leaf, Wrapped};
use super::rendered::Rendered;
use super::{Part, is_in};
use crate::expression::{JsonText, Text};
use crate::scenario::join;

/// What stands in front of a field on the wire.
fn key(field: &FieldDescriptor, wire_type: WireType) -> Box<[u8]> {
    let mut key = Vec::new();
    encode_key(field.number(), wire_type, &mut key);
    key.into()
}

/// Whether a message of this name is known where another is.
fn is_described(descriptor: &MessageDescriptor, url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap_or(url);
    let pool = descriptor.parent_pool();
    pool.get_message_by_name(name).is_some()
}

impl Walk {
    /// Whether there is a template in a value, and templates are taken.
    pub(in super::super) fn is_templated(&self, value: &Json) -> bool {
        self.parts.is_some() && is_in(value)
    }

    /// The parts of a message with one JSON field for each of its own.
    pub(super) fn content(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Json,
        besides: &[&str],
        path: &str,
    ) -> Vec<Part> {
        self.gather(|walk| {
            if let Some(constant) = walk.fields(descriptor, value, besides, path) {
                walk.constant(encoded(&constant));
            }
        })
    }

    /// The parts that are added meanwhile.
    fn gather(&mut self, within: impl FnOnce(&mut Self)) -> Vec<Part> {
        let outer = self.parts.replace(Vec::new());
        within(self);
        std::mem::replace(&mut self.parts, outer).unwrap_or_default()
    }

    fn add(&mut self, part: Part) {
        self.parts.get_or_insert_default().push(part);
    }

    fn constant(&mut self, encoded: Vec<u8>) {
        if !encoded.is_empty() {
            self.add(Part::Constant(Bytes::from(encoded)));
        }
    }

    /// Adds a field of a message that has templates in it.
    pub(in super::super) fn templated(
        &mut self,
        descriptor: &MessageDescriptor,
        field: FieldDescriptor,
        value: &Json,
        path: &str,
    ) {
        if !field.is_list() && !field.is_map() {
            let slot = Slot::Field(field.clone());
            return self.one_templated(descriptor, &field, slot, value, path);
        }
        match value {
            Json::Object(entries) if field.is_map() => self.entries(&field, entries, path),
            Json::Array(items) if field.is_list() => self.items(descriptor, &field, items, path),
            Json::String(_) => self.rendered(descriptor, Slot::Field(field), value, path),
            _ => {
                self.unexpected(&field, value, path);
            }
        }
    }

    fn one_templated(
        &mut self,
        descriptor: &MessageDescriptor,
        field: &FieldDescriptor,
        slot: Slot,
        value: &Json,
        path: &str,
    ) {
        let Kind::Message(inner) = field.kind() else {
            return self.leaf(field, &slot, value, path);
        };
        match (Form::of(&inner), value) {
            (Form::Fields, value) if !value.is_string() => {
                let content = self.content(&inner, value, &[], path);
                self.delimited(field, content);
            }
            (Form::Wrapper(of), Json::String(text)) => {
                let value = self.leaf_of(&of, text, path);
                if let Some(value) = value {
                    let is_element = matches!(slot, Slot::Element(_)) || descriptor.is_map_entry();
                    let value = Leaf {
                        takes_none: !is_element && !field.is_required(),
                        ..value
                    };
                    let key = key(field, WireType::LengthDelimited);
                    self.add(Part::Hole(Box::new(Wrapped { key, value })));
                }
            }
            (Form::Any, Json::Object(_)) => {
                let url = value.get("@type").and_then(Json::as_str);
                if let Some(content) = self.any_content(&inner, value, path) {
                    self.delimited(field, content);
                } else if url.is_some_and(|url| Text::is_template(url) || is_described(&inner, url))
                {
                    self.rendered(descriptor, slot, value, path);
                } else {
                    // Which tells what is wrong with it.
                    self.one(field, &field.kind(), value, path);
                }
            }
            _ => self.rendered(descriptor, slot, value, path),
        }
    }

    /// A message that says what it is, where that is constant and has a JSON field for each of its own.
    fn any_content(
        &mut self,
        any: &MessageDescriptor,
        value: &Json,
        path: &str,
    ) -> Option<Vec<Part>> {
        let url = value
            .get("@type")?
            .as_str()
            .filter(|url| !Text::is_template(url))?;
        let name = url.rsplit('/').next().unwrap_or(url);
        let inner = any.parent_pool().get_message_by_name(name)?;
        let (Form::Fields, Some(value_field)) = (Form::of(&inner), any.get_field_by_name("value"))
        else {
            return None;
        };
        let mut head = DynamicMessage::new(any.clone());
        head.try_set_field_by_name("type_url", Field::String(url.to_owned()))
            .ok()?;
        let content = self.content(&inner, value, &["@type"], path);
        Some(vec![
            Part::Constant(head.encode_to_vec().into()),
            Part::Delimited {
                key: key(&value_field, WireType::LengthDelimited),
                inner: content,
            },
        ])
    }

    fn delimited(&mut self, field: &FieldDescriptor, inner: Vec<Part>) {
        if field.is_group() {
            self.constant(key(field, WireType::StartGroup).into());
            self.parts.get_or_insert_default().extend(inner);
            self.constant(key(field, WireType::EndGroup).into());
        } else {
            let key = key(field, WireType::LengthDelimited);
            self.add(Part::Delimited { key, inner });
        }
    }

    /// Adds a value that is no message.
    fn leaf(&mut self, field: &FieldDescriptor, slot: &Slot, value: &Json, path: &str) {
        let Json::String(text) = value else {
            self.one(field, &field.kind(), value, path);
            return;
        };
        let Some(leaf) = self.leaf_of(field, text, path) else {
            return;
        };
        let leaf = match slot {
            Slot::Element(_) => Leaf {
                key: if field.is_packed() {
                    Box::default()
                } else {
                    leaf.key
                },
                omits_default: false,
                takes_none: false,
                ..leaf
            },
            _ => leaf,
        };
        self.add(Part::Hole(Box::new(leaf)));
    }

    /// A value that is alone in its field.
    fn leaf_of(&mut self, field: &FieldDescriptor, text: &str, path: &str) -> Option<Leaf> {
        let kind = field.kind();
        let is_nullable = !field.is_required() && !field.parent_message().is_map_entry();
        match Text::parse(text) {
            Ok(text) => Some(Leaf {
                key: key(field, kind.wire_type()),
                expected: one_of(field),
                omits_default: !field.supports_presence(),
                takes_none: is_nullable && !super::super::message::takes_null(&kind),
                kind,
                text,
                path: path.into(),
            }),
            Err(error) => self.wrong(path, error.to_string()),
        }
    }

    /// Adds a list that has templates in it.
    fn items(
        &mut self,
        descriptor: &MessageDescriptor,
        field: &FieldDescriptor,
        items: &[Json],
        path: &str,
    ) {
        let kind = field.kind();
        let parts = self.gather(|walk| {
            let mut constant = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                if is_in(item) {
                    walk.constant_items(descriptor, field, &mut constant);
                    let slot = Slot::Element(field.clone());
                    walk.one_templated(descriptor, field, slot, item, &path);
                } else {
                    constant.extend(walk.one(field, &kind, item, &path));
                }
            }
            walk.constant_items(descriptor, field, &mut constant);
        });
        if field.is_packed() {
            let key = key(field, WireType::LengthDelimited);
            self.add(Part::Delimited { key, inner: parts });
        } else {
            self.parts.get_or_insert_default().extend(parts);
        }
    }

    /// Adds elements of a list as they are encoded, without what stands in front of a packed one.
    fn constant_items(
        &mut self,
        descriptor: &MessageDescriptor,
        field: &FieldDescriptor,
        items: &mut Vec<Field>,
    ) {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(field, Field::List(std::mem::take(items)));
        let encoded = encoded(&message);
        let mut rest = encoded.as_slice();
        if field.is_packed() && !rest.is_empty() {
            // The key and the length.
            let _ = decode_varint(&mut rest).and_then(|_| decode_varint(&mut rest));
        }
        self.constant(rest.to_vec());
    }

    /// Adds a map that has templates in it.
    fn entries(&mut self, field: &FieldDescriptor, entries: &Map<String, Json>, path: &str) {
        let Kind::Message(entry) = field.kind() else {
            return;
        };
        let mut given: HashMap<MapKey, &str> = HashMap::new();
        for (name, value) in entries {
            let path = format!("{path}{}", join(path, name));
            let inner = self.gather(|walk| walk.entry(&entry, name, value, &mut given, &path));
            self.delimited(field, inner);
        }
    }

    fn entry<'a>(
        &mut self,
        entry: &MessageDescriptor,
        name: &'a str,
        value: &Json,
        given: &mut HashMap<MapKey, &'a str>,
        path: &str,
    ) {
        let key_field = entry.map_entry_key_field();
        if Text::is_template(name) {
            let leaf = self.leaf_of(&key_field, name, path);
            if let Some(leaf) = leaf {
                self.add(Part::Hole(Box::new(leaf)));
            }
        } else {
            match map_key(&key_field.kind(), name) {
                Ok(read) => {
                    if let Some(other) = given.insert(read.clone(), name) {
                        self.wrong::<()>(path, format!("the key is given as `{other}` too"));
                    }
                    let mut message = DynamicMessage::new(entry.clone());
                    message.set_field(&key_field, read.into());
                    self.constant(message.encode_to_vec());
                }
                Err(problem) => {
                    let expected = word(&key_field.kind());
                    self.wrong::<()>(path, format!("the key {problem}; expected {expected}"));
                }
            }
        }
        let value_field = entry.map_entry_value_field();
        if is_in(value) {
            let slot = Slot::Field(value_field.clone());
            self.one_templated(entry, &value_field, slot, value, path);
        } else if let Some(value) = self.one(&value_field, &value_field.kind(), value, path) {
            let mut message = DynamicMessage::new(entry.clone());
            message.set_field(&value_field, value);
            self.constant(encoded(&message));
        }
    }

    /// Adds a field that is rendered as JSON each time.
    pub(in super::super) fn rendered(
        &mut self,
        descriptor: &MessageDescriptor,
        slot: Slot,
        value: &Json,
        path: &str,
    ) {
        if let Some(rendered) = self.whole(descriptor, value, path) {
            let slot = Some(slot);
            self.add(Part::Hole(Box::new(Rendered { slot, ..rendered })));
        }
    }

    /// A message that is rendered as JSON each time.
    pub(super) fn whole(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Json,
        path: &str,
    ) -> Option<Rendered> {
        match JsonText::parse(value, path) {
            Ok(json) => Some(Rendered {
                descriptor: descriptor.clone(),
                slot: None,
                json,
                path: Arc::from(path),
            }),
            Err(wrong) => {
                for (path, error) in wrong {
                    self.wrong::<()>(&path, error.to_string());
                }
                None
            }
        }
    }
}
