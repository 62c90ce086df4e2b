//! From the steps of a plan to instructions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::after::{After, Looks, Save};
use super::mixture::Mixture;
use super::{Condition, Instruction, Steps};
use crate::driver::identity::Identity;
use crate::driver::mistake::Mistake;
use crate::driver::script::Lexicon;
use crate::expression::{Expression, Known};
use crate::scenario;

/// Where an action stands, and what is known there.
#[derive(Debug)]
pub(in crate::driver) struct At<'a> {
    /// The step's place in the scenario: `steps[0]`.
    pub(in crate::driver) path: &'a str,
    /// The step's number in reports.
    pub(in crate::driver) number: usize,
    /// What of the reply somebody looks at.
    pub(in crate::driver) looks: Looks,
    /// What of it checks and the like look at, and not only who wants to know whose it is.
    pub(in crate::driver) checked: Looks,
    /// Where its answer says whose it is.
    pub(in crate::driver) identity: &'a Identity,
    /// The names that what is sent may use.
    pub(in crate::driver) lexicon: &'a Lexicon<'a>,
    /// Whether anything is checked.
    pub(in crate::driver) has_checks: bool,
    /// Whether that is each message of a stream: for the driver to say.
    pub(in crate::driver) checks_each: Cell<bool>,
}

/// What a driver has made of an action.
#[derive(Debug)]
pub(in crate::driver) struct Ready<A> {
    /// It, ready to be done; `None` where nothing can be made of it yet, or is wrong.
    pub(in crate::driver) action: Option<A>,
    /// What its reply offers to expressions.
    pub(in crate::driver) reply: Vec<(&'static str, Known)>,
}

/// Where the answers of a scenario's steps say whose they are, and whether any of them can.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) identity: Identity,
    has_any: Cell<bool>,
    lacks: RefCell<Option<Mistake>>,
}

impl Named {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            has_any: Cell::new(false),
            lacks: RefCell::default(),
        }
    }

    /// A step's reply offers these.
    fn looked_at(&self, offered: &[(&'static str, Known)]) {
        match self.identity.lacks(offered) {
            None => self.has_any.set(true),
            Some(mistake) => {
                self.lacks.borrow_mut().get_or_insert(mistake);
            }
        }
    }

    /// Why none of them can say so, and whose they are; the others take that from the connection.
    pub(super) fn finish(self) -> (Identity, Option<Mistake>) {
        let lacks = self.lacks.into_inner().filter(|_| !self.has_any.get());
        (self.identity, lacks)
    }
}

/// What makes instructions of steps.
pub(super) struct Compiler<'a, A> {
    lexicon: &'a Lexicon<'a>,
    named: &'a Named,
    /// The number of the next step that speaks.
    number: usize,
    /// Where steps go that go elsewhere, by their numbers: to which of the guests, for which of its steps.
    seats: &'a BTreeMap<usize, (usize, usize)>,
    code: Vec<Instruction<A>>,
    loops: usize,
    /// How many groups that are done several times, or maybe not at all, are around what comes next.
    depth: usize,
}

impl<'a, A> Compiler<'a, A> {
    pub(super) fn new(
        lexicon: &'a Lexicon<'a>,
        named: &'a Named,
        number: usize,
        seats: &'a BTreeMap<usize, (usize, usize)>,
    ) -> Self {
        Self {
            lexicon,
            named,
            number,
            seats,
            code: Vec::new(),
            loops: 0,
            depth: 0,
        }
    }

    /// The instructions, and the number after the last step's.
    pub(super) fn finish(self) -> (Steps<A>, usize) {
        let steps = Steps {
            code: self.code.into(),
            loops: self.loops,
        };
        (steps, self.number)
    }

    pub(super) fn steps<P, E>(
        &mut self,
        steps: &[scenario::Step<P>],
        path: &str,
        ready: &mut impl FnMut(&P, &At<'_>) -> Result<Ready<A>, E>,
    ) -> Result<(), E> {
        for (index, step) in steps.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match &step.when {
                None => self.step(step, &path, ready)?,
                Some(when) => {
                    let jump = self.reserve();
                    self.depth += 1;
                    self.step(step, &path, ready)?;
                    self.depth -= 1;
                    let end = self.code.len();
                    let path = format!("{path}.when");
                    if let Some(expression) = self.expression(when, &path) {
                        self.lexicon.check(&expression.names(), &path);
                        let condition = Box::new(Condition { expression, path });
                        self.code[jump] = Instruction::Unless(condition, end);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn step<P, E>(
        &mut self,
        step: &scenario::Step<P>,
        path: &str,
        ready: &mut impl FnMut(&P, &At<'_>) -> Result<Ready<A>, E>,
    ) -> Result<(), E> {
        match &step.action {
            scenario::Action::Speak(action) => self.speak(step, action, path, ready),
            // Its expressions are compiled where what it says is.
            scenario::Action::Elsewhere(_) => {
                if let Some((which, nth)) = self.seats.get(&self.number) {
                    self.code.push(Instruction::Elsewhere(*which, *nth));
                }
                self.number += 1;
                Ok(())
            }
            scenario::Action::Pause(rest) => {
                self.code.push(Instruction::Pause(*rest));
                Ok(())
            }
            scenario::Action::Repeat { times, steps } => {
                let (which, times, from) = (self.loops, *times, self.code.len());
                self.loops += 1;
                self.depth += 1;
                self.steps(steps, &format!("{path}.repeat.steps"), ready)?;
                self.depth -= 1;
                self.code.push(Instruction::Again { which, times, from });
                Ok(())
            }
            scenario::Action::Mix(alternatives) => {
                let is_passed_once = self.depth == 0;
                let choose = self.reserve();
                let (mut starts, mut jumps) = (Vec::new(), Vec::new());
                self.depth += 1;
                for (index, alternative) in alternatives.iter().enumerate() {
                    starts.push(self.code.len());
                    let path = format!("{path}.mix[{index}].steps");
                    self.steps(&alternative.steps, &path, ready)?;
                    jumps.push(self.reserve());
                }
                self.depth -= 1;
                let end = self.code.len();
                for jump in jumps {
                    self.code[jump] = Instruction::Jump(end);
                }
                let weights: Vec<u32> = alternatives.iter().map(|it| it.weight).collect();
                let mixture = Mixture::new(&weights, starts, is_passed_once, choose as u64);
                self.code[choose] = Instruction::Choose(Box::new(mixture));
                Ok(())
            }
        }
    }

    /// Makes room for an instruction that is not known yet.
    fn reserve(&mut self) -> usize {
        let next = self.code.len() + 1;
        self.code.push(Instruction::Jump(next));
        next - 1
    }

    fn speak<P, E>(
        &mut self,
        step: &scenario::Step<P>,
        action: &P,
        path: &str,
        ready: &mut impl FnMut(&P, &At<'_>) -> Result<Ready<A>, E>,
    ) -> Result<(), E> {
        let checks: Vec<(String, Option<Expression>)> = step
            .check
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let path = format!("{path}.check[{index}]");
                let expression = self.expression(text, &path);
                (path, expression)
            })
            .collect();
        let saves: Vec<(String, Option<Expression>)> = step
            .save
            .iter()
            .map(|(name, text)| {
                let path = format!("{path}.save.{name}");
                let expression = self.expression(text, &path);
                (path, expression)
            })
            .collect();
        let names = step.save.iter().map(|(name, _)| name.as_str());
        let save = names
            .zip(&saves)
            .filter_map(|(name, (_, it))| Some(Save::new(name, it.clone()?)));
        let check = checks.iter().filter_map(|(_, it)| it.clone());
        let also = self.named.identity.looks();
        let is_looked_at = also != Looks::default();
        let after = (is_looked_at || !step.check.is_empty() || !step.save.is_empty())
            .then(|| After::new(check.collect(), save.collect(), path));
        let checked = after.as_ref().map(|it| it.looks).unwrap_or_default();
        let at = At {
            path,
            number: self.number,
            looks: checked.and(also),
            checked,
            identity: &self.named.identity,
            lexicon: self.lexicon,
            has_checks: !step.check.is_empty(),
            checks_each: Cell::new(false),
        };
        let made = ready(action, &at)?;
        let after = after.map(|it| match at.checks_each.get() {
            true => Arc::new(it.of_each()),
            false => Arc::new(it),
        });
        self.named.looked_at(&made.reply);
        for (path, expression) in checks.iter().chain(&saves) {
            if let Some(expression) = expression {
                self.lexicon
                    .check_with(&made.reply, &expression.names(), path);
            }
        }
        if let Some(action) = made.action {
            self.code.push(Instruction::Speak {
                number: self.number,
                action,
                after,
            });
        }
        self.number += 1;
        Ok(())
    }

    /// An expression of the plan. One that does not compile has been told of where the plan was checked, and
    /// is told of here where it was not.
    fn expression(&self, text: &str, path: &str) -> Option<Expression> {
        Expression::parse(text)
            .map_err(|error| self.lexicon.wrong(path, format!("`{text}`: {error}")))
            .ok()
    }
}
