//! How deep a source text may be: what goes through it calls itself, and a chain of operators is as deep as it is
//! long.

use minijinja::machinery::{Token, tokenize};
use minijinja::{Error, ErrorKind};

/// The most operators, points, filters and brackets one within the other or one behind the other.
const MOST: usize = 200;
/// The most statements one within the other, each `elif` among them.
const MOST_STATEMENTS: usize = 50;

/// Whether a source stays within bounds. What is no source at all the parser tells of.
///
/// # Errors
/// It is too deep.
pub(super) fn bound(source: &str, is_expression: bool) -> Result<(), Error> {
    let (mut expression, mut statements) = (Depth::default(), Vec::<usize>::new());
    let mut begins_statement = false;
    let tokens = tokenize(
        source,
        is_expression,
        Default::default(),
        Default::default(),
    );
    for (token, _) in tokens.map_while(Result::ok) {
        match &token {
            Token::VariableStart | Token::BlockStart => expression = Depth::default(),
            Token::Ident(word) if begins_statement => follow(word, &mut statements),
            _ => {}
        }
        begins_statement = matches!(token, Token::BlockStart);
        if expression.after(&token) > MOST {
            return too_deep(format!(
                "it has more than {MOST} operators, points, filters and brackets within or behind each other; \
                 make several of it"
            ));
        }
        if statements.iter().sum::<usize>() > MOST_STATEMENTS {
            return too_deep(format!(
                "it has more than {MOST_STATEMENTS} statements within each other, with each `elif`"
            ));
        }
    }
    Ok(())
}

fn too_deep(problem: String) -> Result<(), Error> {
    Err(Error::new(ErrorKind::SyntaxError, problem))
}

/// Notes which statements are open, and how deep each is.
fn follow(word: &str, statements: &mut Vec<usize>) {
    match (word, statements.last_mut()) {
        ("elif", Some(depth)) => *depth += 1,
        // A `set` that is a block may hold others, and is as deep as these.
        ("endset", _) => {}
        (word, _) if word.starts_with("end") => drop(statements.pop()),
        ("if" | "for" | "with" | "filter" | "autoescape", _) => statements.push(1),
        _ => {}
    }
}

/// How deep an expression is so far.
#[derive(Default)]
struct Depth {
    now: usize,
    /// The brackets around, each with the depth at which it begins and the deepest within.
    around: Vec<(usize, usize)>,
}

impl Depth {
    fn after(&mut self, token: &Token<'_>) -> usize {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.now += 1;
                self.around.push((self.now, self.now));
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                let (_, deepest) = self.around.pop().unwrap_or_default();
                self.now = self.now.max(deepest);
            }
            // What stands between commas is side by side.
            Token::Comma | Token::Colon => {
                if let Some((begin, deepest)) = self.around.last_mut() {
                    *deepest = self.now.max(*deepest);
                    self.now = *begin;
                }
            }
            Token::Ident(word) => {
                let is_operator =
                    matches!(*word, "and" | "or" | "not" | "is" | "in" | "if" | "else");
                self.now += usize::from(is_operator);
            }
            Token::TemplateData(_)
            | Token::VariableStart
            | Token::VariableEnd
            | Token::BlockStart
            | Token::BlockEnd
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::Assign => {}
            _ => self.now += 1,
        }
        self.now
    }
}
