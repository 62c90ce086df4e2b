//! Header fields as the environment of OpenTelemetry has them.

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// What is no list of header fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `name=value` pairs with commas between them, the values percent-encoded")]
pub struct HeadersError;

/// Header fields in the form of `OTEL_EXPORTER_OTLP_HEADERS`: `name=value` pairs with commas between
/// them, percent-encoded. Empty members are passed over, as in W3C Baggage.
///
/// ```
/// use loadgen_core::sink::otlp::parse_headers;
///
/// let headers = parse_headers("authorization=Bearer%20abc, x-tenant=load")?;
/// assert_eq!(headers[0], ("authorization".to_owned(), "Bearer abc".to_owned()));
/// assert_eq!(headers[1], ("x-tenant".to_owned(), "load".to_owned()));
/// # Ok::<_, loadgen_core::sink::otlp::HeadersError>(())
/// ```
///
/// # Errors
/// [`HeadersError`] where a pair is none, or not one that HTTP could carry.
pub fn parse_headers(text: &str) -> Result<Vec<(String, String)>, HeadersError> {
    let pairs = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(HeadersError)?;
            let decoded = |text: &str| {
                let decoded = percent_decode_str(text.trim()).decode_utf8();
                decoded.map(|it| it.into_owned()).map_err(|_| HeadersError)
            };
            let (name, value) = (decoded(name)?, decoded(value)?);
            let fits = HeaderName::from_bytes(name.as_bytes()).is_ok()
                && HeaderValue::from_str(&value).is_ok();
            fits.then_some((name, value)).ok_or(HeadersError)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn headers(text: &str) -> Option<String> {
        let pairs = parse_headers(text).ok()?;
        let pairs = pairs.iter().map(|(name, value)| format!("{name}: {value}"));
        Some(pairs.collect::<Vec<_>>().join("|"))
    }

    #[test_case("a=b" => Some("a: b".to_owned()); "one")]
    #[test_case(" a = b , c=d=e," => Some("a: b|c: d=e".to_owned()); "blanks and an equals sign")]
    #[test_case("a=b%2Cc%20d" => Some("a: b,c d".to_owned()); "encoded")]
    #[test_case("a=" => Some("a: ".to_owned()); "an empty value")]
    #[test_case("" => Some(String::new()); "none")]
    #[test_case("a" => None; "no value")]
    #[test_case("=b" => None; "no name")]
    #[test_case("a b=c" => None; "a blank in a name")]
    #[test_case("a=%0Ab" => None; "a line feed")]
    #[test_case("a=%FF" => None; "not UTF-8")]
    fn parsed(text: &str) -> Option<String> {
        headers(text)
    }
}
