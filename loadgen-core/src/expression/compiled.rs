//! What a source text is compiled to: minijinja's instructions, some of them with others in their place.
//!
//! minijinja compares a text with a number without a word, and bounds steps but not bytes. So what compares,
//! adds, multiplies or joins is handed to filters of our own (`operators`), and what a template emits as it
//! stands goes through its formatter, which counts. Owns how that is put together; what the operators do is theirs.

use std::collections::BTreeMap;

use minijinja::machinery::{
    CodeGenerator, Instruction, Instructions, Vm, WhitespaceConfig, ast, make_string_output, parse,
    parse_expr,
};
use minijinja::{AutoEscape, Environment, Error, Value};

use super::direct::{Direct, Pieces};
use super::names::Names;
use super::taint::Flow;
use super::{analysis, depth, operators};

/// What sources are called: nobody sees it.
const NAME: &str = "expression";
/// Filters that no file says are loaded anew each time, and not kept by a number.
const NO_PLACE: u8 = !0;

/// The instructions of a source text.
pub(super) struct Code(Owned);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.borrow_dependent().fmt(f)
    }
}

self_cell::self_cell! {
    struct Owned {
        owner: Box<str>,
        #[covariant]
        dependent: Instructions,
    }
}

impl Code {
    /// Those of an expression, and what can be said of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_expression(source: &str) -> Result<(Self, Names, Option<Direct>), Error> {
        depth::bound(source, true)?;
        let (mut names, mut direct) = (Names::default(), None);
        let owned = Owned::try_new(source.into(), |source| {
            let expression = parse_expr(source)?;
            names = analysis::of_expression(&expression, source)?;
            direct = Direct::of(&expression);
            let mut generator = CodeGenerator::new(NAME, source);
            generator.compile_expr(&expression);
            Ok::<_, Error>(guarded(&generator.finish().0, &names))
        })?;
        Ok((Self(owned), names, direct))
    }

    /// Those of a template, and what can be said of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_template(source: &str) -> Result<(Self, Names, Option<Pieces>), Error> {
        depth::bound(source, false)?;
        let (mut names, mut direct) = (Names::default(), None);
        let owned = Owned::try_new(source.into(), |source| {
            let whitespace = WhitespaceConfig {
                keep_trailing_newline: true,
                ..WhitespaceConfig::default()
            };
            let template: ast::Stmt<'_> = parse(source, NAME, Default::default(), whitespace)?;
            names = analysis::of_template(&template, source)?;
            direct = Pieces::of(&template);
            let mut generator = CodeGenerator::new(NAME, source);
            generator.compile_stmt(&template);
            Ok::<_, Error>(guarded(&generator.finish().0, &names))
        })?;
        Ok((Self(owned), names, direct))
    }

    /// What an expression comes to.
    ///
    /// # Errors
    /// Why it comes to nothing.
    pub(super) fn evaluate(
        &self,
        environment: &Environment<'_>,
        root: Value,
    ) -> Result<Value, Error> {
        self.run(environment, root, &mut String::new())
            .map(Option::unwrap_or_default)
    }

    /// What a template comes to.
    ///
    /// # Errors
    /// Why it comes to nothing.
    pub(super) fn render(
        &self,
        environment: &Environment<'_>,
        root: Value,
    ) -> Result<String, Error> {
        let mut text = String::with_capacity(self.0.borrow_owner().len());
        self.run(environment, root, &mut text)?;
        Ok(text)
    }

    fn run(
        &self,
        environment: &Environment<'_>,
        root: Value,
        text: &mut String,
    ) -> Result<Option<Value>, Error> {
        let blocks = BTreeMap::new();
        let mut output = make_string_output(text);
        let instructions = self.0.borrow_dependent();
        let done =
            Vm::new(environment).eval(instructions, root, &blocks, &mut output, AutoEscape::None);
        done.map(|(value, _)| value)
    }
}

/// The same instructions, with those in the place of some that are bounded and say what is wrong, and with what
/// follows secrets that go from one statement to another.
fn guarded<'a>(plain: &Instructions<'a>, names: &Names) -> Instructions<'a> {
    let all: Vec<&Instruction<'a>> = (0..).map_while(|at| plain.get(at)).collect();
    let repeats = all
        .iter()
        .any(|instruction| matches!(instruction, Instruction::PushLoop(_)));
    let flow = Flow::of(&all, names);
    let replaced: Vec<Vec<Instruction<'a>>> = all
        .iter()
        .enumerate()
        .map(|(at, instruction)| {
            let own = in_place_of(instruction, repeats);
            match &flow {
                None => own,
                Some(flow) => {
                    let (before, after) = flow.around(at);
                    [before, own, after].concat()
                }
            }
        })
        .collect();
    let mut next = 0;
    let mut places: Vec<u32> = Vec::with_capacity(replaced.len() + 1);
    for several in &replaced {
        places.push(next);
        next += several.len() as u32;
    }
    places.push(next);
    let mut guarded = Instructions::new(plain.name(), plain.source());
    for mut instruction in replaced.into_iter().flatten() {
        if let Instruction::Iterate(place)
        | Instruction::Jump(place)
        | Instruction::JumpIfFalse(place)
        | Instruction::JumpIfFalseOrPop(place)
        | Instruction::JumpIfTrueOrPop(place) = &mut instruction
        {
            *place = places[*place as usize];
        }
        guarded.add(instruction);
    }
    guarded
}

/// What stands in the place of an instruction; itself, mostly.
fn in_place_of<'a>(instruction: &Instruction<'a>, repeats: bool) -> Vec<Instruction<'a>> {
    use minijinja::machinery::Instruction as I;
    let filter = |name| vec![I::ApplyFilter(name, Some(2), NO_PLACE)];
    match instruction {
        I::Eq => filter(operators::EQ),
        I::Ne => filter(operators::NE),
        I::Lt => filter(operators::LT),
        I::Lte => filter(operators::LE),
        I::Gt => filter(operators::GT),
        I::Gte => filter(operators::GE),
        I::Add => filter(operators::ADD),
        I::Mul => filter(operators::MULTIPLY),
        I::StringConcat => filter(operators::JOIN),
        // The one on the right stays for the next comparison: the filter gives both.
        I::CompareAndPreserve(how) => match operators::preserving(*how as u8) {
            Some(name) => {
                let both = I::ApplyFilter(name, Some(2), NO_PLACE);
                vec![both, I::UnpackList(2)]
            }
            None => vec![instruction.clone()],
        },
        // Once is no more than stands in the file.
        I::EmitRaw(text) if repeats => vec![I::LoadConst(Value::from(*text)), I::Emit],
        other => vec![other.clone()],
    }
}
