//! What can be said of an expression before it is evaluated: the names that it uses, and what it compares.
//!
//! `row['name']` is `row.name`. A name that the template sets itself is none of the scenario's; where it stands
//! for one of those (`{% set p = row %}`), its fields are that one's. As in minijinja, `for` and `with` are blocks
//! of their own, and `if` is none.

use std::collections::HashMap;

use minijinja::machinery::{Span, ast};
use minijinja::{Error, ErrorKind};

use super::names::{Comparison, Kind, Names, Path, Side};
use super::operators;

/// What an expression uses.
///
/// # Errors
/// Filters and tests that there are not, and constants that are too long.
pub(super) fn of_expression(expression: &ast::Expr<'_>, source: &str) -> Result<Names, Error> {
    let mut walk = Walk::new(source);
    walk.expression(expression);
    walk.end()
}

/// What a template uses.
///
/// # Errors
/// Filters and tests that there are not, and constants that are too long.
pub(super) fn of_template(template: &ast::Stmt<'_>, source: &str) -> Result<Names, Error> {
    let mut walk = Walk::new(source);
    walk.statement(template);
    walk.end()
}

struct Walk<'a> {
    source: &'a str,
    names: Names,
    /// What the template's own names stand for, those of the innermost block last.
    own: Vec<HashMap<String, Kind>>,
    wrong: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            names: Names::default(),
            own: vec![HashMap::new()],
            wrong: Vec::new(),
        }
    }

    /// The names, or the first few things that are wrong.
    fn end(self) -> Result<Names, Error> {
        const MOST: usize = 5;
        if self.wrong.is_empty() {
            return Ok(self.names);
        }
        let mut wrong = self.wrong;
        wrong.dedup();
        let more = wrong.len().saturating_sub(MOST);
        wrong.truncate(MOST);
        if more > 0 {
            wrong.push(format!("and {more} more like these"));
        }
        Err(Error::new(ErrorKind::SyntaxError, wrong.join("; ")))
    }

    fn own(&self, name: &str) -> Option<&Kind> {
        self.own.iter().rev().find_map(|names| names.get(name))
    }

    /// What these say, in a block of their own: what is set in it is not there behind it.
    fn within(&mut self, walk: impl FnOnce(&mut Self)) {
        self.own.push(HashMap::new());
        walk(self);
        self.own.pop();
    }

    /// One of these is said. What one alone sets, or each to something else, may be anything behind them.
    fn either(&mut self, one: &[ast::Stmt<'_>], other: &[ast::Stmt<'_>]) {
        let before = self.here().clone();
        self.all(one);
        let after_one = std::mem::replace(self.here(), before);
        self.all(other);
        let here = self.here();
        for (name, kind) in &mut *here {
            if after_one.get(name) != Some(kind) {
                *kind = Kind::Unknown;
            }
        }
        for name in after_one.into_keys() {
            here.entry(name).or_insert(Kind::Unknown);
        }
    }

    /// The names of the innermost block.
    fn here(&mut self) -> &mut HashMap<String, Kind> {
        self.own.last_mut().expect("there is always one")
    }

    fn assign(&mut self, target: &ast::Expr<'_>, kind: Kind) {
        match target {
            ast::Expr::Var(name) => {
                self.here().insert(name.id.to_owned(), kind);
            }
            ast::Expr::List(list) => {
                for item in &list.items {
                    self.assign(item, Kind::Unknown);
                }
            }
            // A field of a namespace.
            _ => {}
        }
    }

    fn all(&mut self, statements: &[ast::Stmt<'_>]) {
        statements.iter().for_each(|it| self.statement(it));
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) {
        match statement {
            ast::Stmt::Template(it) => self.all(&it.children),
            ast::Stmt::EmitRaw(_) => {}
            ast::Stmt::EmitExpr(it) => drop(self.expression(&it.expr)),
            ast::Stmt::ForLoop(it) => {
                self.expression(&it.iter);
                self.within(|walk| {
                    walk.assign(&it.target, Kind::Unknown);
                    walk.here().insert("loop".to_owned(), Kind::Unknown);
                    walk.optional(it.filter_expr.as_ref());
                    walk.all(&it.body);
                });
                self.either(&it.else_body, &[]);
            }
            ast::Stmt::IfCond(it) => {
                self.expression(&it.expr);
                self.either(&it.true_body, &it.false_body);
            }
            ast::Stmt::WithBlock(it) => self.within(|walk| {
                for (target, expression) in &it.assignments {
                    let kind = walk.expression(expression);
                    walk.assign(target, kind);
                }
                walk.all(&it.body);
            }),
            ast::Stmt::Set(it) => {
                let kind = self.expression(&it.expr);
                self.assign(&it.target, kind);
            }
            ast::Stmt::SetBlock(it) => {
                self.optional(it.filter.as_ref());
                self.all(&it.body);
                self.assign(&it.target, Kind::Text);
            }
            ast::Stmt::AutoEscape(it) => {
                self.expression(&it.enabled);
                self.all(&it.body);
            }
            ast::Stmt::FilterBlock(it) => {
                self.expression(&it.filter);
                self.all(&it.body);
            }
            ast::Stmt::Do(it) => {
                self.expression(&it.call.expr);
                self.arguments(&it.call.args);
            }
        }
    }

    fn optional(&mut self, expression: Option<&ast::Expr<'_>>) -> Kind {
        expression.map_or(Kind::Unknown, |it| self.expression(it))
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) {
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(it)
                | ast::CallArg::Kwarg(_, it)
                | ast::CallArg::PosSplat(it)
                | ast::CallArg::KwargSplat(it) => self.expression(it),
            };
        }
    }

    /// Notes what an expression uses, and says what it comes to.
    fn expression(&mut self, expression: &ast::Expr<'_>) -> Kind {
        if let Some(kind) = self.way(expression) {
            if let Kind::Path(path) = &kind {
                self.names.add(path.clone());
            }
            return kind;
        }
        match expression {
            // They are ways, or begin none.
            ast::Expr::Var(_) => Kind::Unknown,
            ast::Expr::Const(it) => Kind::of(&it.value),
            ast::Expr::GetAttr(it) => {
                self.expression(&it.expr);
                Kind::Unknown
            }
            ast::Expr::GetItem(it) => {
                self.expression(&it.expr);
                self.expression(&it.subscript_expr);
                Kind::Unknown
            }
            ast::Expr::Slice(it) => {
                let kind = self.expression(&it.expr);
                for part in [&it.start, &it.stop, &it.step] {
                    self.optional(part.as_ref());
                }
                match kind {
                    Kind::Text => Kind::Text,
                    _ => Kind::Unknown,
                }
            }
            ast::Expr::UnaryOp(it) => {
                self.expression(&it.expr);
                match it.op {
                    ast::UnaryOpKind::Neg => Kind::Number,
                    ast::UnaryOpKind::Not => Kind::Unknown,
                }
            }
            ast::Expr::BinOp(it) => self.operation(it),
            ast::Expr::Compare(it) => {
                let mut left = self.side(&it.expr);
                for next in &it.ops {
                    let right = self.side(&next.expr);
                    self.comparison(&left, sign(next.op), &right);
                    left = right;
                }
                Kind::Unknown
            }
            ast::Expr::IfExpr(it) => {
                self.expression(&it.test_expr);
                let first = self.expression(&it.true_expr);
                let second = self.optional(it.false_expr.as_ref());
                if first == second {
                    first
                } else {
                    Kind::Unknown
                }
            }
            ast::Expr::Filter(it) => {
                self.optional(it.expr.as_ref());
                self.wrong.extend(operators::unknown_filter(it.name));
                self.arguments(&it.args);
                of_filter(it.name)
            }
            ast::Expr::Test(it) => {
                self.expression(&it.expr);
                self.wrong.extend(operators::unknown_test(it.name));
                self.arguments(&it.args);
                Kind::Unknown
            }
            ast::Expr::Call(it) => {
                self.expression(&it.expr);
                self.arguments(&it.args);
                match &it.expr {
                    ast::Expr::Var(name) => of_function(name.id),
                    _ => Kind::Unknown,
                }
            }
            ast::Expr::List(it) => {
                it.items.iter().for_each(|it| drop(self.expression(it)));
                Kind::Unknown
            }
            ast::Expr::Map(it) => {
                let parts = it.keys.iter().chain(&it.values);
                parts.for_each(|it| drop(self.expression(it)));
                Kind::Unknown
            }
        }
    }

    /// Where a name and constant fields of it lead; what a name of the template's own is.
    fn way(&self, expression: &ast::Expr<'_>) -> Option<Kind> {
        let (inner, key) = match expression {
            ast::Expr::Var(name) => {
                return Some(match self.own(name.id) {
                    Some(kind) => kind.clone(),
                    None => Kind::Path(Path::new(name.id)),
                });
            }
            ast::Expr::GetAttr(it) => (&it.expr, it.name),
            ast::Expr::GetItem(it) => match &it.subscript_expr {
                ast::Expr::Const(key) => (&it.expr, key.value.as_str()?),
                _ => return None,
            },
            _ => return None,
        };
        match self.way(inner)? {
            Kind::Path(path) => Some(Kind::Path(path.with(key))),
            _ => Some(Kind::Unknown),
        }
    }

    fn side(&mut self, expression: &ast::Expr<'_>) -> Side {
        let kind = self.expression(expression);
        let source = match (&kind, expression) {
            (Kind::Path(_), _) => self.text(expression.span()),
            (_, ast::Expr::Const(it)) => match it.value.as_str() {
                Some(text) => format!("'{}'", crate::text::short(text)),
                None => it.value.to_string(),
            },
            _ => self.text(expression.span()),
        };
        Side { kind, source }
    }

    fn text(&self, span: Span) -> String {
        let text = self
            .source
            .get(span.start_offset as usize..span.end_offset as usize);
        crate::text::short(text.unwrap_or_default().trim())
    }

    fn comparison(&mut self, left: &Side, sign: Option<&'static str>, right: &Side) {
        let is_open = |side: &Side| side.kind == Kind::Unknown;
        if let Some(sign) = sign
            && !is_open(left)
            && !is_open(right)
        {
            self.names.compare(Comparison {
                left: left.clone(),
                sign,
                right: right.clone(),
            });
        }
    }

    fn operation(&mut self, it: &ast::BinOp<'_>) -> Kind {
        use ast::BinOpKind as Op;
        if let Err(error) = operators::bound_constant(it) {
            self.wrong.extend(error.detail().map(str::to_owned));
        }
        let (left, right) = (self.side(&it.left), self.side(&it.right));
        let is = |kind: Kind| [&left.kind, &right.kind].map(|it| *it == kind);
        let sign = match it.op {
            Op::Eq => Some("=="),
            Op::Ne => Some("!="),
            Op::Lt => Some("<"),
            Op::Lte => Some("<="),
            Op::Gt => Some(">"),
            Op::Gte => Some(">="),
            _ => None,
        };
        self.comparison(&left, sign, &right);
        match it.op {
            Op::Sub | Op::Div | Op::FloorDiv | Op::Rem | Op::Pow => Kind::Number,
            Op::Concat => Kind::Text,
            Op::Add if is(Kind::Number).contains(&true) => Kind::Number,
            Op::Mul if is(Kind::Number) == [true, true] => Kind::Number,
            Op::Add | Op::Mul if is(Kind::Text).contains(&true) => Kind::Text,
            _ => Kind::Unknown,
        }
    }
}

fn sign(op: ast::CompareOpKind) -> Option<&'static str> {
    use ast::CompareOpKind as Op;
    match op {
        Op::Eq => Some("=="),
        Op::Ne => Some("!="),
        Op::Lt => Some("<"),
        Op::Lte => Some("<="),
        Op::Gt => Some(">"),
        Op::Gte => Some(">="),
        Op::In | Op::NotIn => None,
    }
}

fn of_filter(name: &str) -> Kind {
    match name {
        "int" | "float" | "length" | "count" | "abs" | "round" => Kind::Number,
        "capitalize" | "e" | "escape" | "indent" | "join" | "lower" | "pprint" | "replace"
        | "string" | "title" | "trim" | "upper" => Kind::Text,
        _ => Kind::Unknown,
    }
}

fn of_function(name: &str) -> Kind {
    match name {
        "random" | "now" => Kind::Number,
        "uuid" | "sha256" | "base64" | "json" => Kind::Text,
        _ => Kind::Unknown,
    }
}
