//! From what is typed to what a run is told: a state machine that reads nothing and draws nothing.

use std::mem;

use loadgen_core::engine::{Change, LONGEST_NOTE, Standing};
use loadgen_core::units::Rate;

use crate::screen::keys::is_pressed;
use crate::screen::{Line, Tone};

/// By how much one key changes a rate or a number of users.
const STEP: f64 = 0.1;
/// The most targets that have a key.
const MOST_TARGETS: usize = 9;

const ESCAPE: u8 = 0x1b;
const BACKSPACE: [u8; 2] = [0x7f, 0x08];
/// Ctrl-U, which terminals take for "all of the line".
const ALL: u8 = 0x15;
const ENTER: [u8; 2] = [b'\r', b'\n'];

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
    /// What the run is to be told, after this was typed at once.
    pub(super) fn take(&mut self, typed: &[u8], standing: &[Standing]) -> Vec<Change> {
        if let Mode::Writes(_) = self.mode {
            return self.write(typed).into_iter().collect();
        }
        if !is_pressed(typed) {
            return Vec::new();
        }
        let changes = typed.iter().map(|key| self.press(*key, standing));
        changes.collect::<Vec<_>>().concat()
    }

    /// Something was done that it asked for.
    pub(super) fn was_done(&mut self, change: &Change) {
        if let Change::Note { text, .. } = change
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
        match typed {
            [ESCAPE] => self.mode = Mode::Watches,
            // An arrow, or another key that has no character.
            [ESCAPE, ..] => {}
            _ => {
                for byte in typed {
                    match *byte {
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
            }
        }
        None
    }

    /// What stands below the figures.
    pub(super) fn lines(&self, standing: &[Standing]) -> Vec<Line> {
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
                asks(format!("  note: {}▏", note.text)),
                plain("  Enter: set it, Esc: none".to_owned()),
            ],
            Mode::Watches if self.helps => help(standing).into_iter().map(plain).collect(),
            Mode::Watches => vec![plain(
                "  p pauses · m sets a mark · s stops · ? all keys".to_owned(),
            )],
        }
    }
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
                users: of_users(users, factor),
            }),
            _ => None,
        }
    };
    let changes: Vec<_> = standing.iter().filter_map(of_each).collect();
    if !changes.is_empty() {
        return changes;
    }
    // It is refused, and that says why.
    let users = standing.first().and_then(|it| it.users).unwrap_or(1);
    vec![Change::Users {
        scenario: None,
        users: of_users(users, factor),
    }]
}

/// So many users times this, and at least one more or less.
fn of_users(users: u32, factor: f64) -> u32 {
    let product = (f64::from(users) * factor).round() as u32;
    match factor > 1.0 {
        true => product.max(users.saturating_add(1)),
        false => product.min(users.saturating_sub(1)),
    }
}

/// In three digits, which is as fine as somebody wants it who presses a key.
fn rounded(rate: f64) -> f64 {
    let digits = rate.abs().log10().floor();
    let unit = 10_f64.powf(digits - 2.0);
    match unit.is_finite() && unit > 0.0 {
        true => (rate / unit).round() * unit,
        false => rate,
    }
}

/// The targets that keys switch, and whether any scenario sends to them.
fn targets(standing: &[Standing]) -> Vec<(&str, bool)> {
    let mut all: Vec<(&str, bool)> = Vec::new();
    for target in standing.iter().flat_map(|it| &it.targets) {
        match all.iter_mut().find(|(known, _)| *known == target.target) {
            Some((_, on)) => *on |= target.on,
            None => all.push((&target.target, target.on)),
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

    /// What is asked for by these keys, each pressed by itself, as JSON.
    fn asked(keys: &[&str], standing: &[Standing]) -> Vec<String> {
        let mut keyboard = Keyboard::default();
        let mut asked = Vec::new();
        for typed in keys {
            for change in keyboard.take(typed.as_bytes(), standing) {
                keyboard.was_done(&change);
                asked.push(serde_json::to_string(&change).unwrap());
            }
        }
        asked
    }

    #[test_case(&["p"] => vec![r#"{"change":"pause"}"#]; "pause")]
    #[test_case(&["m", "M", "x"] => vec![r#"{"change":"note","text":"mark 1"}"#, r#"{"change":"note","text":"mark 2"}"#]; "marks")]
    #[test_case(&["+"] => vec![r#"{"change":"rate","scenario":"buy","rate":"367/s"}"#, r#"{"change":"users","scenario":"look","users":44}"#]; "more")]
    #[test_case(&["-"] => vec![r#"{"change":"rate","scenario":"buy","rate":"300/s"}"#, r#"{"change":"users","scenario":"look","users":36}"#]; "less")]
    #[test_case(&["1"] => vec![r#"{"change":"target","target":"a:1","on":false}"#]; "off")]
    #[test_case(&["2"] => vec![r#"{"change":"target","target":"b:2","on":true}"#]; "on")]
    #[test_case(&["3"] => Vec::<String>::new(); "no such target")]
    #[test_case(&["s", "y"] => vec![r#"{"change":"stop"}"#]; "stop")]
    #[test_case(&["s", "x"] => vec![r#"{"change":"stop","at_once":true}"#]; "at once")]
    #[test_case(&["s", "m", "y"] => Vec::<String>::new(); "no stop")]
    #[test_case(&["make mp", "\x1b[1;2p"] => Vec::<String>::new(); "typed for somebody else")]
    #[test_case(&["n", "p + ", "Ärger\x7f\x7fe", "\x1b[A", "r?", "\r"] => vec![r#"{"change":"note","text":"p + Ärger?"}"#]; "note")]
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
    }

    #[test]
    fn a_note_is_bounded_and_whole() {
        let mut keyboard = Keyboard::default();
        keyboard.take(b"n", &[]);
        let whole = "ä".repeat(LONGEST_NOTE + 50);
        // Pieces that end within a character.
        for piece in whole.as_bytes().chunks(63) {
            keyboard.take(piece, &[]);
        }
        let asked = keyboard.take(b"\r", &[]);
        let text = "ä".repeat(LONGEST_NOTE);
        let scenario = None;
        assert_eq!(asked, [Change::Note { scenario, text }]);
    }

    #[test]
    fn shows_what_keys_do() {
        let text = |keyboard: &Keyboard| {
            let lines = keyboard.lines(&[open("buy", 5.0)]);
            let lines: Vec<_> = lines.into_iter().map(|it| it.text).collect();
            assert!(lines.iter().all(|it| it.chars().count() <= 60), "{lines:?}");
            // All are indented by two.
            lines.join("\n").replace("\n  ", "\n")[2..].to_owned()
        };
        let mut keyboard = Keyboard::default();
        insta::assert_snapshot!(text(&keyboard), @"p pauses · m sets a mark · s stops · ? all keys");
        keyboard.take(b"?", &[]);
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
        keyboard.take(b"s", &[]);
        insta::assert_snapshot!(text(&keyboard), @"
        stop?  y  what is under way may finish
               x  at once
               any other key: no
        ");
        keyboard.take(b"q", &[]);
        keyboard.take(b"n", &[]);
        keyboard.take(b"deploy", &[]);
        insta::assert_snapshot!(text(&keyboard), @"
        note: deploy▏
        Enter: set it, Esc: none
        ");
    }

    #[test_case(333.3 => 333.0)]
    #[test_case(0.012_345 => 0.012_3)]
    #[test_case(98_765.0 => 98_800.0)]
    fn rates_have_three_digits(rate: f64) -> f64 {
        (rounded(rate) * 1e7).round() / 1e7
    }
}
