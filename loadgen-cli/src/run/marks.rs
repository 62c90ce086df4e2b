//! Marks that somebody sets by a key while a run is watched.

use loadgen_core::engine::Marker;
use loadgen_core::record::{EventAction, EventRecord};

use crate::human;
use crate::moment::now;
use crate::screen::Screen;
use crate::screen::keys::Keys;

/// The key.
const KEY: u8 = b'm';

/// Sets a mark in each of so many scenarios whose measuring has begun, each time that the key is pressed; for as
/// long as this is kept, where there is somebody to press it.
pub(super) fn listen(screen: &Screen, marker: &Marker, scenarios: usize) -> Option<Keys> {
    let (marker, says) = (marker.clone(), screen.clone());
    let mut count = 0;
    Keys::listen(screen, move |key| {
        if key.eq_ignore_ascii_case(&KEY)
            && let Some(said) = mark(&marker, scenarios, count + 1)
        {
            count += 1;
            says.say(&said);
        }
    })
}

/// Notes the n-th mark. Returns what to say of it; nothing where no scenario is measured by now.
fn mark(marker: &Marker, scenarios: usize, nth: u64) -> Option<String> {
    let when = now();
    let said = format!("mark {nth}");
    let is_measured = |it: &usize| {
        marker.due(*it, std::time::Duration::ZERO).is_some() && marker.before(*it, when).is_none()
    };
    let measured: Vec<usize> = (0..scenarios).filter(is_measured).collect();
    let mut taken = false;
    for scenario in &measured {
        let mut event = EventRecord::new(EventAction::Mark, said.clone());
        event.done = Some(marker.since(*scenario, when));
        taken |= marker.record(*scenario, event);
    }
    let first = measured.first().filter(|_| taken)?;
    let at = marker.since(*first, when).as_secs_f64();
    Some(format!("{said} at {}", human::micros(at * 1e6)))
}
