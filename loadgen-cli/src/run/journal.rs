//! The journal of a run: begun before the load, and gone once the result stands.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use loadgen_core::engine::Event;
use loadgen_core::journal::{self, Follower, Journal, JournalError, Place};
use loadgen_core::record::Names;
use loadgen_core::report::{Context, Document};
use loadgen_core::sink::RunInfo;

use super::error::RunError;
use crate::output;
use crate::screen::{self, Screen};
use crate::settings::{self, RunSettings, journal_beside};

/// A journal under way.
#[derive(Debug)]
pub(super) struct Kept {
    journal: Journal,
    /// Whether a file of results takes its place.
    is_for_file: bool,
}

/// Finds a place for the journal, where one is kept.
///
/// # Errors
/// Where one was asked for that cannot be kept.
pub(super) fn reserve(
    settings: &RunSettings,
    info: &RunInfo,
    screen: &Screen,
) -> Result<Option<Place>, RunError> {
    let reserve = |folder: &Path| {
        let place = Place::reserve(folder, &info.id)?;
        place
            .leavings()
            .iter()
            .for_each(|it| output::is_unfinished(it));
        Ok(place)
    };
    let result = settings.result().filter(|it| can_be_beside(it));
    match (&settings.journal, result) {
        (settings::Journal::In(folder), _) => reserve(folder).map_or_else(
            |error| without_room(error, screen).map(|()| None),
            |place| Ok(Some(place)),
        ),
        (settings::Journal::Beside, Some(result)) => {
            let folder = journal_beside(result);
            say_what_is_left(&folder, screen);
            let place = reserve(&folder);
            Ok(place.map_err(|error| say_without(&error, screen)).ok())
        }
        (settings::Journal::None, _) | (settings::Journal::Beside, None) => Ok(None),
    }
}

/// Begins the journal in its place.
///
/// # Errors
/// Where one was asked for that cannot be kept.
pub(super) fn begin(
    place: Option<Place>,
    settings: &RunSettings,
    context: &Context,
    names: &[Names],
    screen: &Screen,
) -> Result<Option<(Kept, Following)>, RunError> {
    let Some(place) = place else {
        return Ok(None);
    };
    let leavings = place.leavings();
    let told = screen.clone();
    let begun = Journal::begin(place, context, names, move |it| say_without(it, &told));
    match (begun, &settings.journal) {
        (Ok((journal, follower)), _) => {
            let is_for_file = settings.result().is_some();
            let kept = Kept {
                journal,
                is_for_file,
            };
            let follower = Following { follower, leavings };
            Ok(Some((kept, follower)))
        }
        (Err(error), settings::Journal::In(_)) => without_room(error, screen).map(|()| None),
        (Err(error), _) => {
            say_without(&error, screen);
            Ok(None)
        }
    }
}

/// A disk that is full ends a journal and no run, whenever it is full. Whatever else keeps one from being kept
/// that was asked for is refused.
fn without_room(error: JournalError, screen: &Screen) -> Result<(), RunError> {
    if !error.is_for_want_of_room() {
        return Err(RunError::Journal(error));
    }
    say_without(&error, screen);
    Ok(())
}

fn say_without(error: &JournalError, screen: &Screen) {
    screen.say(&format!("WARNING: {error}; the run goes on without one"));
}

/// Not beside a device or a pipe.
fn can_be_beside(result: &Path) -> bool {
    match fs::metadata(result) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Says where the figures of an earlier run are that was killed.
fn say_what_is_left(folder: &Path, screen: &Screen) {
    for path in journal::find(folder).unwrap_or_default() {
        if journal::read(&path).is_ok_and(|it| !it.is_running) {
            screen.say(&format!(
                "a run that was cut off left its journal: `loadgen report {}`",
                path.display()
            ));
        }
    }
}

/// Who listens to the run for the journal.
#[derive(Debug)]
pub(super) struct Following {
    follower: Follower,
    /// What goes where the process ends before there is a load.
    leavings: Vec<PathBuf>,
}

impl Following {
    /// Hears what happens in the run. From when there is a load on, its journal stays however the process ends.
    pub(super) fn hear(&mut self, event: &Event<'_>) {
        if let Event::Connected = event {
            self.leavings.drain(..).for_each(|it| output::stays(&it));
        }
        self.follower.hear(event);
    }
}

impl Kept {
    /// Nothing was measured that it could be of.
    pub(super) fn discard(self) {
        say_unless_done(self.journal.remove());
    }

    /// The run was told of. Where its result is in a file, the journal has done its work; else it takes the
    /// result up, and where that could not be told, says so.
    pub(super) fn conclude(self, document: &Document, was_told: bool) {
        if was_told && self.is_for_file {
            say_unless_done(self.journal.remove());
            return;
        }
        let path = self.journal.path().to_owned();
        let concluded = self.journal.conclude(document);
        if concluded.is_ok() && !was_told {
            screen::note(format_args!(
                "the result is in the journal: `loadgen report {}`",
                path.display()
            ));
        }
        say_unless_done(concluded);
    }
}

fn say_unless_done(done: Result<(), JournalError>) {
    if let Err(error) = done {
        screen::note(format_args!("WARNING: {error}"));
    }
}
