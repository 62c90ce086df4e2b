//! Examples of failures, each cut to a length.

/// The longest example of a failure, in bytes. A server has its say in it.
const MOST_EXAMPLE_BYTES: usize = 4 << 10;

/// Cuts an example that is too long, and says so.
pub(super) fn shorten(example: &mut String) {
    const MARK: &str = " [cut]";
    if example.len() > MOST_EXAMPLE_BYTES {
        let end = example.floor_char_boundary(MOST_EXAMPLE_BYTES - MARK.len());
        example.truncate(end);
        example.push_str(MARK);
        example.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_cut_between_characters() {
        let mut short = "a".repeat(MOST_EXAMPLE_BYTES);
        shorten(&mut short);
        assert_eq!(short.len(), MOST_EXAMPLE_BYTES);
        let mut long = "\u{20ac}".repeat(MOST_EXAMPLE_BYTES);
        shorten(&mut long);
        assert!(long.len() <= MOST_EXAMPLE_BYTES && long.ends_with("\u{20ac} [cut]"));
    }
}
