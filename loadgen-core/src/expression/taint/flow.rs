//! How secrets go from one statement of a template to another.
//!
//! minijinja's instructions are followed by filters that see the values on their way (`Flow`): what is set to a
//! name, lies in a list that is gone through, or is written for later. Owns which instructions that are and what
//! the filters do. Templates that can read no secret have none of it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use minijinja::machinery::Instruction;
use minijinja::value::Object;
use minijinja::{Environment, Error, Value};

use super::{READS, keep, looked_for, reads};
use crate::expression::Names;
use crate::expression::bounds;

// Names that no source text can have for a filter.
const SET: &str = "->set";
const GET: &str = "->get";
const UNPACK: &str = "->unpack";
const FOR: &str = "->for";
const END_FOR: &str = "->endfor";
const CAPTURE: &str = "->capture";
const END_CAPTURE: &str = "->endcapture";
const IF: &str = "->if";
const HOLD: &str = "->hold";

/// What may be a secret, or have one in it.
const ROOTS: [&str; 4] = ["row", "saved", "setup", "env"];
/// Filters that no file says are loaded anew each time, and not kept by a number.
const NO_PLACE: u8 = !0;
/// Longer ones are no secret of one piece.
const LONGEST: usize = 64 << 10;

thread_local! {
    /// Whether there is anything below that an evaluation leaves to the next.
    static IS_LEFT: Cell<bool> = const { Cell::new(false) };
    /// What the loops write that are gone through, the innermost last.
    static LOOPS: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
    /// How many those are.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How many secrets were ever written.
    static WRITTEN: Cell<u64> = const { Cell::new(0) };
    /// How many those were when what is written for later began, and whether a secret had been read by then.
    static CAPTURES: RefCell<Vec<(u64, bool)>> = const { RefCell::new(Vec::new()) };
    /// Whether a namespace has been given a secret.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// An evaluation begins. One before it may have ended anywhere.
pub(super) fn begin() {
    if IS_LEFT.replace(false) {
        LOOPS.with_borrow_mut(Vec::clear);
        CAPTURES.with_borrow_mut(Vec::clear);
        DEPTH.set(0);
        HELD.set(false);
    }
}

/// Whether what is written has to be seen, too.
pub(in crate::expression) fn is_followed() -> bool {
    READS.get() || DEPTH.get() > 0
}

/// A text is written; the next expression begins. One that says nothing (`true`) is no secret, whatever it was
/// made of.
pub(in crate::expression) fn emits(text: &str, says_nothing: bool) {
    let is_secret = READS.replace(false) && !says_nothing;
    if is_secret {
        keep(text);
        WRITTEN.set(WRITTEN.get() + 1);
    }
    if DEPTH.get() > 0 {
        LOOPS.with_borrow_mut(|runs| runs.iter_mut().for_each(|run| run.add(text, is_secret)));
    }
}

/// What a loop writes, from its first secret to its last. It may come in pieces that are too short to be looked
/// for, a character each.
#[derive(Default)]
struct Run {
    text: String,
    /// Where the last one ends.
    end: usize,
}

impl Run {
    fn add(&mut self, text: &str, is_secret: bool) {
        if self.text.len() + text.len() > LONGEST {
            self.keep();
            *self = Self::default();
        }
        if is_secret || self.end > 0 {
            self.text.push_str(text);
        }
        if is_secret {
            self.end = self.text.len();
        }
    }

    fn keep(&self) {
        keep(&self.text[..self.end]);
    }
}

/// A secret while it lies in a name or a list.
struct Sealed(Value);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl Object for Sealed {
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        reads(&self.0);
        fmt::Display::fmt(&self.0, f)
    }
}

/// What lies sealed in there; its reader has read a secret.
pub(in crate::expression) fn opened(value: &Value) -> Option<Value> {
    let sealed = value.downcast_object_ref::<Sealed>()?;
    READS.set(true);
    Some(sealed.0.clone())
}

fn seal(value: &Value) -> Value {
    match value.downcast_object_ref::<Sealed>() {
        Some(_) => value.clone(),
        None => Value::from_object(Sealed(value.clone())),
    }
}

/// A value is set to a name.
fn set(value: &Value) -> Value {
    if !READS.replace(false) {
        return value.clone();
    }
    if let Some(text) = looked_for(value) {
        keep(&text);
    }
    seal(value)
}

/// A name is looked up.
fn get(value: &Value) -> Value {
    if HELD.get() {
        READS.set(true);
    }
    opened(value).unwrap_or_else(|| value.clone())
}

/// The items of a value are about to be taken out.
fn unpack(value: &Value) -> Result<Value, Error> {
    let whole = opened(value);
    let value = whole.as_ref().unwrap_or(value);
    if !READS.replace(false) {
        return Ok(value.clone());
    }
    if let Some(text) = looked_for(value) {
        keep(&text);
    }
    let Ok(items) = value.try_iter() else {
        return Ok(value.clone());
    };
    let mut sealed = Vec::new();
    for item in items {
        bounds::spend_items(1)?;
        sealed.push(seal(&item));
    }
    Ok(sealed.into())
}

fn begin_loop(value: &Value) -> Result<Value, Error> {
    IS_LEFT.set(true);
    DEPTH.set(DEPTH.get() + 1);
    LOOPS.with_borrow_mut(|runs| runs.push(Run::default()));
    unpack(value)
}

fn end_loop(_: &Value) {
    DEPTH.set(DEPTH.get().saturating_sub(1));
    if let Some(run) = LOOPS.with_borrow_mut(Vec::pop) {
        run.keep();
    }
}

fn begin_capture(_: &Value) {
    IS_LEFT.set(true);
    let before = (WRITTEN.get(), READS.replace(false));
    CAPTURES.with_borrow_mut(|all| all.push(before));
}

/// What was written for later is there.
fn end_capture(value: &Value) -> Value {
    let (written, is_read) = CAPTURES.with_borrow_mut(Vec::pop).unwrap_or_default();
    READS.set(is_read || WRITTEN.get() > written);
    value.clone()
}

/// A condition of `{% if %}` or of a loop has come to this.
fn condition(value: &Value) -> Value {
    READS.set(false);
    value.clone()
}

/// A namespace is given a value. Nobody can say which of its fields are read, so all names are secret then.
fn hold(namespace: &Value) -> Value {
    if READS.replace(false) {
        IS_LEFT.set(true);
        HELD.set(true);
    }
    namespace.clone()
}

pub(in crate::expression) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter(SET, set);
    environment.add_filter(GET, get);
    environment.add_filter(UNPACK, unpack);
    environment.add_filter(FOR, begin_loop);
    environment.add_filter(END_FOR, end_loop);
    environment.add_filter(CAPTURE, begin_capture);
    environment.add_filter(END_CAPTURE, end_capture);
    environment.add_filter(IF, condition);
    environment.add_filter(HOLD, hold);
}

/// What is done around the instructions of a template to follow secrets.
pub(in crate::expression) struct Flow<'a, 'i> {
    all: &'i [&'i Instruction<'a>],
    /// The names that the template sets itself.
    own: HashSet<&'a str>,
    repeats: bool,
}

impl<'a, 'i> Flow<'a, 'i> {
    /// Nothing where no secret can be read, and nothing is carried on.
    pub(in crate::expression) fn of(all: &'i [&'i Instruction<'a>], names: &Names) -> Option<Self> {
        use Instruction as I;
        let carries = all.iter().any(|it| {
            matches!(
                it,
                I::StoreLocal(_) | I::PushLoop(_) | I::BeginCapture(_) | I::JumpIfFalse(_)
            )
        });
        let reads = ROOTS.iter().any(|root| names.uses(root));
        (reads && carries).then(|| Self {
            all,
            own: all.iter().filter_map(|it| stored(it)).collect(),
            repeats: all.iter().any(|it| matches!(it, Instruction::PushLoop(_))),
        })
    }

    /// What comes before the instruction at this place, and what after it.
    pub(in crate::expression) fn around(
        &self,
        at: usize,
    ) -> (Vec<Instruction<'a>>, Vec<Instruction<'a>>) {
        use Instruction as I;
        let on_top = |name| vec![I::ApplyFilter(name, Some(1), NO_PLACE)];
        let beside = |name| {
            let filter = I::ApplyFilter(name, Some(1), NO_PLACE);
            vec![I::LoadConst(Value::from(())), filter, I::DiscardTop]
        };
        let nothing = Vec::new;
        match self.all[at] {
            I::StoreLocal(_) => (on_top(SET), nothing()),
            I::SetAttr(_) => (on_top(HOLD), nothing()),
            I::UnpackList(_) => (on_top(UNPACK), nothing()),
            I::Lookup(name) if self.own.contains(name) => (nothing(), on_top(GET)),
            // The items before and after this one.
            I::GetAttr("previtem" | "nextitem") | I::GetItem if self.repeats => {
                (nothing(), on_top(GET))
            }
            I::PushLoop(_) | I::FastRecurse => (on_top(FOR), nothing()),
            I::CallFunction("loop", Some(1)) => {
                ([on_top(FOR), beside(CAPTURE)].concat(), on_top(END_CAPTURE))
            }
            I::PopLoopFrame => (beside(END_FOR), nothing()),
            I::BeginCapture(_) => (beside(CAPTURE), nothing()),
            I::EndCapture => (nothing(), on_top(END_CAPTURE)),
            I::JumpIfFalse(otherwise) if self.is_of_statement(at, *otherwise as usize) => {
                (on_top(IF), nothing())
            }
            _ => (nothing(), nothing()),
        }
    }

    /// Whether a condition is one of `{% if %}` or of a loop, and no `… if …` within an expression, whose first
    /// part leaves its value where the second part is jumped over.
    fn is_of_statement(&self, at: usize, otherwise: usize) -> bool {
        use Instruction as I;
        if matches!(self.all.get(at + 1), Some(I::Swap)) {
            return true;
        }
        let jumps_over = otherwise.checked_sub(1).filter(
            |last| matches!(self.all.get(*last), Some(I::Jump(end)) if *end as usize >= otherwise),
        );
        let Some(last) = jumps_over else {
            return true;
        };
        last == at + 1
            || matches!(
                self.all[last - 1],
                I::Emit
                    | I::EmitRaw(_)
                    | I::FastRecurse
                    | I::StoreLocal(_)
                    | I::SetAttr(_)
                    | I::PopFrame
                    | I::PopLoopFrame
                    | I::PopAutoEscape
            )
    }
}

fn stored<'a>(instruction: &Instruction<'a>) -> Option<&'a str> {
    match instruction {
        Instruction::StoreLocal(name) => Some(name),
        _ => None,
    }
}
