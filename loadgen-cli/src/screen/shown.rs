//! What may be shown: lines in which nothing is hidden.

use loadgen_core::text;

use crate::paint::Paint;

/// What goes to a terminal or a page: lines in which nothing is hidden but the colour that
/// [`Paint`] gave them. Whatever is printed and is no document goes through here.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&text::lines(&rest[..at]));
        let code = Paint::code_at(&rest[at..]);
        // An escape that is nobody's goes the way of everything that is hidden.
        let end = at + code.map_or(1, str::len);
        out.push_str(&code.map_or_else(|| text::lines(&rest[at..end]), str::to_owned));
        rest = &rest[end..];
    }
    out.push_str(&text::lines(rest));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paint_gets_through() {
        let said = "\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{1b}]0;x\u{7}\u{9b}\u{202e}\u{200b}\nnext\r";
        let shown = shown(said);
        assert_eq!(
            shown,
            "\u{1b}[31mred\u{1b}[0m \u{fffd}[2J\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}\u{fffd}\nnext "
        );
    }
}
