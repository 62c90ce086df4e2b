//! Which names are known in which part of a scenario, before the run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::mistake::Mistake;
use super::{Script, environment};
use crate::expression::{ExpressionError, Fields, Known, Names, Scope, Text};
use crate::nearest::did_you_mean;

/// A part of a scenario whose steps are done together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) enum Part {
    Setup,
    Begin,
    Steps,
    End,
}

impl Part {
    /// The field that it is.
    pub(in crate::driver) fn field(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Begin => "begin",
            Self::Steps => "steps",
            Self::End => "end",
        }
    }
}

/// What was noted while a scenario's expressions were looked through.
#[derive(Debug, Default)]
pub(in crate::driver) struct Notes {
    roots: RefCell<BTreeSet<String>>,
    env: RefCell<BTreeSet<String>>,
    /// The sources of rows that are asked for by name, and whether all are.
    rows: RefCell<BTreeSet<String>>,
    all_rows: Cell<bool>,
    mistakes: RefCell<Vec<Mistake>>,
}

impl Notes {
    /// Something is wrong.
    pub(in crate::driver) fn wrong(&self, mistake: Mistake) {
        let mut mistakes = self.mistakes.borrow_mut();
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }

    /// Everything that is wrong.
    pub(in crate::driver) fn mistakes(&self) -> Vec<Mistake> {
        self.mistakes.borrow().clone()
    }

    /// Whether some expression uses this name.
    pub(super) fn uses(&self, root: &str) -> bool {
        self.roots.borrow().contains(root)
    }

    /// Whether some expression uses rows of this source, where there are several.
    pub(super) fn uses_row_of(&self, source: &str) -> bool {
        self.all_rows.get() || self.rows.borrow().contains(source)
    }

    /// Whether there is any expression that depends on anything.
    pub(super) fn uses_any(&self) -> bool {
        !self.roots.borrow().is_empty()
    }

    /// The variables of the environment that are used.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        environment(&self.env.borrow())
    }
}

/// The names that are known in one part of a scenario.
#[derive(Debug)]
pub(in crate::driver) struct Lexicon<'a> {
    known: BTreeMap<String, Known>,
    notes: &'a Notes,
    /// The names whose values can be told before the run.
    foreseen: Vec<String>,
    /// What is tried before the run is tried with this.
    first_turn: Scope,
}

/// The names whose values can be told before the run, of every scenario.
const FORESEEN: [&str; 5] = ["user", "iteration", "worker", "scenario", "row"];

/// The names that a reply may offer.
const OF_A_REPLY: [&str; 5] = ["reply", "status", "metadata", "headers", "trailers"];

impl<'a> Lexicon<'a> {
    /// Those of a part; `saved` and `setup` are what is saved before it or in it, and in `setup`.
    pub(in crate::driver) fn new(
        script: &Script,
        part: Part,
        saved: &BTreeSet<&str>,
        setup: &BTreeSet<&str>,
        notes: &'a Notes,
    ) -> Self {
        let not_here = |why: &str| Known::NotHere(why.into());
        let fields = |names: &BTreeSet<&str>| {
            Known::fields(
                names
                    .iter()
                    .map(|name| ((*name).to_owned(), Known::Anything)),
            )
        };
        let in_setup = "`setup` is done once, before there are users";
        let user = match part {
            Part::Setup => not_here(in_setup),
            _ => Known::Number,
        };
        let iteration = match part {
            Part::Setup => not_here(in_setup),
            Part::Begin | Part::End => not_here("it belongs to no iteration here"),
            Part::Steps => Known::Number,
        };
        let setup = match part {
            Part::Setup => not_here("what `setup` saves is `saved` within it"),
            _ => fields(setup),
        };
        let mut known: BTreeMap<String, Known> = [
            ("user", user.clone()),
            ("iteration", iteration),
            ("worker", user),
            ("scenario", Known::Text),
            ("row", script.known_rows(part)),
            ("saved", fields(saved)),
            ("setup", setup),
            ("env", Known::Fields(Rc::new(Environment))),
        ]
        .map(|(name, known)| (name.to_owned(), known))
        .into();
        known.extend(script.own_names().map(|it| (it.to_owned(), Known::Text)));
        for name in OF_A_REPLY {
            let why = "there is none before the request; `save` what a later step needs";
            known.insert(name.to_owned(), not_here(why));
        }
        Self {
            known,
            notes,
            foreseen: FORESEEN
                .into_iter()
                .chain(script.own_names())
                .map(str::to_owned)
                .collect(),
            first_turn: script.first_turn(),
        }
    }

    /// Takes note of the names that something at this path uses before the request; those that are not
    /// known are mistakes.
    pub(in crate::driver) fn check(&self, names: &Names, path: &str) {
        self.checked(names, path, &self.known);
    }

    /// Tries something that uses these names, where their values can be told before the run; what it comes
    /// to must do.
    pub(in crate::driver) fn try_out(
        &self,
        names: &Names,
        evaluate: impl FnOnce(&Scope) -> Result<(), ExpressionError>,
    ) {
        let foreseen: Vec<&str> = self.foreseen.iter().map(String::as_str).collect();
        if !names.are_only(&foreseen) || !names.unknown(&self.known).is_empty() {
            return;
        }
        if let Err(error) = evaluate(&self.first_turn) {
            // A row may hold secrets.
            let told = self.first_turn.masked(&error.to_string());
            let (path, problem) = told.split_once(": ").unwrap_or(("", &told));
            let with = match names.uses("row") {
                true => " (with the first row of `data`)",
                false => "",
            };
            self.notes
                .wrong(Mistake::new(path, format!("{problem}{with}")));
        }
    }

    /// The same of something that looks at a reply, which offers these.
    pub(in crate::driver) fn check_with(
        &self,
        reply: &[(&'static str, Known)],
        names: &Names,
        path: &str,
    ) {
        let mut known = self.known.clone();
        for name in OF_A_REPLY {
            let why = "this reply has none".into();
            known.insert(name.to_owned(), Known::NotHere(why));
        }
        known.extend(
            reply
                .iter()
                .map(|(name, it)| ((*name).to_owned(), it.clone())),
        );
        self.checked(names, path, &known);
    }

    /// The same of something that looks at a message alone.
    pub(in crate::driver) fn check_reply(&self, names: &Names, path: &str) {
        let mut known = self.known.clone();
        for known in known.values_mut() {
            *known = Known::NotHere("only the message is known here, as `reply`".into());
        }
        known.insert("reply".to_owned(), Known::Anything);
        self.checked(names, path, &known);
    }

    fn checked(&self, names: &Names, path: &str, known: &BTreeMap<String, Known>) {
        for unknown in names.unknown(known) {
            let problem = format!("`{}` {}", unknown.name, unknown.problem);
            self.notes.wrong(Mistake::new(path, problem));
        }
        for problem in names.incomparable(known) {
            self.notes.wrong(Mistake::new(path, problem));
        }
        for whole in ["env", "saved", "setup"] {
            let is_here = !matches!(known.get(whole), Some(Known::NotHere(_)));
            if names.uses_all_of(whole) && is_here {
                let problem = format!("`{whole}` needs a name: `{whole}.NAME`");
                self.notes.wrong(Mistake::new(path, problem));
            }
        }
        let mut roots = self.notes.roots.borrow_mut();
        roots.extend(names.roots().map(str::to_owned));
        let mut rows = self.notes.rows.borrow_mut();
        rows.extend(names.fields_of("row").map(str::to_owned));
        if names.uses_all_of("row") {
            self.notes.all_rows.set(true);
        }
        let mut env = self.notes.env.borrow_mut();
        env.extend(names.fields_of("env").map(str::to_owned));
    }

    /// A text that is filled in; `None` for a constant. What is wrong with it is noted.
    pub(in crate::driver) fn template(&self, text: &str, path: &str) -> Option<Text> {
        match Text::parse(text) {
            Ok(Text::Constant(_)) => None,
            Ok(text) => {
                self.check(&text.names(), path);
                Some(text)
            }
            Err(error) => {
                self.wrong(path, error.to_string());
                None
            }
        }
    }

    /// Notes something that is wrong with what is sent.
    pub(in crate::driver) fn add(&self, mistake: Mistake) {
        self.notes.wrong(mistake);
    }

    /// Notes something else that is wrong.
    pub(in crate::driver) fn wrong(&self, path: &str, problem: impl Into<String>) {
        self.notes.wrong(Mistake::new(path, problem.into()));
    }
}

/// The variables of the environment.
struct Environment;

impl Fields for Environment {
    fn field(&self, name: &str) -> Option<Known> {
        std::env::var(name).ok().map(|_| Known::Text)
    }

    fn names(&self) -> Vec<String> {
        let names = std::env::vars_os().map(|(name, _)| name);
        names.filter_map(|name| name.into_string().ok()).collect()
    }

    /// There are many, and most are nobody's business.
    fn help(&self, name: &str) -> Option<String> {
        let names = self.names();
        let near = did_you_mean(name, names.iter().map(String::as_str));
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        Some(format!("the environment has no such variable{near}"))
    }
}
