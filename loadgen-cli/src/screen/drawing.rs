//! The sequences that have a terminal draw over what stands there.

/// What makes a terminal show these lines in place of those drawn before.
///
/// The cursor rests where the lines begin, not where they end. Terminals that are made narrower wrap
/// what stands on them anew: how many rows the lines take is then anybody's guess, but the cursor
/// stays with the character that it is on. So what was drawn is always all that there is from the
/// cursor on, and none of it is left to scroll away, unless it no longer fits the screen: then what
/// has scrolled out of reach stays there, once.
///
/// What was there is written over and erased behind, never erased from the top: where that is the
/// screen's first row, tmux keeps what it erases among what has scrolled away.
pub(crate) fn redrawing(lines: &[String]) -> String {
    let erased = "\x1b[K\n";
    let up = match lines.len() {
        0 => return "\r \x1b[J\r".to_owned(),
        1 => String::new(),
        several => format!("\x1b[{}A", several - 1),
    };
    format!("\r{}\x1b[J{up}\r", lines.join(erased))
}

/// What makes a terminal show a line that stays, or several, in place of those drawn before.
pub(crate) fn noting(lines: &str) -> String {
    let lines = lines.replace('\n', "\x1b[K\n");
    format!("\r{lines}\x1b[J\n")
}
