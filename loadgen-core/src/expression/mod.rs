//! The one expression language of scenarios: [minijinja](https://docs.rs/minijinja)'s.
//!
//! Owns what an expression is and a text with `{{ … }}` in it: compiled once, told from a constant, checked
//! for names that nobody knows, and evaluated within bounds. Knows nothing of protocols or plans: what a name
//! stands for comes in a [`Scope`].

mod functions;
mod json;
mod json_text;
mod message;
mod names;
mod path;
mod saved;
mod scope;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, UndefinedBehavior};

use self::path::Path;

pub(crate) use json::value_of;
pub(crate) use json_text::{JsonText, Misplaced, NUMBER};
pub(crate) use message::text_value;
pub(crate) use minijinja::Value;
pub(crate) use names::{Fields, Known, Names, Unknown};
pub(crate) use saved::Saved;
pub(crate) use scope::{Scope, Variables};

/// The most steps that an evaluation may take: an expression of a scenario needs tens.
const MOST_STEPS: u64 = 100_000;
/// What each template is called in the environment that is its own.
const TEMPLATE: &str = "template";

/// Where expressions are compiled; templates have an environment each.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_formatter(|out, state, value| match word(value) {
        Some(word) => Ok(out.write_str(word)?),
        None => minijinja::escape_formatter(out, state, value),
    });
    // It panics where its text has more than ASCII behind a `%`.
    environment.remove_filter("format");
    functions::add_to(&mut environment);
    environment
}

/// What has a word of its own in texts: JSON's, and not Python's.
fn word(value: &Value) -> Option<&'static str> {
    match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { "true" } else { "false" }),
        ValueKind::None => Some("null"),
        _ => None,
    }
}

/// Why an expression or a template cannot be compiled, or came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct ExpressionError {
    problem: String,
}

impl ExpressionError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }

    fn of(error: &minijinja::Error) -> Self {
        let what = match error.kind() {
            minijinja::ErrorKind::OutOfFuel => {
                return Self::new(format!("it takes more than {MOST_STEPS} steps"));
            }
            minijinja::ErrorKind::UndefinedError => "it uses a value that is not there".to_owned(),
            kind => kind.to_string(),
        };
        Self::new(match error.detail() {
            Some(detail) if error.kind() == minijinja::ErrorKind::SyntaxError => detail.to_owned(),
            Some(detail) => format!("{what}: {detail}"),
            None => what,
        })
    }
}

/// A compiled expression, as in `check`, `save`, `when` and `match`: `reply.total == 3`.
#[derive(Clone)]
pub(crate) struct Expression {
    compiled: Arc<minijinja::Expression<'static, 'static>>,
    /// The path that it is, if it is one.
    path: Option<Path>,
    source: Arc<str>,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.trim().is_empty() {
            return Err(ExpressionError::new("it is empty"));
        }
        if closes_what_is_not_open(source) {
            return Err(ExpressionError::new("`}}` closes nothing"));
        }
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| ExpressionError::of(&error))?;
        let names = names_of(&compiled);
        Ok(Self {
            path: Path::of(source, &names),
            compiled: Arc::new(compiled),
            source: source.into(),
        })
    }

    /// As it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The names that it uses.
    pub(crate) fn names(&self) -> Names {
        names_of(&self.compiled)
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Why it comes to nothing: a value that is not there, an operation that its values do not have.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        if let Some(found) = self.path.as_ref().and_then(|path| path.find(scope)) {
            return Ok(found);
        }
        let value = self
            .compiled
            .eval(scope.value())
            .map_err(|error| ExpressionError::of(&error))?;
        if value.is_undefined() {
            return Err(ExpressionError::new(format!(
                "`{}` is not there",
                self.source.trim()
            )));
        }
        Ok(value)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub(crate) fn holds(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        self.evaluate(scope).map(|value| value.is_true())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.source)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// The names that an expression uses.
fn names_of(compiled: &minijinja::Expression<'_, '_>) -> Names {
    Names::new(
        compiled.undeclared_variables(false),
        compiled.undeclared_variables(true),
    )
}

/// Whether `}}` stands outside of texts and brackets, which the compiler has no answer to: it panics.
fn closes_what_is_not_open(source: &str) -> bool {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (0, 0_i64);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                at += 1;
                while bytes.get(at).is_some_and(|&it| it != byte) {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'}' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return true,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    false
}

/// A text of a scenario that may have expressions in it.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    /// It is what it is.
    Constant(Arc<str>),
    /// One expression and nothing beside it: `{{ row.age }}`. Keeps the type of what it comes to.
    Whole(Expression),
    /// A text with expressions or statements in it.
    Mixed(Template),
}

/// A text with expressions or statements in it, compiled.
#[derive(Clone)]
pub(crate) struct Template {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
}

/// What begins anything that is not constant.
const OPENINGS: [&str; 3] = ["{{", "{%", "{#"];

impl Text {
    /// Whether a text has anything in it that is to be evaluated.
    pub(crate) fn is_template(source: &str) -> bool {
        OPENINGS.iter().any(|opening| source.contains(opening))
    }

    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong with the expressions in it.
    pub(crate) fn parse(source: &str) -> Result<Self, ExpressionError> {
        if !Self::is_template(source) {
            return Ok(Self::Constant(source.into()));
        }
        // Between the first braces and the last ones there may be several expressions, which are none
        // together.
        if let Some(inner) = source
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            // A sign next to the braces is theirs: it says what becomes of blanks.
            && !inner.starts_with(['-', '+'])
            && !inner.ends_with(['-', '+'])
            && let Ok(expression) = Expression::parse(inner)
        {
            return Ok(Self::Whole(expression));
        }
        Template::parse(source).map(Self::Mixed)
    }

    /// The names that it uses.
    pub(crate) fn names(&self) -> Names {
        match self {
            Self::Constant(_) => Names::default(),
            Self::Whole(expression) => expression.names(),
            Self::Mixed(template) => template.names(),
        }
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Why it comes to nothing.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        match self {
            Self::Constant(text) => Ok(Value::from(Arc::clone(text))),
            Self::Whole(expression) => expression.evaluate(scope),
            Self::Mixed(template) => template.render(scope).map(Value::from),
        }
    }

    /// What it comes to, as a text.
    ///
    /// # Errors
    /// Why it comes to nothing.
    pub(crate) fn render(&self, scope: &Scope) -> Result<Arc<str>, ExpressionError> {
        match self {
            Self::Constant(text) => Ok(Arc::clone(text)),
            Self::Whole(expression) => {
                let value = expression.evaluate(scope)?;
                let text = value.as_str().or_else(|| word(&value));
                Ok(text.map_or_else(|| value.to_string().into(), Into::into))
            }
            Self::Mixed(template) => template.render(scope).map(Into::into),
        }
    }
}

impl Template {
    fn parse(source: &str) -> Result<Self, ExpressionError> {
        let mut environment = environment();
        environment
            .add_template_owned(TEMPLATE, source.to_owned())
            .map_err(|error| ExpressionError::of(&error))?;
        Ok(Self {
            environment: Arc::new(environment),
            source: source.into(),
        })
    }

    fn template(&self) -> minijinja::Template<'_, '_> {
        self.environment
            .get_template(TEMPLATE)
            .expect("it was compiled when it was added")
    }

    fn names(&self) -> Names {
        let template = self.template();
        Names::new(
            template.undeclared_variables(false),
            template.undeclared_variables(true),
        )
    }

    fn render(&self, scope: &Scope) -> Result<String, ExpressionError> {
        self.template()
            .render(scope.value())
            .map_err(|error| ExpressionError::of(&error))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.source)
    }
}

#[cfg(test)]
mod tests;
