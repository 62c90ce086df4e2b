//! What compares, adds, multiplies and joins in expressions, and minijinja's filters within bounds.
//!
//! A text and a number do not compare: which one is larger has no answer, and `'40' == 40` does not hold though
//! whoever wrote it thinks so. Both end the evaluation with what to write in its place.

use std::cmp::Ordering;
use std::sync::LazyLock;

use minijinja::machinery::ast;
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, context, filters};

use super::bounds;
use crate::nearest::did_you_mean;

// Names that no source text can have for a filter.
pub(super) const EQ: &str = "==";
pub(super) const NE: &str = "!=";
pub(super) const LT: &str = "<";
pub(super) const LE: &str = "<=";
pub(super) const GT: &str = ">";
pub(super) const GE: &str = ">=";
pub(super) const ADD: &str = "+";
pub(super) const MULTIPLY: &str = "*";
pub(super) const JOIN: &str = "~";

/// The comparisons of a chain such as `1 < x < 3`, in minijinja's order, and what they are without one.
const IN_A_CHAIN: [(&str, &str); 6] = [
    ("==,", EQ),
    ("!=,", NE),
    ("<,", LT),
    ("<=,", LE),
    (">,", GT),
    (">=,", GE),
];

/// The comparisons that are tests, too: `x is lessthan 3`, and in `select` and `reject`.
const AS_TESTS: [(&str, &str); 15] = [
    ("eq", EQ),
    ("equalto", EQ),
    ("==", EQ),
    ("ne", NE),
    ("!=", NE),
    ("lt", LT),
    ("lessthan", LT),
    ("<", LT),
    ("le", LE),
    ("<=", LE),
    ("gt", GT),
    ("greaterthan", GT),
    (">", GT),
    ("ge", GE),
    (">=", GE),
];

/// What takes the place of a comparison in a chain, by its number; `None` for those that need nothing.
pub(super) fn preserving(number: u8) -> Option<&'static str> {
    IN_A_CHAIN.get(usize::from(number)).map(|(name, _)| *name)
}

pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (in_a_chain, name) in IN_A_CHAIN {
        environment.add_filter(name, move |a: &Value, b: &Value| compared(name, a, b));
        environment.add_filter(in_a_chain, move |a: &Value, b: &Value| {
            let holds = Value::from(compared(name, a, b)?);
            Ok::<_, Error>(vec![holds, b.clone()])
        });
    }
    for (name, of) in AS_TESTS {
        environment.add_test(name, move |a: &Value, b: &Value| compared(of, a, b));
    }
    environment.add_filter(ADD, add);
    environment.add_filter(MULTIPLY, multiply);
    environment.add_filter(JOIN, join);
    for (name, filter) in of_texts() {
        environment.add_filter(name, move |state: &State<'_, '_>, args: Rest<Value>| {
            making_text(name, &filter, state, &args)
        });
    }
    for (name, filter) in of_lists() {
        environment.add_filter(name, move |state: &State<'_, '_>, args: Rest<Value>| {
            making_list(name, &filter, state, &args)
        });
    }
}

/// Whether a comparison holds.
fn compared(name: &str, a: &Value, b: &Value) -> Result<bool, Error> {
    if a.is_undefined() || b.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    match (a.as_str(), b.as_str()) {
        (Some(text), None) if b.is_number() => comparable(name, text)?,
        (None, Some(text)) if a.is_number() => comparable(name, text)?,
        _ => {}
    }
    Ok(match name {
        EQ => a == b,
        NE => a != b,
        LT => a < b,
        LE => a <= b,
        GT => a > b,
        _ => a >= b,
    })
}

/// Whether it has an answer how a text compares with a number. That they are not equal is one, unless the text
/// says a number.
fn comparable(name: &str, text: &str) -> Result<(), Error> {
    let says_a_number = || text.trim().parse::<f64>().is_ok();
    if [EQ, NE].contains(&name) && !says_a_number() {
        return Ok(());
    }
    let filter = match text.trim().parse::<i64>() {
        Err(_) if says_a_number() => "float",
        _ => "int",
    };
    // What the two are stays unsaid: they may be secrets.
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!(
            "`{name}` compares a text with a number, and a text is no number; \
             write `|{filter}` behind the text"
        ),
    ))
}

/// What minijinja's own operator makes of two values that are no plain numbers.
fn plainly(operator: &'static LazyLock<Plain>, a: &Value, b: &Value) -> Result<Value, Error> {
    operator.eval(context! { a, b })
}

type Plain = minijinja::Expression<'static, 'static>;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(Environment::empty);
static PLAINLY_ADDED: LazyLock<Plain> = LazyLock::new(|| plain("a + b"));
static PLAINLY_MULTIPLIED: LazyLock<Plain> = LazyLock::new(|| plain("a * b"));

fn plain(source: &'static str) -> Plain {
    let compiled = ENVIRONMENT.compile_expression(source);
    compiled.expect("two names and an operator")
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Both, where they are whole numbers and no fractions without one, which `as_i64` takes for such.
fn integers(a: &Value, b: &Value) -> Option<(i64, i64)> {
    let are_whole = a.is_integer() && b.is_integer();
    are_whole.then(|| a.as_i64().zip(b.as_i64())).flatten()
}

fn add(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some((a, b)) = integers(a, b)
        && let Some(sum) = a.checked_add(b)
    {
        return Ok(Value::from(sum));
    }
    match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => bounds::spend(a.len().saturating_add(b.len()))?,
        _ if is_list(a) && is_list(b) => {
            bounds::spend_items_of(a)?;
            bounds::spend_items_of(b)?;
        }
        _ => {}
    }
    plainly(&PLAINLY_ADDED, a, b)
}

fn multiply(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some((a, b)) = integers(a, b)
        && let Some(product) = a.checked_mul(b)
    {
        return Ok(Value::from(product));
    }
    for (repeated, times) in [(a, b), (b, a)] {
        let Some(times) = times.as_usize() else {
            continue;
        };
        if let Some(text) = repeated.as_str() {
            bounds::spend(text.len().saturating_mul(times))?;
        } else if is_list(repeated) {
            bounds::spend_items(repeated.len().unwrap_or(0).saturating_mul(times))?;
        }
    }
    plainly(&PLAINLY_MULTIPLIED, a, b)
}

fn join(a: &Value, b: &Value) -> Result<String, Error> {
    if a.is_undefined() || b.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let mut joined = String::new();
    bounds::write_to(&mut joined, a)?;
    bounds::write_to(&mut joined, b)?;
    Ok(joined)
}

/// Filters that make a text of a text.
fn of_texts() -> [(&'static str, Value); 14] {
    [
        ("capitalize", Value::from_function(filters::capitalize)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("indent", Value::from_function(filters::indent)),
        ("join", Value::from_function(filters::join)),
        ("lines", Value::from_function(filters::lines)),
        ("lower", Value::from_function(filters::lower)),
        ("pprint", Value::from_function(filters::pprint)),
        ("replace", Value::from_function(filters::replace)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("upper", Value::from_function(filters::upper)),
    ]
}

/// Filters that make a list of one.
fn of_lists() -> [(&'static str, Value); 16] {
    [
        ("batch", Value::from_function(filters::batch)),
        ("chain", Value::from_function(filters::chain)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("groupby", Value::from_function(filters::groupby)),
        ("items", Value::from_function(filters::items)),
        ("list", Value::from_function(filters::list)),
        ("map", Value::from_function(filters::map)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("reverse", Value::from_function(filters::reverse)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("slice", Value::from_function(filters::slice)),
        ("sort", Value::from_function(filters::sort)),
        ("unique", Value::from_function(filters::unique)),
        ("zip", Value::from_function(filters::zip)),
    ]
}

/// Those whose results are not longer than what they are made of.
const OTHER_FILTERS: [&str; 16] = [
    "abs", "attr", "bool", "count", "d", "default", "first", "float", "int", "last", "length",
    "max", "min", "round", "safe", "sum",
];

/// What may stand behind `is`.
const TESTS: [&str; 36] = [
    "undefined",
    "defined",
    "none",
    "safe",
    "escaped",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
    "true",
    "false",
    "filter",
    "test",
];

fn making_text(
    name: &str,
    filter: &Value,
    state: &State<'_, '_>,
    args: &[Value],
) -> Result<Value, Error> {
    let text = args.first().and_then(Value::as_str);
    let second = args.get(1);
    match (name, text) {
        ("replace", Some(text)) => {
            let (from, to) = (second.and_then(Value::as_str), args.get(2));
            let to = to.and_then(Value::as_str).map_or(0, str::len);
            let times = from.map_or(0, |from| text.matches(from).count());
            bounds::spend(times.saturating_mul(to))?;
        }
        ("indent", Some(text)) => {
            let width = second.and_then(Value::as_usize).unwrap_or(0);
            bounds::spend(width.saturating_mul(text.split('\n').count()))?;
        }
        ("join", _) => {
            let between = second.and_then(Value::as_str).map_or(0, str::len);
            let count = args.first().and_then(Value::len).unwrap_or(0);
            bounds::spend(between.saturating_mul(count))?;
        }
        _ => {}
    }
    for argument in args.iter().filter(|it| !it.is_kwargs()) {
        bounds::spend_text_of(argument)?;
    }
    filter.call(state, args)
}

fn making_list(
    name: &str,
    filter: &Value,
    state: &State<'_, '_>,
    args: &[Value],
) -> Result<Value, Error> {
    args.iter().try_for_each(bounds::spend_items_of)?;
    if ["batch", "slice"].contains(&name)
        && let Some(count) = args.get(1).and_then(Value::as_usize)
    {
        bounds::spend_items(count)?;
    }
    if let Some(text) = args.first().and_then(Value::as_str) {
        // A text is a list of its characters, too.
        bounds::spend_items(text.len())?;
    }
    filter.call(state, args)
}

/// What to say of a filter that there is not.
pub(super) fn unknown_filter(name: &str) -> Option<String> {
    let of_texts = of_texts().map(|(name, _)| name);
    let of_lists = of_lists().map(|(name, _)| name);
    let known = || of_texts.iter().chain(&of_lists).chain(&OTHER_FILTERS);
    unknown(name, "filter", || known().copied())
}

/// What to say of a test that there is not: `is NAME`.
pub(super) fn unknown_test(name: &str) -> Option<String> {
    unknown(name, "test", || TESTS.iter().copied())
}

fn unknown<I: Iterator<Item = &'static str>>(
    name: &str,
    what: &str,
    known: impl Fn() -> I,
) -> Option<String> {
    // minijinja leaves out blanks, too.
    let bare: String = name.split_ascii_whitespace().collect();
    if known().any(|it| it == bare) {
        return None;
    }
    let near = did_you_mean(&bare, known());
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    Some(format!("`{name}` is no {what}{near}"))
}

/// Whether an operation of constants, which is reckoned when it is compiled, stays within bounds.
///
/// # Errors
/// It makes more than one evaluation may.
pub(super) fn bound_constant(operation: &ast::BinOp<'_>) -> Result<(), Error> {
    bounds::begin();
    len_of_operation(operation).map(drop)
}

/// How long a text is, or how many bytes a list takes, that is constant.
fn constant_len(expression: &ast::Expr<'_>) -> Result<usize, Error> {
    let len = match expression {
        ast::Expr::Const(it) => return Ok(len_of(&it.value)),
        ast::Expr::List(it) if it.as_const().is_some() => it.items.len() * size_of::<Value>(),
        ast::Expr::BinOp(it) => return len_of_operation(it),
        _ => return Ok(0),
    };
    bounds::spend(len)?;
    Ok(len)
}

fn len_of_operation(it: &ast::BinOp<'_>) -> Result<usize, Error> {
    let (left, right) = (constant_len(&it.left)?, constant_len(&it.right)?);
    let len = match it.op {
        ast::BinOpKind::Mul => {
            let times = [&it.left, &it.right].map(whole).into_iter().flatten().max();
            left.saturating_add(right)
                .saturating_mul(times.unwrap_or(1).max(1))
        }
        ast::BinOpKind::Add | ast::BinOpKind::Concat => left.saturating_add(right),
        _ => 0,
    };
    bounds::spend(len)?;
    Ok(len)
}

fn len_of(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

/// A number that is constant and of which no text is made.
fn whole(expression: &ast::Expr<'_>) -> Option<usize> {
    match expression {
        ast::Expr::Const(it) => it.value.as_usize(),
        ast::Expr::BinOp(it) => match it.op {
            ast::BinOpKind::Mul => whole(&it.left)?.checked_mul(whole(&it.right)?),
            ast::BinOpKind::Add => whole(&it.left)?.checked_add(whole(&it.right)?),
            ast::BinOpKind::Pow => {
                whole(&it.left)?.checked_pow(u32::try_from(whole(&it.right)?).ok()?)
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use minijinja::Environment;

    use super::*;

    /// What is said to be known is, and whatever else minijinja has is left out on purpose.
    #[test]
    fn what_is_named_is_there() {
        let environment = super::super::environment();
        let state = environment.empty_state();
        let lists = of_lists();
        let all = of_texts().into_iter().chain(lists).map(|(name, _)| name);
        for name in all.chain(OTHER_FILTERS) {
            let error = state.apply_filter(name, &[]).err();
            let kind = error.map(|it| it.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownFilter), "{name}");
        }
        for name in TESTS {
            let error = state.perform_test(name, &[]).err();
            let kind = error.map(|it| it.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownTest), "{name}");
        }
        let plain = Environment::new();
        let named = plain.empty_state().apply_filter("format", &["x".into()]);
        assert!(named.is_ok(), "{named:?}");
        assert!(unknown_filter("format").is_some());
    }
}
