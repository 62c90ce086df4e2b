//! What keys do while a run is watched.

mod keyboard;

use loadgen_core::engine::{Change, Standing};

use self::keyboard::{Keyboard, Steered};
use super::control::RunControl;
use crate::screen::Screen;
use crate::screen::keys::Keys;
use crate::screen::live::Below;

/// Has keys change the run, and what they do be shown below its figures; for as long as this is kept, where there is
/// somebody to press any.
pub(super) fn listen(screen: &Screen, below: Below, control: RunControl) -> Option<Keys> {
    let mut keyboard = Keyboard::default();
    let columns = |screen: &Screen| screen.room().0;
    if Keys::are_there(screen) {
        below.show(keyboard.lines(&[], columns(screen)));
    }
    let mut watched = Watched {
        control,
        screen: screen.clone(),
    };
    Keys::listen(screen, move |typed| {
        keyboard.take(typed, &mut watched);
        let columns = columns(&watched.screen);
        below.show(keyboard.lines(&watched.control.standing(), columns));
    })
}

/// A run, and where it is said what it was told.
struct Watched {
    control: RunControl,
    screen: Screen,
}

impl Steered for Watched {
    fn standing(&self) -> Vec<Standing> {
        self.control.standing()
    }

    fn tell(&mut self, change: &Change) -> bool {
        let done = self.control.change(change);
        match &done {
            Ok(done) => self.screen.say(done),
            Err(refused) => self.screen.say(&format!("not done: {refused}")),
        }
        done.is_ok()
    }
}
