//! JSON with expressions in its texts, written out again and again.

use serde_json::Value as Json;

use super::{ExpressionError, Names, Scope, Text};

/// A JSON value whose texts may be templates, ready to be written as JSON. What is constant is text already.
#[derive(Debug, Clone)]
pub(crate) struct JsonText {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Constant(String),
    /// A value: a number stays one where it is all of the text.
    Value(Text, Box<str>),
    /// The name of a field, which is a text whatever it comes to.
    Name(Text, Box<str>),
    /// The number that is filled in.
    Number,
}

/// Stands in a JSON value for a number that is filled in each time. No file can say it: it is no character.
pub(crate) const NUMBER: &str = "\u{ffff}number\u{ffff}";

/// Where in a JSON value an expression is wrong, and how.
pub(crate) type Misplaced = (String, ExpressionError);

impl JsonText {
    /// Compiles all texts of a JSON value. `path` is its place in the scenario.
    ///
    /// # Errors
    /// Every expression that is wrong, with its place.
    pub(crate) fn parse(json: &Json, path: &str) -> Result<Self, Vec<Misplaced>> {
        let mut writer = Writer::default();
        writer.value(json, path);
        if writer.wrong.is_empty() {
            writer.flush();
            Ok(Self {
                pieces: writer.pieces,
            })
        } else {
            Err(writer.wrong)
        }
    }

    /// The text, where nothing in it is to be evaluated.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Constant(text)] => Some(text),
            _ => None,
        }
    }

    /// Tells of each text that is filled in its place, and the names that it uses.
    pub(crate) fn each(&self, mut tell: impl FnMut(&str, &Names)) {
        for piece in &self.pieces {
            match piece {
                Piece::Constant(_) | Piece::Number => {}
                Piece::Value(text, path) | Piece::Name(text, path) => tell(path, &text.names()),
            }
        }
    }

    /// Tells of each text that is filled in the names that it uses, and how to try it: what is wrong with it is
    /// told with its place.
    pub(crate) fn each_trial(
        &self,
        mut tell: impl FnMut(&Names, &dyn Fn(&Scope) -> Result<(), ExpressionError>),
    ) {
        for piece in &self.pieces {
            if let Piece::Value(text, path) | Piece::Name(text, path) = piece {
                tell(&text.names(), &|scope| {
                    let tried = piece.write(scope, 0, &mut String::new());
                    tried.map_err(|error| ExpressionError::new(format!("{path}: {error}")))
                });
            }
        }
    }

    /// The JSON that it comes to, with this number where [`NUMBER`] stands.
    ///
    /// # Errors
    /// Why an expression comes to nothing.
    pub(crate) fn render(&self, scope: &Scope, number: u64) -> Result<String, ExpressionError> {
        let mut all = String::new();
        for piece in &self.pieces {
            piece.write(scope, number, &mut all)?;
        }
        Ok(all)
    }
}

impl Piece {
    fn write(&self, scope: &Scope, number: u64, into: &mut String) -> Result<(), ExpressionError> {
        match self {
            Self::Number => into.push_str(&number.to_string()),
            Self::Constant(text) => into.push_str(text),
            Self::Name(text, _) => into.push_str(&quoted(&text.render(scope)?)),
            Self::Value(text, _) => {
                let value = text.evaluate(scope)?;
                match value.as_str() {
                    Some(text) => into.push_str(&quoted(text)),
                    None => into.push_str(&json_of(&value)?),
                }
            }
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn json_of(value: &minijinja::Value) -> Result<String, ExpressionError> {
    super::bounds::json_of(value).map_err(|error| {
        let value = crate::text::short(&super::text_of(value).unwrap_or_default());
        ExpressionError::new(format!("`{value}` is nothing in JSON: {error}"))
    })
}

#[derive(Default)]
struct Writer {
    pieces: Vec<Piece>,
    constant: String,
    wrong: Vec<Misplaced>,
}

impl Writer {
    fn flush(&mut self) {
        if !self.constant.is_empty() {
            self.pieces
                .push(Piece::Constant(std::mem::take(&mut self.constant)));
        }
    }

    fn text(&mut self, text: &str, path: &str, piece: impl FnOnce(Text, Box<str>) -> Piece) {
        match Text::parse(text) {
            Ok(Text::Constant(text)) => self.constant.push_str(&quoted(&text)),
            Ok(text) => {
                self.flush();
                self.pieces.push(piece(text, path.into()));
            }
            Err(error) => self.wrong.push((path.to_owned(), error)),
        }
    }

    fn value(&mut self, json: &Json, path: &str) {
        match json {
            Json::String(text) if text == NUMBER => {
                self.flush();
                self.pieces.push(Piece::Number);
            }
            Json::String(text) => self.text(text, path, Piece::Value),
            Json::Array(items) => {
                self.constant.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.constant.push(',');
                    }
                    self.value(item, &format!("{path}[{index}]"));
                }
                self.constant.push(']');
            }
            Json::Object(fields) => {
                self.constant.push('{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.constant.push(',');
                    }
                    let path = format!("{path}.{name}");
                    self.text(name, &path, Piece::Name);
                    self.constant.push(':');
                    self.value(field, &path);
                }
                self.constant.push('}');
            }
            other => self.constant.push_str(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Variables, value_of};
    use super::*;

    fn scope() -> Scope {
        let row = value_of(&json!({"name": "a\"b", "age": 30, "tags": [1, null]}));
        Scope::new(
            Variables {
                row,
                ..Variables::default()
            },
            1,
        )
    }

    #[test]
    fn what_is_constant_stays_as_it_is_written() {
        let json: Json =
            serde_json::from_str(r#"{"b": 1.50, "a": ["x", null, 12345678901234567890123]}"#)
                .unwrap();
        let text = JsonText::parse(&json, "").unwrap();
        assert_eq!(
            text.constant(),
            Some(r#"{"b":1.50,"a":["x",null,12345678901234567890123]}"#)
        );
    }

    #[test]
    fn an_expression_keeps_its_type_and_a_text_is_quoted() {
        let json = json!({
            "age": "{{ row.age }}",
            "text": "{{ row.age }} years",
            "name": "{{ row.name }}",
            "tags": "{{ row.tags }}",
            "{{ row.name }}": true,
            "id": NUMBER,
        });
        let text = JsonText::parse(&json, "m").unwrap();
        assert_eq!(
            text.render(&scope(), 7).unwrap(),
            r#"{"age":30,"text":"30 years","name":"a\"b","tags":[1,null],"a\"b":true,"id":7}"#
        );
        let mut told = Vec::new();
        text.each(|path, names| {
            let paths = names.paths().map(ToString::to_string);
            told.push(format!("{path} {}", paths.collect::<String>()));
        });
        let expected = [
            "m.age row.age",
            "m.text row.age",
            "m.name row.name",
            "m.tags row.tags",
            "m.{{ row.name }} row.name",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let json = json!({"a": ["{{ x", {"b": "{{ 1 + }}"}], "c": "fine"});
        let wrong = JsonText::parse(&json, "send.json").unwrap_err();
        let places: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(places, ["send.json.a[0]", "send.json.a[1].b"]);
    }

    #[test]
    fn what_is_not_there_is_no_null() {
        let text = JsonText::parse(&json!({"a": "{{ row.nothing }}"}), "").unwrap();
        let error = text.render(&scope(), 0).unwrap_err();
        assert_eq!(error.to_string(), "`row.nothing` is not there");
    }
}
