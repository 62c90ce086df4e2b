//! What a plain scalar is, by YAML's core schema.

use serde_json::{Number, Value};

/// The value that a scalar without quotes stands for.
///
/// # Errors
/// What is wrong with one that JSON has no value for, or that people read in two ways.
pub(super) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!(
            "JSON has no number `{text}`; write a text such as \"Infinity\" or \"NaN\""
        ));
    }
    if let Some(number) = in_another_base(text) {
        return number;
    }
    if !is_number(unsigned) {
        return Ok(Value::String(text.to_owned()));
    }
    let whole = unsigned.split(['.', 'e', 'E']).next().unwrap_or_default();
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(format!(
            "`{text}` may be a number or a text; write it without zeros in front, or in quotes"
        ));
    }
    Ok(Value::Number(Number::from_string_unchecked(as_json(text))))
}

/// A number in hexadecimal or octal digits.
fn in_another_base(text: &str) -> Option<Result<Value, String>> {
    [("0x", 16), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, radix)| {
            let digits = text.strip_prefix(prefix)?;
            let are_digits =
                !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
            are_digits.then(|| {
                u64::from_str_radix(digits, radix)
                    .map(Value::from)
                    .map_err(|_| {
                        format!("the number `{text}` is too big; write it in decimal digits")
                    })
            })
        })
}

/// Whether an unsigned scalar is a number: `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with or without an exponent.
fn is_number(text: &str) -> bool {
    let (base, exponent) = match text.split_once(['e', 'E']) {
        Some((base, exponent)) => (base, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = base.split_once('.').unwrap_or((base, ""));
    let has_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && has_exponent
}

/// A number in JSON's form: as it is written, but for what only YAML takes, a plus in front and a point
/// with no digit on one side.
fn as_json(text: &str) -> String {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let base_end = unsigned.find(['e', 'E']).unwrap_or(unsigned.len());
    let (base, exponent) = unsigned.split_at(base_end);
    let zero_before = if base.starts_with('.') { "0" } else { "" };
    let zero_behind = if base.ends_with('.') { "0" } else { "" };
    format!("{sign}{zero_before}{base}{zero_behind}{exponent}")
}
