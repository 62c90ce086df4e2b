//! What failed, and which checks did not hold.

use super::super::super::document::{FailureClass, Scenario};
use super::{Block, Cell, Column, Grid, Section};
use crate::units::human;

/// Failures of a scenario by kind, and those of the steps outside of its iterations.
pub(super) fn section(scenario: &Scenario) -> Option<Section> {
    let mut blocks = Vec::new();
    let caption = format!("Failures of {}, by kind", scenario.name);
    blocks.extend(by_kind(caption, &scenario.failures));
    for step in &scenario.steps {
        let caption = format!("Failures of the step {}, by kind", step.name);
        blocks.extend(by_kind(caption, &step.failures));
    }
    (!blocks.is_empty()).then(|| Section::new("Failures", blocks))
}

fn by_kind(caption: String, classes: &[FailureClass]) -> Option<Block> {
    let columns = [
        ("count", Column::Figure),
        ("first in second", Column::Figure),
        ("last in second", Column::Figure),
        ("an example", Column::Code),
    ];
    let mut grid = Grid::new(caption, "kind", &columns);
    for class in classes {
        let cells = [
            Cell::count_of_bad(class.count),
            Cell::or_nothing(class.first_s.map(human::count)),
            Cell::or_nothing(class.last_s.map(human::count)),
            Cell::or_nothing(class.example.as_deref()),
        ];
        grid.row(&class.outcome, cells);
    }
    grid.without_empty_columns().block()
}

/// The checks of all steps, and what was seen where one did not hold.
pub(super) fn checks(scenario: &Scenario) -> Option<Section> {
    let columns = [
        ("step", Column::Text),
        ("held", Column::Figure),
        ("did not", Column::Figure),
        ("seen when it did not", Column::Code),
    ];
    let mut grid = Grid::new(format!("Checks of {}", scenario.name), "check", &columns);
    let each = scenario.steps.iter();
    for (step, check) in each.flat_map(|step| step.checks.iter().map(move |it| (step, it))) {
        let cells = [
            Cell::of(&*step.name),
            Cell::count(check.passed),
            Cell::count_of_bad(check.failed),
            Cell::or_nothing(check.example.as_deref()),
        ];
        grid.row(&check.expression, cells);
    }
    let block = grid.without_empty_columns().block()?;
    Some(Section::new("Checks", vec![block]))
}
