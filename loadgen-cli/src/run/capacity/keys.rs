//! What keys do while a capacity is looked for: end that, after a question.

use super::stop::{STOPPING, SearchStop};
use super::view::Below;
use crate::screen::keys::{Keys, is_pressed};
use crate::screen::{Line, Screen, Tone};

/// Has a key end the search, for as long as this is kept, where there is somebody to press any.
pub(super) fn listen(screen: &Screen, below: Below, stop: SearchStop) -> Option<Keys> {
    if Keys::are_there(screen) {
        below.show(lines(false));
    }
    let (mut asks, said) = (false, screen.clone());
    Keys::listen(screen, move |typed| {
        if !is_pressed(typed) {
            return;
        }
        for key in typed {
            let is_yes = asks && key.eq_ignore_ascii_case(&b'y');
            asks = !asks && key.eq_ignore_ascii_case(&b's');
            if is_yes && stop.ask() {
                said.say(STOPPING);
            }
        }
        below.show(lines(asks));
    })
}

/// What stands below all else.
fn lines(asks: bool) -> Vec<Line> {
    let line = |text: &str, tone| Line {
        text: text.to_owned(),
        tone,
    };
    match asks {
        true => vec![
            line(
                "  stop?  y  the search ends with what is known so far",
                Tone::Strong,
            ),
            line("         any other key: no", Tone::Plain),
        ],
        false => vec![line("  s stops", Tone::Plain)],
    }
}
