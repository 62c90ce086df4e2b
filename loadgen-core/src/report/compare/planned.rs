//! What can be told of a comparison before the new runs are carried out.

use super::super::Context;
use super::alike::{self, Parts, Traits};
use super::{Common, CompareError, CompareOptions, Group, NamedRun, limit, named, searched};
use crate::record::Names;
use crate::secrets::Secrets;

/// Runs that are still to come.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRuns<'a> {
    /// What they are called in messages.
    pub source: &'a str,
    /// What is known of them: their plan, and the machine.
    pub context: &'a Context,
    /// The names of their scenarios.
    pub names: &'a [Names],
    /// How many there will be.
    pub count: usize,
    /// Whether it is a search for a capacity.
    pub is_search: bool,
}

/// Makes sure that runs that are still to come may be held against those of a base, as far as that is known: who
/// answers, and whether they are valid, is not. Whatever is refused here [`compare`](super::compare()) would
/// refuse too, and limits that it could not judge whatever comes.
///
/// # Errors
/// [`CompareError`] when they will not be compared.
pub fn check(
    base: &[NamedRun<'_>],
    planned: PlannedRuns<'_>,
    options: &CompareOptions,
) -> Result<(), CompareError> {
    let base = Group::of("in the base", base)?;
    let mut plan = planned.context.plan.clone();
    // As the documents have it.
    Secrets::mask_in(&mut plan);
    let to_come = Traits {
        source: planned.source,
        plan: &plan,
        parts: Parts {
            shard: planned.context.shard.as_ref(),
            shards: planned.context.shards.as_ref(),
        },
        host: &planned.context.host,
        scenarios: &[],
        verdict: None,
        is_search: planned.is_search,
    };
    let kinds = base.kinds().chain([(planned.source, planned.is_search)]);
    let are_searches = searched::are_searches(&kinds)?;
    searched::refuse_limits(&options.limits, are_searches)?;
    let all: Vec<Traits<'_>> = base.traits().chain([to_come]).collect();
    alike::refuse(&all, options)?;
    let scenarios = planned.names.iter();
    let new: Vec<[&str; 2]> = scenarios.map(|it| [&*it.scenario, &*it.protocol]).collect();
    let of_base = base.scenarios();
    let both = of_base.iter().filter(|it| new.contains(it));
    let common: Vec<Common<'_>> = both
        .map(|[name, protocol]| Common {
            name,
            protocol,
            base: base.of_scenario([*name, *protocol]),
            new: Vec::new(),
        })
        .collect();
    if common.is_empty() {
        return Err(CompareError::NothingInCommon {
            base: named(&of_base),
            new: named(&new),
        });
    }
    Common::refuse_unmeasured(&common, &base, |it| &it.base)?;
    limit::refuse_unknown(&options.limits, &common)?;
    if are_searches {
        return Ok(());
    }
    limit::refuse_untellable(&options.limits, &common, |it| {
        [it.base.len(), planned.count]
    })?;
    limit::refuse_unmeasured(&options.limits, &common)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use test_case::test_case;

    use super::super::sample::run;
    use super::*;
    use crate::record::StepSpec;
    use crate::report::Document;

    /// What is said of so many runs like the first of the base, changed as told.
    fn said(
        base: &[Document],
        count: usize,
        limits: &[&str],
        change: impl FnOnce(&mut Context),
    ) -> Result<(), String> {
        let like = &base[0];
        let mut context = Context::new();
        context.plan = like.run.plan.clone();
        context.plan["scenarios"][0]["targets"] = json!(["127.0.0.1:4"]);
        context.host = like.run.host.clone();
        change(&mut context);
        let names = Names {
            scenario: "hello_high".to_owned(),
            protocol: "grpc".to_owned(),
            steps: vec![StepSpec::from("hello")],
            ..Names::default()
        };
        let planned = PlannedRuns {
            source: "this run",
            context: &context,
            names: &[names],
            count,
            is_search: false,
        };
        let sources = base.iter().zip(1..);
        let base: Vec<NamedRun<'_>> = sources
            .map(|(document, nth)| NamedRun {
                source: format!("base/{nth}"),
                document,
            })
            .collect();
        let options = CompareOptions {
            limits: limits.iter().map(|it| it.parse().unwrap()).collect(),
            ..CompareOptions::default()
        };
        check(&base, planned, &options).map_err(|it| it.to_string())
    }

    fn base(runs: u32) -> Vec<Document> {
        (1..=runs).map(|nth| run(nth, |_| {})).collect()
    }

    #[test_case(1, 1, &[] => Ok(()))]
    #[test_case(1, 1, &["response_time.p99 > +1%", "throughput < -5%"] => Ok(()); "what seconds may tell")]
    #[test_case(1, 1, &["steps.hello.response_time.p99 > +1%"] => Ok(()); "of the only step too")]
    #[test_case(4, 4, &["service_time.p99 > +1%"] => Ok(()); "what runs tell")]
    #[test_case(4, 1, &["service_time.p99 > +1%"] => Err("`service_time.p99 > +1%` cannot be judged: with 4 runs in the base and 1 new, fewer than 4 a side, there is something to tell of `throughput`, `error_rate` and `response_time` only, and of no step among several".to_owned()); "what they do not")]
    #[test_case(4, 4, &["response_time.p999 > +1%"] => Err("`response_time.p999 > +1%` cannot be judged: no run in the base has such a figure; it takes 10,000 samples at least, and the run with the most has 5,000".to_owned()); "what nobody has")]
    #[test_case(1, 1, &["steps.helo.response_time.p99 > +1%"] => Err("`steps.helo.response_time.p99 > +1%`: no step `helo`; did you mean `hello`?".to_owned()))]
    fn limits(runs: u32, count: usize, limits: &[&str]) -> Result<(), String> {
        said(&base(runs), count, limits, |_| {})
    }

    #[test]
    fn another_plan_is_refused_before_it_is_carried_out() {
        let users = &mut |it: &mut Context| {
            it.plan["scenarios"][0]["load"]["closed"]["users"] = json!(7);
        };
        let expected = "these runs are not alike:\n  plan: `scenarios.hello_high.load.closed.users` is \
                        100 in base/1 and 7 in this run";
        assert_eq!(said(&base(1), 1, &[], users), Err(expected.to_owned()));
    }

    /// Documents have no secrets, and a plan that is still to be carried out has.
    #[test]
    fn a_secret_is_no_difference() {
        let with = |value: &str| json!({"authorization": value});
        let base = [run(1, |it| {
            it["run"]["plan"]["scenarios"][0]["metadata"] = with("***");
        })];
        let secret = |it: &mut Context| {
            it.plan["scenarios"][0]["metadata"] = with("Bearer s3cr3t-1");
        };
        assert_eq!(said(&base, 1, &[], secret), Ok(()));
    }

    #[test]
    fn a_base_that_measured_nothing_is_refused() {
        let nothing = |it: &mut Value| {
            it["scenarios"][0]["ledger"]["completed"] = json!(0);
        };
        let expected = "there is nothing to compare: in no run in the base did anything end of hello_high (grpc)";
        assert_eq!(
            said(&[run(1, nothing)], 1, &[], |_| {}),
            Err(expected.to_owned())
        );
    }
}
