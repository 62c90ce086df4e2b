//! What keys do while a run is watched.

mod keyboard;

use self::keyboard::Keyboard;
use super::control::RunControl;
use crate::screen::Screen;
use crate::screen::keys::Keys;
use crate::screen::live::Below;

/// Has keys change the run, and what they do be shown below its figures; for as long as this is kept, where there is
/// somebody to press any.
pub(super) fn listen(screen: &Screen, below: Below, control: RunControl) -> Option<Keys> {
    let mut keyboard = Keyboard::default();
    if Keys::are_there(screen) {
        below.show(keyboard.lines(&[]));
    }
    let says = screen.clone();
    Keys::listen(screen, move |typed| {
        let standing = control.standing();
        for change in keyboard.take(typed, &standing) {
            match control.change(&change) {
                Ok(done) => {
                    keyboard.was_done(&change);
                    says.say(&done);
                }
                Err(refused) => says.say(&format!("not done: {refused}")),
            }
        }
        below.show(keyboard.lines(&control.standing()));
    })
}
