//! What needs no interpreter: a dotted path, a `uuid()`, and templates that only put such between texts. Most
//! expressions of load are that.
//!
//! Owns how such are recognised and looked up. Whatever is not there is left to the interpreter, which can say why.

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{Path, Scope, emit, functions};

/// An expression that is looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Direct {
    /// `reply.user.name`: found by asking each value for the next.
    Path(Path),
    /// `uuid()`.
    Uuid,
}

impl Direct {
    /// What an expression is, if it is such a one.
    pub(super) fn of(expression: &Expr<'_>) -> Option<Self> {
        match expression {
            Expr::Call(call) if call.args.is_empty() => match &call.expr {
                Expr::Var(name) if name.id == functions::UUID => Some(Self::Uuid),
                _ => None,
            },
            expression => path(expression).map(Self::Path),
        }
    }

    /// What it comes to, where that is something.
    #[inline]
    pub(super) fn find(&self, scope: &Scope) -> Option<Value> {
        let is_there =
            |value: &Value| !matches!(value.kind(), ValueKind::Undefined | ValueKind::Invalid);
        let Self::Path(Path { root, fields }) = self else {
            return Some(functions::random_uuid(scope.draw()).into());
        };
        let root = scope.get(root)?;
        let found = fields.iter().try_fold(root, |value, field| {
            is_there(&value).then(|| value.get_attr(field).ok())?
        })?;
        is_there(&found).then_some(found)
    }
}

fn path(expression: &Expr<'_>) -> Option<Path> {
    match expression {
        Expr::Var(name) => Some(Path::new(name.id)),
        Expr::GetAttr(field) => {
            let mut path = path(&field.expr)?;
            path.fields.push(field.name.to_owned());
            Some(path)
        }
        _ => None,
    }
}

/// A template that puts what is looked up between texts.
#[derive(Debug)]
pub(super) struct Pieces(Box<[Piece]>);

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Value(Direct),
}

impl Pieces {
    /// What a template is, if it is such a one.
    pub(super) fn of(template: &Stmt<'_>) -> Option<Self> {
        let Stmt::Template(template) = template else {
            return None;
        };
        let piece = |statement: &Stmt<'_>| match statement {
            Stmt::EmitRaw(text) => Some(Piece::Text(text.raw.into())),
            Stmt::EmitExpr(emitted) => Direct::of(&emitted.expr).map(Piece::Value),
            _ => None,
        };
        let pieces: Option<Box<[Piece]>> = template.children.iter().map(piece).collect();
        pieces.map(Self)
    }

    /// What it comes to; `None` where a value is not there.
    ///
    /// # Errors
    /// As for the interpreter.
    pub(super) fn render(&self, scope: &Scope) -> Result<Option<String>, Error> {
        /// Of a name or a number.
        const USUAL_LEN: usize = 16;
        let len = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Value(_) => USUAL_LEN,
        };
        let mut rendered = String::with_capacity(self.0.iter().map(len).sum());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => rendered.push_str(text),
                Piece::Value(direct) => match direct.find(scope) {
                    Some(value) => emit(&mut rendered, &value)?,
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(rendered))
    }
}
