//! From what is typed to what a run is told: a state machine that reads nothing and draws nothing.

use std::mem;

use loadgen_core::engine::{Change, LONGEST_NOTE, Standing};
use loadgen_core::units::Rate;

use crate::flow::columns as width;
use crate::screen::keys::{characters, is_pressed};
use crate::screen::{Line, Tone};

/// By how much one key changes a rate or a number of users.
const STEP: f64 = 0.1;
/// The columns that stand before and behind a note while it is written.
const NOTE_BESIDE: usize = "  note: |".len();
/// The most targets that have a key.
const MOST_TARGETS: usize = 9;

const ESCAPE: [u8; 1] = [0x1b];
const BACKSPACE: [u8; 2] = [0x7f, 0x08];
/// Ctrl-U, which terminals take for "all of the line".
const ALL: u8 = 0x15;
const ENTER: [u8; 2] = [b'\r', b'\n'];

/// A run that keys change.
pub(super) trait Steered {
    /// How each scenario stands.
    fn standing(&self) -> Vec<Standing>;
    /// Tells it something. Whether it was done.
    fn tell(&mut self, change: &Change) -> bool;
}

/// What keys mean now.
#[derive(Debug)]
pub(super) struct Keyboard {
    mode: Mode,
    /// Whether all keys are shown.
    helps: bool,
    marks: u64,
}

#[derive(Debug)]
enum Mode {
    Watches,
    /// How the run is to stop is asked for.
    Asks,
    /// A note is written.
    Writes(Note),
}

/// What of a note was typed.
#[derive(Debug, Default)]
struct Note {
    text: String,
    /// The first bytes of a character whose others have not come.
    begun: Vec<u8>,
}

impl Note {
    /// Adds a byte of a character. What is none is left out, as is what is beyond the longest note.
    fn add(&mut self, byte: u8) {
        // One that begins another has broken off.
        if byte >> 6 != 0b10 {
            self.begun.clear();
        }
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Err(error) if error.error_len().is_none() => return,
            Ok(whole) if self.text.chars().count() < LONGEST_NOTE => self.text.push_str(whole),
            _ => {}
        }
        self.begun.clear();
    }
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            mode: Mode::Watches,
            helps: false,
            marks: 0,
        }
    }
}

impl Keyboard {
    /// Does what was typed at once, to this run.
    pub(super) fn take(&mut self, typed: &[u8], run: &mut impl Steered) {
        if let Mode::Writes(_) = self.mode {
            let note = self.write(typed);
            note.iter().for_each(|note| self.tell(run, note));
            return;
        }
        if !is_pressed(typed) {
            return;
        }
        // A key that is held comes several times at once: each is of how the run stands after the one before.
        for key in typed {
            let changes = self.press(*key, &run.standing());
            changes.iter().for_each(|change| self.tell(run, change));
        }
    }

    fn tell(&mut self, run: &mut impl Steered, change: &Change) {
        if run.tell(change)
            && let Change::Note { text, .. } = change
            && *text == self.mark()
        {
            self.marks += 1;
        }
    }

    /// The next mark's name.
    fn mark(&self) -> String {
        format!("mark {}", self.marks + 1)
    }

    fn press(&mut self, key: u8, standing: &[Standing]) -> Vec<Change> {
        let key = key.to_ascii_lowercase();
        if let Mode::Asks = self.mode {
            self.mode = Mode::Watches;
            return match key {
                b'y' => vec![Change::Stop { at_once: false }],
                b'x' => vec![Change::Stop { at_once: true }],
                _ => Vec::new(),
            };
        }
        match key {
            b'?' => self.helps = !self.helps,
            b's' => self.mode = Mode::Asks,
            b'n' => self.mode = Mode::Writes(Note::default()),
            b'm' => {
                return vec![Change::Note {
                    scenario: None,
                    text: self.mark(),
                }];
            }
            b'p' => return vec![pause_or_resume(standing)],
            b'+' | b'=' => return by(1.0 + STEP, standing),
            b'-' => return by(1.0 - STEP, standing),
            b'1'..=b'9' => return switch((key - b'1').into(), standing).into_iter().collect(),
            _ => {}
        }
        Vec::new()
    }

    /// Goes on with a note. Returns it once it is whole.
    fn write(&mut self, typed: &[u8]) -> Option<Change> {
        let Mode::Writes(note) = &mut self.mode else {
            return None;
        };
        let (characters, rest) = characters(typed);
        for byte in characters {
            match byte {
                it if ENTER.contains(&it) => {
                    let text = mem::take(&mut note.text);
                    self.mode = Mode::Watches;
                    return (!text.trim().is_empty()).then_some(Change::Note {
                        scenario: None,
                        text,
                    });
                }
                it if BACKSPACE.contains(&it) => drop(note.text.pop()),
                ALL => note.text.clear(),
                it if it < b' ' => {}
                it => note.add(it),
            }
        }
        if rest == ESCAPE {
            self.mode = Mode::Watches;
        }
        None
    }

    /// What stands below the figures.
    pub(super) fn lines(&self, standing: &[Standing], columns: usize) -> Vec<Line> {
        let plain = |text: String| Line {
            text,
            tone: Tone::Plain,
        };
        let asks = |text: String| Line {
            text,
            tone: Tone::Strong,
        };
        match &self.mode {
            Mode::Asks => vec![
                asks("  stop?  y  what is under way may finish".to_owned()),
                asks("         x  at once".to_owned()),
                plain("         any other key: no".to_owned()),
            ],
            Mode::Writes(note) => vec![
                asks(format!(
                    "  note: {}▏",
                    tail(&note.text, columns.saturating_sub(NOTE_BESIDE))
                )),
                plain("  Enter: set it, Esc: none".to_owned()),
            ],
            Mode::Watches if self.helps => help(standing).into_iter().map(plain).collect(),
            Mode::Watches => vec![plain(
                "  p pauses · m sets a mark · s stops · ? all keys".to_owned(),
            )],
        }
    }
}

/// Of a text that is longer than so many columns, the end.
fn tail(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut begin = text.char_indices().map(|(at, _)| at);
    let fits = |at: &usize| width(&text[*at..]) < columns;
    let at = begin.find(fits).unwrap_or(text.len());
    format!("…{}", &text[at..])
}

/// What all keys do.
fn help(standing: &[Standing]) -> Vec<String> {
    let pauses = match pause_or_resume(standing) {
        Change::Resume { .. } => "goes on",
        _ => "pauses: nothing new starts",
    };
    let mut lines = vec![
        format!("  p    {pauses}"),
        "  + -  10 % more or less: the rate, or users".to_owned(),
    ];
    let are_switched = standing.iter().any(|it| it.takes.contains(&"target"));
    let targets = if are_switched {
        targets(standing)
    } else {
        Vec::new()
    };
    lines.extend(targets.iter().enumerate().map(|(index, (target, on))| {
        let to = if *on { "off" } else { "on again" };
        format!("  {}    {target} {to}", index + 1)
    }));
    lines.extend([
        "  m    sets a mark".to_owned(),
        "  n    sets a note: a mark with your words".to_owned(),
        "  s    stops, and asks how".to_owned(),
        "  ?    hides this".to_owned(),
    ]);
    lines
}

/// What goes on is paused; where nothing does, it is resumed.
fn pause_or_resume(standing: &[Standing]) -> Change {
    let scenario = None;
    let mut going_on = standing.iter().filter(|it| !it.is_over);
    match !standing.is_empty() && going_on.all(|it| it.paused) {
        true => Change::Resume { scenario },
        false => Change::Pause { scenario },
    }
}

/// The rate of each scenario, or how many users it has, times this.
fn by(factor: f64, standing: &[Standing]) -> Vec<Change> {
    let of_each = |it: &Standing| {
        let scenario = Some(it.scenario.clone());
        let takes = |name: &str| it.takes.contains(&name);
        match (it.rate.filter(|_| takes("rate")), it.users) {
            (Some(rate), _) => Rate::new(rounded(rate * factor))
                .ok()
                .map(|rate| Change::Rate { scenario, rate }),
            (None, Some(users)) if takes("users") => Some(Change::Users {
                scenario,
                users: of_users(users, it.most_users, factor),
            }),
            _ => None,
        }
    };
    let changes: Vec<_> = standing.iter().filter_map(of_each).collect();
    if !changes.is_empty() {
        return changes;
    }
    // It is refused, and that says why.
    let first = standing.iter().find(|it| !it.is_over);
    let users = first.and_then(|it| Some(of_users(it.users?, it.most_users, factor)));
    vec![match users {
        Some(users) => Change::Users {
            scenario: None,
            users,
        },
        None => Change::Rate {
            scenario: None,
            rate: Rate::new(1.0).expect("it is within bounds"),
        },
    }]
}

/// So many users times this, and at least one more or less; those that there can be, until there are.
fn of_users(users: u32, most: u32, factor: f64) -> u32 {
    let product = (f64::from(users) * factor).round() as u32;
    match factor > 1.0 {
        true if users < most => product.max(users + 1).min(most),
        true => users.saturating_add(1),
        false => product.min(users.saturating_sub(1)),
    }
}

/// In three digits, which is as fine as somebody wants it who presses a key.
fn rounded(rate: f64) -> f64 {
    let digits = rate.log10().floor();
    if digits > 2.0 {
        let unit = 10_f64.powf(digits - 2.0);
        return (rate / unit).round() * unit;
    }
    // By its digits: a product of tenths has more than it shows.
    let decimals = (2.0 - digits) as usize;
    format!("{rate:.decimals$}").parse().unwrap_or(rate)
}

/// The targets that keys switch, and whether they are on: in all scenarios that could switch them and go on.
fn targets(standing: &[Standing]) -> Vec<(&str, bool)> {
    let mut all: Vec<(&str, bool)> = Vec::new();
    for scenario in standing.iter().filter(|it| !it.is_over) {
        let could = scenario.takes.contains(&"target");
        for target in &scenario.targets {
            match all.iter_mut().find(|(known, _)| *known == target.target) {
                Some((_, on)) => *on &= target.on || !could,
                None => all.push((&target.target, target.on || !could)),
            }
        }
    }
    all.truncate(MOST_TARGETS);
    all
}

/// Switches the target of this key.
fn switch(index: usize, standing: &[Standing]) -> Option<Change> {
    let (target, on) = *targets(standing).get(index)?;
    Some(Change::Target {
        scenario: None,
        target: target.to_owned(),
        on: !on,
    })
}

#[cfg(test)]
mod tests {
    use loadgen_core::engine::TargetStanding;
    use test_case::test_case;

    use super::*;

    fn open(name: &str, rate: f64) -> Standing {
        let mut standing = Standing::new(name);
        standing.rate = Some(rate);
        standing.takes = vec!["pause", "rate", "target", "note", "stop"];
        standing.targets = vec![
            TargetStanding::new("a:1", true),
            TargetStanding::new("b:2", false),
        ];
        standing
    }

    fn closed(name: &str, users: u32) -> Standing {
        let mut standing = Standing::new(name);
        standing.users = Some(users);
        standing.most_users = 50;
        standing.takes = vec!["pause", "users", "note", "stop"];
        standing
    }

    /// A run that stays as it is, but for pauses, and what it was told.
    #[derive(Default)]
    struct Told {
        standing: Vec<Standing>,
        changes: Vec<Change>,
    }

    impl Steered for Told {
        fn standing(&self) -> Vec<Standing> {
            self.standing.clone()
        }

        fn tell(&mut self, change: &Change) -> bool {
            let paused = match change {
                Change::Pause { .. } => Some(true),
                Change::Resume { .. } => Some(false),
                _ => None,
            };
            for standing in &mut self.standing {
                standing.paused = paused.unwrap_or(standing.paused);
            }
            self.changes.push(change.clone());
            true
        }
    }

    /// What is asked for by what is typed, a piece at a time, as JSON.
    fn asked(typed: &[&str], standing: &[Standing]) -> Vec<String> {
        let mut run = Told {
            standing: standing.to_vec(),
            ..Told::default()
        };
        let mut keyboard = Keyboard::default();
        for piece in typed {
            keyboard.take(piece.as_bytes(), &mut run);
        }
        let changes = run.changes.iter();
        changes
            .map(|it| serde_json::to_string(it).unwrap())
            .collect()
    }

    #[test_case(&["p"] => vec![r#"{"change":"pause"}"#]; "pause")]
    #[test_case(&["m", "M", "x"] => vec![r#"{"change":"note","text":"mark 1"}"#, r#"{"change":"note","text":"mark 2"}"#]; "marks")]
    #[test_case(&["+"] => vec![r#"{"change":"rate","scenario":"buy","rate":"367/s"}"#, r#"{"change":"users","scenario":"look","users":44}"#]; "more")]
    #[test_case(&["-"] => vec![r#"{"change":"rate","scenario":"buy","rate":"300/s"}"#, r#"{"change":"users","scenario":"look","users":36}"#]; "less")]
    #[test_case(&["1"] => vec![r#"{"change":"target","target":"a:1","on":false}"#]; "off")]
    #[test_case(&["2"] => vec![r#"{"change":"target","target":"b:2","on":true}"#]; "on")]
    #[test_case(&["3"] => Vec::<String>::new(); "no such target")]
    #[test_case(&["mm"] => vec![r#"{"change":"note","text":"mark 1"}"#, r#"{"change":"note","text":"mark 2"}"#]; "a key that is held")]
    #[test_case(&["pp"] => vec![r#"{"change":"pause"}"#, r#"{"change":"resume"}"#]; "a pause that is held")]
    #[test_case(&["s", "y"] => vec![r#"{"change":"stop"}"#]; "stop")]
    #[test_case(&["s", "x"] => vec![r#"{"change":"stop","at_once":true}"#]; "at once")]
    #[test_case(&["s", "m", "y"] => Vec::<String>::new(); "no stop")]
    #[test_case(&["make mp", "\x1b[1;2p"] => Vec::<String>::new(); "typed for somebody else")]
    #[test_case(&["n", "p + ", "Ärger\x7f\x7fe", "\x1b[A", "r?", "\r"] => vec![r#"{"change":"note","text":"p + Ärger?"}"#]; "note")]
    #[test_case(&["n", "de\x1b[Aploy\x1b[1;", "ed\r"] => vec![r#"{"change":"note","text":"deployed"}"#]; "arrows among characters")]
    #[test_case(&["n", "gone\x1b", "p"] => vec![r#"{"change":"pause"}"#]; "no note after all")]
    #[test_case(&["n", "gone", "\x15", "here\n"] => vec![r#"{"change":"note","text":"here"}"#]; "note begun anew")]
    #[test_case(&["n", "p", "\x1b", "p"] => vec![r#"{"change":"pause"}"#]; "no note")]
    #[test_case(&["n", " ", "\r"] => Vec::<String>::new(); "empty note")]
    fn keys_ask_for(keys: &[&str]) -> Vec<String> {
        asked(keys, &[open("buy", 333.3), closed("look", 40)])
    }

    #[test]
    fn what_is_paused_goes_on_once_all_is() {
        let mut all = vec![open("buy", 5.0), closed("look", 40), closed("over", 2)];
        all[0].paused = true;
        all[2].is_over = true;
        assert_eq!(asked(&["p"], &all), [r#"{"change":"pause"}"#]);
        all[1].paused = true;
        assert_eq!(asked(&["p"], &all), [r#"{"change":"resume"}"#]);
        assert_eq!(asked(&["p"], &[]), [r#"{"change":"pause"}"#]);
    }

    /// Who is in the way says so, instead of a key that does nothing.
    #[test]
    fn what_cannot_be_changed_is_asked_for_and_refused() {
        let mut fixed = closed("look", 1);
        fixed.takes.clear();
        let all = [fixed];
        assert_eq!(asked(&["+"], &all), [r#"{"change":"users","users":2}"#]);
        assert_eq!(asked(&["-"], &all), [r#"{"change":"users","users":0}"#]);
        let mut warms_up = open("buy", 5.0);
        warms_up.takes.clear();
        let mut over = closed("over", 5);
        over.is_over = true;
        over.takes.clear();
        let asked = asked(&["+"], &[over, warms_up]);
        assert_eq!(asked, [r#"{"change":"rate","rate":"1/s"}"#]);
    }

    /// The last of those that there can be are reached, and what is beyond is refused.
    #[test_case(46 => 50)]
    #[test_case(50 => 51)]
    #[test_case(4 => 5)]
    fn more_users(users: u32) -> u32 {
        of_users(users, 50, 1.1)
    }

    /// Of one that is over, or that could not do without it, no key hears.
    #[test]
    fn a_target_that_was_switched_off_is_switched_on() {
        let mut over = open("over", 5.0);
        over.is_over = true;
        let mut fixed = open("fixed", 5.0);
        fixed.takes.clear();
        fixed.targets.truncate(1);
        let mut goes_on = open("goes on", 5.0);
        goes_on.targets[0].on = false;
        let expected = [r#"{"change":"target","target":"a:1","on":true}"#];
        assert_eq!(asked(&["1"], &[over, fixed, goes_on]), expected);
    }

    #[test]
    fn a_note_is_bounded_and_whole() {
        let mut run = Told::default();
        let mut keyboard = Keyboard::default();
        keyboard.take(b"n", &mut run);
        // A character that broke off, and then pieces that end within one.
        keyboard.take(b"\xc3a", &mut run);
        let whole = "ä".repeat(LONGEST_NOTE + 50);
        for piece in whole.as_bytes().chunks(63) {
            keyboard.take(piece, &mut run);
        }
        let text = format!("a{}", "ä".repeat(LONGEST_NOTE - 1));
        let [line, _] = &keyboard.lines(&[], 20)[..] else {
            panic!("a note is written");
        };
        assert_eq!(line.text, format!("  note: …{}▏", "ä".repeat(10)));
        keyboard.take(b"\r", &mut run);
        let scenario = None;
        assert_eq!(run.changes, [Change::Note { scenario, text }]);
    }

    #[test]
    fn shows_what_keys_do() {
        let text = |keyboard: &Keyboard| {
            let lines = keyboard.lines(&[open("buy", 5.0)], 60);
            let lines: Vec<_> = lines.into_iter().map(|it| it.text).collect();
            assert!(lines.iter().all(|it| it.chars().count() <= 60), "{lines:?}");
            // All are indented by two.
            lines.join("\n").replace("\n  ", "\n")[2..].to_owned()
        };
        let mut keyboard = Keyboard::default();
        insta::assert_snapshot!(text(&keyboard), @"p pauses · m sets a mark · s stops · ? all keys");
        keyboard.take(b"?", &mut Told::default());
        insta::assert_snapshot!(text(&keyboard), @"
        p    pauses: nothing new starts
        + -  10 % more or less: the rate, or users
        1    a:1 off
        2    b:2 on again
        m    sets a mark
        n    sets a note: a mark with your words
        s    stops, and asks how
        ?    hides this
        ");
        keyboard.take(b"s", &mut Told::default());
        insta::assert_snapshot!(text(&keyboard), @"
        stop?  y  what is under way may finish
               x  at once
               any other key: no
        ");
        keyboard.take(b"q", &mut Told::default());
        keyboard.take(b"n", &mut Told::default());
        keyboard.take(b"deploy", &mut Told::default());
        insta::assert_snapshot!(text(&keyboard), @"
        note: deploy▏
        Enter: set it, Esc: none
        ");
    }

    #[test_case(333.3 => "333")]
    #[test_case(44.0 * 1.1 => "48.4"; "a product of tenths")]
    #[test_case(0.012_345 => "0.0123")]
    #[test_case(98_765.0 => "98800")]
    fn rates_have_three_digits(rate: f64) -> String {
        rounded(rate).to_string()
    }
}
