//! Rows of test data, and who gets which.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::mistake::Mistake;
use super::{Part, Turn};
use crate::data::{Order, Table};
use crate::expression::{Known, Value};
use crate::input;
use crate::scenario::{DataSource, RowPer, WhenOut};

/// A source of rows.
#[derive(Debug)]
pub(super) struct Source {
    plan: DataSource,
    table: Table,
    /// How many rows iterations of this process have taken, where these have no numbers of their own.
    taken: AtomicU64,
    /// Whether some expression asks for it, where there are several.
    pub(super) is_used: bool,
}

/// A source that has no row left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` has no row left: each of its {rows} was used")]
pub(in crate::driver) struct OutOfRows {
    name: String,
    rows: u64,
}

impl Source {
    /// Reads a source for so many users.
    pub(super) fn read(plan: &DataSource, users: u32) -> Result<Self, Mistake> {
        let path = format!("data.{}.file", plan.name);
        let wrong =
            |problem: String| Mistake::new(&path, format!("{}: {problem}", plan.file.display()));
        let bytes = input::read_long(&plan.file).map_err(|error| wrong(error.to_string()))?;
        let table = Table::parse(&plan.file, bytes).map_err(|error| wrong(error.to_string()))?;
        let is_short = table.len() < u64::from(users);
        if plan.per == RowPer::User && plan.order == Order::Once && is_short {
            return Err(wrong(format!(
                "{users} users need a row each (`per` user, `order` once), and it has {}; have fewer \
                 users, or another `order`",
                table.len()
            )));
        }
        Ok(Self {
            plan: plan.clone(),
            table,
            taken: AtomicU64::new(0),
            is_used: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.plan.name
    }

    /// How many iterations there are rows for, where the scenario ends with the last of them.
    pub(super) fn most_iterations(&self) -> Option<u64> {
        let ends = self.plan.order == Order::Once && self.plan.when_out == WhenOut::End;
        (ends && self.plan.per == RowPer::Iteration).then(|| self.table.len())
    }

    /// The row of this turn; undefined where it is none of its iterations' and rows are these's.
    pub(super) fn row(&self, turn: Turn, seed: u64) -> Result<Value, OutOfRows> {
        let nth = match (self.plan.per, turn.iteration) {
            (RowPer::User, _) => u64::from(turn.user.0),
            (RowPer::Iteration, None) => return Ok(Value::UNDEFINED),
            (RowPer::Iteration, Some(Some(arrival))) => arrival,
            (RowPer::Iteration, Some(None)) => {
                turn.part.number(self.taken.fetch_add(1, Ordering::Relaxed))
            }
        };
        let rows = self.table.len();
        let number = self.plan.order.row(rows, nth, seed);
        let number = number.ok_or_else(|| OutOfRows {
            name: self.plan.name.clone(),
            rows,
        })?;
        Ok(self.table.row(number))
    }

    /// The first row.
    pub(super) fn first(&self) -> Value {
        self.table.row(0)
    }

    fn known(&self, part: Part) -> Known {
        let not_here = |why: &str| Known::NotHere(why.into());
        match (part, self.plan.per) {
            (Part::Setup, _) => not_here("`setup` is done once, before there are users"),
            (Part::Begin | Part::End, RowPer::Iteration) => {
                not_here("its rows belong to iterations; with `\"per\": \"user\"` it is known here")
            }
            _ => {
                let of_a_column = match self.table.is_of_texts() {
                    true => Known::Text,
                    false => Known::Anything,
                };
                let columns = self.table.columns();
                Known::fields(columns.map(|column| (column.to_owned(), of_a_column.clone())))
            }
        }
    }
}

/// What can be said of `row` in this part.
pub(super) fn known(sources: &[Source], part: Part) -> Known {
    match sources {
        [] => Known::NotHere("the scenario has no `data`".into()),
        [source] => source.known(part),
        several => {
            let known = several
                .iter()
                .map(|source| (source.plan.name.clone(), source.known(part)));
            Known::fields(known.collect::<BTreeMap<_, _>>())
        }
    }
}
