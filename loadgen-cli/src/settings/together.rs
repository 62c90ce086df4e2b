//! Which run a shard is of, and how shards come together.

use std::ffi::OsString;

use super::SettingsError;
use super::env::{self, EnvError};
use crate::args::{ShardChoice, TogetherFlags};
use crate::coordinate::{Settings, TOKEN, TlsFiles, Trust, WAIT};

/// Names the run, for whoever starts its shards.
const RUN_ID: &str = "LOADGEN_RUN_ID";
/// The job, and the step in it, that SLURM has given a number.
const SLURM: [&str; 2] = ["SLURM_JOB_ID", "SLURM_STEP_ID"];
/// The job as PMIx names it, which Open MPI starts processes with.
const PMIX: &str = "PMIX_NAMESPACE";

/// What names the run: the flag, the environment, or with `--shard auto` whatever has started the shards.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn run_id(
    given: Option<&str>,
    shard: Option<ShardChoice>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, EnvError> {
    if let Some(given) = given {
        return Ok(Some(given.to_owned()));
    }
    if let Some(ours) = env::text(&variable, RUN_ID)? {
        return Ok(Some(ours));
    }
    if shard != Some(ShardChoice::Auto) {
        return Ok(None);
    }
    let [job, step] = SLURM;
    if let Some(job) = env::text(&variable, job)? {
        let step = env::text(&variable, step)?;
        let step = step.map_or_else(String::new, |it| format!(".{it}"));
        return Ok(Some(format!("slurm-{job}{step}")));
    }
    let job = env::text(&variable, PMIX)?;
    Ok(job.map(|it| format!("pmix-{it}")))
}

/// How shards come together at this address.
///
/// # Errors
/// For a token that cannot be sent, and files that cannot be read.
pub(crate) fn coordination(
    address: &str,
    flags: &TogetherFlags,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Settings, SettingsError> {
    let token = env::text(&variable, TOKEN)?;
    let files = match (
        &flags.coordinator_ca,
        &flags.coordinator_cert,
        &flags.coordinator_key,
    ) {
        (Some(authorities), Some(certificate), Some(key)) => Some(TlsFiles {
            authorities: authorities.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        // The flags ask for one another.
        _ => None,
    };
    Ok(Settings {
        address: address.to_owned(),
        trust: Trust::new(token.as_deref(), files.as_ref())?,
        wait: flags.wait_for_shards.unwrap_or(WAIT),
        at_least: flags.start_with.and_then(|it| u32::try_from(it).ok()),
        is_merged: !flags.merged_outputs.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(None, Some(ShardChoice::Auto), &[("SLURM_JOB_ID", "7"), ("SLURM_STEP_ID", "0")] => Some("slurm-7.0".to_owned()))]
    #[test_case(None, Some(ShardChoice::Auto), &[("PMIX_NAMESPACE", "prterun-a-1@1")] => Some("pmix-prterun-a-1@1".to_owned()))]
    #[test_case(None, Some(ShardChoice::Auto), &[("LOADGEN_RUN_ID", "mine"), ("SLURM_JOB_ID", "7")] => Some("mine".to_owned()); "ours first")]
    #[test_case(Some("given"), Some(ShardChoice::Auto), &[("LOADGEN_RUN_ID", "mine")] => Some("given".to_owned()); "the flag before all")]
    #[test_case(None, None, &[("SLURM_JOB_ID", "7")] => None; "no launcher was asked")]
    #[test_case(None, Some(ShardChoice::Auto), &[] => None; "nobody has")]
    fn names(
        given: Option<&str>,
        shard: Option<ShardChoice>,
        set: &[(&str, &str)],
    ) -> Option<String> {
        let variable = |name: &str| {
            let value = set.iter().find(|(it, _)| *it == name);
            value.map(|(_, value)| OsString::from(value))
        };
        run_id(given, shard, variable).unwrap()
    }
}
