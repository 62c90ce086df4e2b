//! The parts of the witness, and its main function.

mod case;
mod clock;
mod figures;
mod generator;
mod judge;
mod peers;
mod quota;
mod server;
mod service;

use std::error::Error;
use std::process::ExitCode;

use loadgen_benches::raise_open_files;

use case::Case;
use figures::Truth;
use generator::Generator;
use judge::{Judgement, Row};
use server::Server;

type BoxError = Box<dyn Error + Send + Sync>;

/// The argument that sets other generators beside loadgen.
const PEERS: &str = "peers";

pub(super) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_true = match arguments.as_slice() {
        [role] if role == generator::SPIN => {
            generator::spin();
            Ok(true)
        }
        [only] if only == PEERS => peers::compare().map(|()| true),
        groups => witness(groups),
    };
    match is_true {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the cases of these groups and prints the table. Whether nothing in it is untrue.
fn witness(groups: &[String]) -> Result<bool, BoxError> {
    let cases = case::selected(groups)?;
    let generator = Generator::new()?;
    raise_open_files();
    println!("Every percentile that loadgen prints beside what its server saw; true within 1 % or");
    println!(
        "50 µs. \"Response, on time\" is what a generator that is not held up would have seen:"
    );
    println!("a run whose figure is more than a tenth above it has to say so.\n");
    print_row("case", &HEADER, "judgement");
    let mut counts = [0; Judgement::ALL.len()];
    let mut skipped = 0;
    for case in &cases {
        match observe(&generator, case)? {
            Observed::Skipped(why) => {
                skipped += 1;
                println!("{}: skipped, {why}", case.name());
            }
            Observed::Run(rows, remarks) => {
                for row in rows {
                    counts[row.judgement as usize] += 1;
                    let cells = [
                        row.figure,
                        row.percentile,
                        &row.witness,
                        &row.loadgen,
                        &row.difference,
                    ];
                    print_row(&case.name(), &cells, row.judgement.word());
                }
                for remark in remarks {
                    println!("    {remark}");
                }
            }
        }
    }
    let counted: Vec<String> = Judgement::ALL
        .iter()
        .map(|&judgement| format!("{} {}", counts[judgement as usize], judgement.word()))
        .collect();
    println!(
        "\n{} cases, {skipped} skipped: {}",
        cases.len(),
        counted.join(", ")
    );
    Ok(counts[Judgement::Untrue as usize] == 0)
}

const HEADER: [&str; 5] = ["figure", "", "witness", "loadgen", "difference"];

fn print_row(case: &str, cells: &[&str; 5], judgement: &str) {
    let [figure, percentile, witness, loadgen, difference] = cells;
    println!(
        "{case:<50} {figure:<17} {percentile:<5} {witness:>9} {loadgen:>9} {difference:>22}  {judgement}"
    );
}

/// What became of a case.
enum Observed {
    /// Its rows, and what else is to be known.
    Run(Vec<Row>, Vec<String>),
    /// Why it cannot be had here.
    Skipped(String),
}

fn observe(generator: &Generator, case: &Case) -> Result<Observed, BoxError> {
    let server = Server::start(case.shape.speech(), case.service)?;
    let run = generator.run(&case.suite(server.address), case.fault);
    let log = server.finish()?;
    let document = match run? {
        Ok(document) => document,
        Err(why) => return Ok(Observed::Skipped(why)),
    };
    let truth = Truth::of(&log, case, judge::began(&document));
    let mut remarks = Vec::new();
    if let Some(admission) = judge::admission(&document) {
        remarks.push(format!("loadgen says: {}", admission.sentence));
    }
    if truth.unanswered > 0 {
        remarks.push(format!("{} replies were never written", truth.unanswered));
    }
    let all = log.entries.len();
    for (count, what) in [
        (log.inexact, "have the stamp of one that was read with them"),
        (log.unstamped, "have no stamp of the kernel"),
    ] {
        // A few at a connection's beginning, before the length of a request is known, do no harm.
        if count * 1_000 > all as u64 {
            remarks.push(format!("{count} of {all} requests {what}"));
        }
    }
    remarks.extend(
        log.complaints
            .iter()
            .take(3)
            .map(|it| format!("the server: {it}")),
    );
    Ok(Observed::Run(judge::rows(&document, &truth), remarks))
}

#[cfg(test)]
mod tests {
    use loadgen_core::engine::Options;
    use loadgen_core::scenario::{Plan, Suite};
    use test_case::test_case;

    use super::case::{Fault, Load, Shape};
    use super::service::Service;
    use super::*;

    #[test_case(Shape::Unary, 1)]
    #[test_case(Shape::ServerStream, 3)]
    // Its three messages, and its end.
    #[test_case(Shape::Bidirectional, 4)]
    #[test_case(Shape::Websocket, 1)]
    fn the_server_is_one_that_loadgen_can_call(shape: Shape, entries: usize) {
        let case = Case {
            group: "test",
            is_quick: false,
            shape,
            load: Load::Closed {
                users: 4,
                seconds: 1,
            },
            service: Service::ZERO,
            fault: Fault::Nothing,
        };
        let server = Server::start(shape.speech(), case.service).unwrap();
        let suite = case.suite(server.address).to_string();
        let suite = Suite::parse("suite.json", &suite, None, None).unwrap();
        let mut plan = Plan::new(suite.scenarios().to_vec());
        plan.scenarios[0].load = loadgen_core::schedule::Load::closed(4)
            .iterations(40)
            .into();
        let options = Options::default().workers(1).seed(1);
        let run = loadgen_core::assemble(&plan, options).unwrap();
        let record = run.execute().unwrap();
        let log = server.finish().unwrap();
        assert_eq!(record.scenarios[0].ledger.completed, 40);
        assert_eq!(log.entries.len(), 40 * entries);
        let truth = Truth::of(&log, &case, None);
        assert_eq!((truth.calls, truth.unanswered), (40, 0));
        assert_eq!(log.unstamped, 0);
        assert!(log.complaints.is_empty(), "{:?}", log.complaints);
    }
}
