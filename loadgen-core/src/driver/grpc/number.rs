//! Numbers of messages, from the text that they are written as.
//!
//! A JSON library reads numbers as what a machine has registers for and rounds the rest. Here
//! nothing is rounded but to the type of the field, and what does not fit is an error.

/// Why a text is not a number of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NumberError {
    #[error("is not a number")]
    None,
    #[error("is not an integer")]
    NotInteger,
    #[error("is out of range")]
    OutOfRange,
}

/// An integer, which may be written with a point or an exponent: `1e5`, `2.50e1`.
pub(super) fn integer<T: TryFrom<i128>>(text: &str) -> Result<T, NumberError> {
    let whole = whole(text)?;
    T::try_from(whole).map_err(|_| NumberError::OutOfRange)
}

fn whole(text: &str) -> Result<i128, NumberError> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return Err(NumberError::None);
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    // One that does not fit its own type is beyond all ranges, in one direction or the other.
    let exponent: i64 = match exponent {
        None => 0,
        Some(text) => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            if unsigned.is_empty() || !are_digits(unsigned) {
                return Err(NumberError::None);
            }
            let beyond = if text.starts_with('-') {
                i64::MIN
            } else {
                i64::MAX
            };
            text.parse().unwrap_or(beyond)
        }
    };
    let kept = digits.trim_end_matches('0');
    let zeros = (digits.len() - kept.len()) as i64;
    let places = exponent
        .saturating_sub(fraction.len() as i64)
        .saturating_add(zeros);
    if places < 0 {
        return Err(NumberError::NotInteger);
    }
    // 39 digits are more than any field has.
    if kept.len() as i64 + places.min(1000) > 38 {
        return Err(NumberError::OutOfRange);
    }
    let value = kept
        .bytes()
        .chain(std::iter::repeat_n(b'0', places as usize))
        .fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    Ok(if is_negative { -value } else { value })
}

/// A double, infinity and the lack of a number included.
pub(super) fn double(text: &str) -> Result<f64, NumberError> {
    match text {
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ => written(text)?
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or(NumberError::OutOfRange),
    }
}

/// A float. Rounded once: by way of a double some would be the neighbour of what is written.
pub(super) fn float(text: &str) -> Result<f32, NumberError> {
    match text {
        "Infinity" => Ok(f32::INFINITY),
        "-Infinity" => Ok(f32::NEG_INFINITY),
        "NaN" => Ok(f32::NAN),
        _ => written(text)?
            .parse()
            .ok()
            .filter(|value: &f32| value.is_finite())
            .ok_or(NumberError::OutOfRange),
    }
}

/// A text that is a number in digits; `inf` and the like, which Rust would read, are not.
fn written(text: &str) -> Result<&str, NumberError> {
    let is_one = text.parse::<f64>().is_ok()
        && text
            .trim_start_matches('-')
            .starts_with(|first: char| first.is_ascii_digit() || first == '.');
    is_one.then_some(text).ok_or(NumberError::None)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0" => Ok(0))]
    #[test_case("-0" => Ok(0))]
    #[test_case("007" => Ok(7))]
    #[test_case("1E5" => Ok(100_000))]
    #[test_case("1e+5" => Ok(100_000))]
    #[test_case("2.50e1" => Ok(25))]
    #[test_case("250e-1" => Ok(25))]
    #[test_case("1.0" => Ok(1))]
    #[test_case("0e999999999999999999999" => Ok(0))]
    #[test_case("9223372036854775807" => Ok(i64::MAX))]
    #[test_case("-9223372036854775808" => Ok(i64::MIN))]
    #[test_case("9223372036854775808" => Err(NumberError::OutOfRange))]
    #[test_case("1e999999999999999999999" => Err(NumberError::OutOfRange))]
    #[test_case("1e-999999999999999999999" => Err(NumberError::NotInteger))]
    #[test_case("1.5" => Err(NumberError::NotInteger))]
    #[test_case("" => Err(NumberError::None))]
    #[test_case("-" => Err(NumberError::None))]
    #[test_case("+1" => Err(NumberError::None))]
    #[test_case("1e" => Err(NumberError::None))]
    #[test_case("0x1" => Err(NumberError::None))]
    fn integers(text: &str) -> Result<i64, NumberError> {
        integer(text)
    }

    #[test_case("1.10" => Ok(1.1))]
    #[test_case("-0" => Ok(0.0))]
    #[test_case("Infinity" => Ok(f64::INFINITY))]
    #[test_case("inf" => Err(NumberError::None))]
    #[test_case("1e400" => Err(NumberError::OutOfRange))]
    #[test_case("x" => Err(NumberError::None))]
    fn doubles(text: &str) -> Result<f64, NumberError> {
        double(text)
    }

    /// However many zeros there are to take away.
    #[test_case('-' => Err(NumberError::NotInteger))]
    #[test_case('+' => Err(NumberError::OutOfRange))]
    fn an_exponent_beyond_all_has_no_match_in_zeros(sign: char) -> Result<i64, NumberError> {
        let zeros = "0".repeat(2000);
        let (whole, fraction) = match sign {
            '-' => (format!("1{zeros}"), String::new()),
            _ => ("0".to_owned(), format!(".{zeros}1")),
        };
        integer(&format!("{whole}{fraction}e{sign}99999999999999999999"))
    }

    #[test]
    fn a_float_is_rounded_once() {
        // By way of a double it would be 1.
        assert_eq!(float("1.00000005960464477541"), Ok(1.000_000_1));
        assert_eq!(float("3.5e38"), Err(NumberError::OutOfRange));
    }
}
