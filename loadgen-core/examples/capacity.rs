//! A search for a capacity in code: whoever calls makes the trials, here of a service that is made up.
//!
//! With a file, trials that somebody else made are classified instead: `[{"exceed_ratio": 0.5,
//! "final_duration_s": 3, "duration_sum_s": 9, "trials": [{"rate": 100, "duration_s": 3, "held": true,
//! "kept": 1}]}]`.

use std::error::Error;
use std::time::Duration;

use loadgen_core::capacity::{Class, End, Measured, Method, Next, Purpose, Range, Search, Trial};
use loadgen_core::units::Rate;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let answer = match std::env::args().nth(1) {
        Some(path) => {
            let scripts: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
            scripts.iter().map(classified).collect::<Result<_, _>>()?
        }
        None => searched()?,
    };
    println!("{answer}");
    Ok(())
}

/// A service that holds its goal up to 4,321 a second.
fn searched() -> Result<Value, Box<dyn Error>> {
    let method = Method::within(Method::BUDGET, Method::WIDTH)?;
    let range = Range {
        from: Rate::new(100.0)?,
        to: Rate::new(50_000.0)?,
        hint: Some(Rate::new(5_000.0)?),
    };
    let mut search = Search::new(method, 1, range)?;
    let mut elapsed = Duration::ZERO;
    let end = loop {
        match search.next(elapsed) {
            Next::Trial(trial) => {
                let held = trial.rate.per_second() <= 4_321.0;
                let kept = (4_321.0 / trial.rate.per_second()).min(1.0);
                elapsed += trial.rest + trial.duration;
                search.enter(trial, &measured(held, kept));
            }
            Next::Done(end) => break end,
        }
    };
    Ok(found(&search, end))
}

fn classified(script: &Value) -> Result<Value, Box<dyn Error>> {
    let number = |of: &Value, name: &str| {
        of[name]
            .as_f64()
            .ok_or_else(|| format!("expected a number as `{name}` in {of}"))
    };
    let seconds = |of: &Value, name: &str| number(of, name).map(Duration::from_secs_f64);
    let final_duration = seconds(script, "final_duration_s")?;
    let mut method = Method::within(Method::BUDGET, Method::WIDTH)?;
    method.initial_duration = method.initial_duration.min(final_duration);
    method.final_duration = final_duration;
    method.duration_sum = seconds(script, "duration_sum_s")?;
    method.confirmation_duration = final_duration;
    method.exceed_ratio = number(script, "exceed_ratio")?;
    // Nothing beyond what the method of the draft asks for.
    method.doubt = 1.0;
    let range = Range {
        from: Rate::new(1.0)?,
        to: Rate::new(1e8)?,
        hint: None,
    };
    let mut search = Search::new(method, 1, range)?;
    let trials = script["trials"].as_array();
    for made in trials.ok_or("expected a list as `trials`")? {
        let trial = Trial {
            rate: Rate::new(number(made, "rate")?)?,
            duration: seconds(made, "duration_s")?,
            purpose: Purpose::Refine,
            rest: Duration::ZERO,
        };
        let held = made["held"]
            .as_bool()
            .ok_or("expected true or false as `held`")?;
        search.enter(trial, &measured(held, number(made, "kept")?));
    }
    Ok(found(&search, End::Stopped))
}

fn measured(held: bool, kept: f64) -> Measured {
    Measured::Valid {
        held: vec![Some(held)],
        kept,
    }
}

fn found(search: &Search, end: End) -> Value {
    let answer = search.answer(end);
    let settled = |bound: Option<loadgen_core::capacity::Bound>| {
        let bound = bound.filter(|it| it.is_settled);
        bound.map(|it| it.rate.per_second())
    };
    let loads = search.loads().into_iter().map(|load| {
        let class = match load.class {
            Class::Lower => "lower",
            Class::Upper => "upper",
            Class::Undecided => "undecided",
        };
        json!({ "rate": load.rate.per_second(), "class": class })
    });
    let lower = settled(answer.lower);
    json!({
        "loads": loads.collect::<Vec<Value>>(),
        "lower": lower,
        "upper": settled(answer.upper),
        "conditional": lower.and(answer.conditional),
    })
}
