//! A run as manifests for Kubernetes: what a scenario needs in a cluster, as YAML.
//!
//! Owns what is in a pod and where, and which files go there. Nothing here speaks to a cluster: what is printed is
//! for `kubectl`. Whether the run makes sense is settled as `run` does.

mod error;
mod files;
mod flags;
mod imports;
mod manifests;
mod pod;

use std::collections::BTreeSet;

use loadgen_core::scenario::{ScenarioPlan, to_yaml};

use self::files::Files;
use self::flags::Run;
use self::manifests::Manifests;
use crate::args::KubernetesArgs;
use crate::coordinate::TOKEN;
use crate::error::Error;
use crate::screen;

pub(crate) use self::error::KubernetesError;

/// The manifests, one document after another.
///
/// # Errors
/// For a scenario that is not valid, flags that `run` does not take, and files that cannot be taken along.
pub(crate) fn print(args: &KubernetesArgs) -> Result<String, Error> {
    let file = args.suite_file().map(files::from_here);
    let run = flags::settle(args, file.as_deref())?;
    let files = Files::of(file.as_deref(), &run)?;
    let manifests = Manifests::new(args, &run, &files)?;
    for note in run.notes.iter().chain(&missing(args, &run)) {
        screen::note(note);
    }
    let namespace = args.namespace.as_ref();
    let namespace = namespace.map_or_else(String::new, |it| format!(" --namespace {it}"));
    let mut text = format!(
        "# Printed by `loadgen kubernetes`: the run `{name}` as {shards}, for\n\
         #   kubectl apply --server-side{namespace} --filename FILE\n\
         # When its pods are over,\n\
         #   kubectl patch job {merge}{namespace} --patch '{{\"spec\": {{\"suspend\": false}}}}'\n\
         # merges their results; `kubectl logs{namespace} job/{merge}` shows what came of it. docs/kubernetes/verdict.sh does\n\
         # both, and ends as the whole did.\n",
        name = manifests.name(),
        namespace = namespace,
        shards = crate::human::counted(args.shards, "shard"),
        merge = manifests.merge_name(),
    );
    for document in manifests.all() {
        text.push_str("---\n");
        text.push_str(&to_yaml(&document));
    }
    Ok(text)
}

/// The variables that the scenario names and no pod has: with a Secret of somebody's own, its keys are not known here.
fn missing(args: &KubernetesArgs, run: &Run) -> Option<String> {
    let all = run.scenarios.iter().flat_map(ScenarioPlan::variables);
    let own = |it: &String| manifests::VARIABLES.contains(&it.as_str());
    let named: BTreeSet<String> = all.filter(|it| !own(it)).collect();
    let is_known = args.secret.is_none() && !named.is_empty();
    is_known.then(|| {
        let named: Vec<String> = named.into_iter().collect();
        format!(
            "WARNING: no pod has the environment variables that the scenario asks for ({}): make a Secret with them \
             and {TOKEN} as its keys, and name it with `--secret`",
            named.join(", ")
        )
    })
}
