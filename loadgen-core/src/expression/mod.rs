//! The one expression language of scenarios: [minijinja](https://docs.rs/minijinja)'s.
//!
//! Owns what an expression is and a text with `{{ … }}` in it: compiled once, told from a constant, checked
//! for names that nobody knows, and evaluated within bounds. Knows nothing of protocols or plans: what a name
//! stands for comes in a [`Scope`].

mod analysis;
mod bounds;
mod compiled;
mod depth;
mod direct;
mod functions;
#[cfg(fuzzing)]
pub mod fuzzing;
mod json;
mod json_text;
mod message;
mod names;
mod operators;
mod saved;
mod scope;
mod slip;
mod taint;

use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, UndefinedBehavior};

use self::compiled::Code;
use self::direct::{Direct, Pieces};

pub(crate) use json::value_of;
pub(crate) use json_text::{JsonText, Misplaced, NUMBER};
pub(crate) use message::bytes_value;
pub(crate) use message::text_value;
pub(crate) use minijinja::Value;
pub(crate) use names::{Fields, Known, Names, Path, Unknown};
pub(crate) use saved::Saved;
pub(crate) use scope::{Scope, Variables};
pub(crate) use taint::{SecretFields, all_secret};

/// Whether a name means something in expressions already, or can mean nothing there.
pub(crate) fn is_taken(name: &str) -> bool {
    let alone = Text::parse(&format!("{{{{ {name} }}}}"));
    let is_free = alone.is_ok_and(|text| text.names().roots().eq([name]));
    !is_free || functions::NAMES.contains(&name) || scope::NAMES.contains(&name)
}

/// The most steps that an evaluation may take: an expression of a scenario needs tens.
const MOST_STEPS: u64 = 100_000;

/// What all expressions and templates are evaluated in.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_formatter(|out, _, value| emit(out, value));
    // It panics where its text has more than ASCII behind a `%`.
    environment.remove_filter("format");
    // It tells all that is known, secrets of the environment included.
    environment.remove_global("debug");
    functions::add_to(&mut environment);
    operators::add_to(&mut environment);
    taint::add_to(&mut environment);
    environment
}

/// Writes what stands between `{{` and `}}`. Nothing is escaped: what is sent is no page.
fn emit(out: &mut impl Write, value: &Value) -> Result<(), minijinja::Error> {
    let sealed = taint::opened(value);
    let value = sealed.as_ref().unwrap_or(value);
    if let Some(word) = word(value) {
        taint::emits(word, true);
        return Ok(out.write_str(word)?);
    }
    if let Some(text) = value.as_str() {
        taint::emits(text, false);
        return bounds::write_to(out, value);
    }
    if value.is_number() && !taint::is_followed() {
        return bounds::write_to(out, value);
    }
    // It may be the text that reads secrets.
    let text = bounds::text_of(value)?;
    taint::emits(&text, false);
    Ok(out.write_str(&text)?)
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
        if bounds::is_exceeded() || error.detail() == Some(bounds::problem().as_str()) {
            return Self::new(bounds::problem());
        }
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
pub(crate) struct Expression(Arc<Compiled<Direct>>);

struct Compiled<D> {
    source: Box<str>,
    code: Code,
    /// What it is, where that takes no interpreter.
    direct: Option<D>,
    names: Names,
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
        if let Some(advice) = slip::braces(source) {
            return Err(ExpressionError::new(advice));
        }
        if slip::closes_what_is_not_open(source) {
            return Err(ExpressionError::new("`}}` closes nothing"));
        }
        let compiled = Compiled::new(source, Code::of_expression);
        let compiled = compiled.map_err(|error| match slip::advice(source) {
            Some(advice) => ExpressionError::new(advice),
            None => error,
        })?;
        Ok(Self(Arc::new(compiled)))
    }

    /// As it was written.
    pub(crate) fn source(&self) -> &str {
        &self.0.source
    }

    /// The names that it uses.
    pub(crate) fn names(&self) -> Names {
        self.0.names.clone()
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Why it comes to nothing: a value that is not there, an operation that its values do not have.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        self.evaluate_telling(scope).map(|(value, _)| value)
    }

    /// The same, and whether it was made of a secret.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub(crate) fn evaluate_telling(&self, scope: &Scope) -> Result<(Value, bool), ExpressionError> {
        let (value, is_secret) = within_bounds(scope, || {
            let direct = self.0.direct.as_ref();
            let value = match direct.and_then(|it| it.find(scope)) {
                Some(found) => found,
                None => self.0.code.evaluate(&ENVIRONMENT, scope.value())?,
            };
            let is_secret = taint::came_to(&value);
            Ok((value, is_secret))
        })?;
        if value.is_undefined() {
            let source = self.source().trim();
            return Err(ExpressionError::new(format!("`{source}` is not there")));
        }
        Ok((value, is_secret))
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
        write!(f, "Expression({})", self.source())
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl<D> Compiled<D> {
    fn new(
        source: &str,
        compile: impl FnOnce(&str) -> Result<(Code, Names, Option<D>), minijinja::Error>,
    ) -> Result<Self, ExpressionError> {
        bounds::begin();
        let compiled = compile(source).map_err(|error| ExpressionError::of(&error));
        let (code, names, direct) = compiled?;
        Ok(Self {
            source: source.into(),
            code,
            direct,
            names,
        })
    }
}

/// Evaluates something; the scope is told of the secrets that were made.
fn within_bounds<T>(
    scope: &Scope,
    evaluate: impl FnOnce() -> Result<T, minijinja::Error>,
) -> Result<T, ExpressionError> {
    bounds::begin();
    taint::begin();
    let result = evaluate().map_err(|error| ExpressionError::of(&error));
    taint::finish(|secret| scope.derived(secret));
    result
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
pub(crate) struct Template(Arc<Compiled<Pieces>>);

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
                match value.as_str().or_else(|| word(&value)) {
                    Some(text) => Ok(text.into()),
                    None => text_of(&value).map(Into::into),
                }
            }
            Self::Mixed(template) => template.render(scope).map(Into::into),
        }
    }
}

impl Template {
    fn parse(source: &str) -> Result<Self, ExpressionError> {
        let compiled = Compiled::new(source, Code::of_template)?;
        Ok(Self(Arc::new(compiled)))
    }

    fn names(&self) -> Names {
        self.0.names.clone()
    }

    fn render(&self, scope: &Scope) -> Result<String, ExpressionError> {
        if let Some(pieces) = &self.0.direct {
            let chance = scope.chance();
            if let Some(rendered) = within_bounds(scope, || pieces.render(scope))? {
                return Ok(rendered);
            }
            // The interpreter can say what is not there. It begins anew.
            scope.reseed(chance);
        }
        within_bounds(scope, || self.0.code.render(&ENVIRONMENT, scope.value()))
    }
}

/// A value as a text.
fn text_of(value: &Value) -> Result<String, ExpressionError> {
    bounds::text_of(value).map_err(|error| ExpressionError::of(&error))
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.0.source)
    }
}

#[cfg(test)]
mod tests;
