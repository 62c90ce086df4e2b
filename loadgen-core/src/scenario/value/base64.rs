//! Bytes in base64.

use data_encoding::{BASE64, BASE64_NOPAD, Encoding};

/// The bytes of a text in base64, with or without padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let decode = |encoding: Encoding| encoding.decode(text.as_bytes()).ok();
    decode(BASE64).or_else(|| decode(BASE64_NOPAD))
}

/// Whether a text is base64, with or without padding.
pub(crate) fn is_base64(text: &str) -> bool {
    from_base64(text).is_some()
}

/// Bytes as a text, with padding.
pub(in crate::scenario) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", &[]; "nothing")]
    #[test_case("AAEC", &[0, 1, 2]; "no padding needed")]
    #[test_case("/w==", &[255]; "two of padding")]
    #[test_case("/w", &[255]; "padding left out")]
    #[test_case("//8=", &[255, 255]; "one of padding")]
    fn base64_reads(text: &str, bytes: &[u8]) {
        assert_eq!(from_base64(text).as_deref(), Some(bytes));
    }

    #[test_case("A"; "half a byte")]
    #[test_case("A==="; "too much padding")]
    #[test_case("AA-_"; "the alphabet of addresses")]
    #[test_case("AA E"; "blank")]
    fn base64_refuses(text: &str) {
        assert_eq!(from_base64(text), None);
    }
}
