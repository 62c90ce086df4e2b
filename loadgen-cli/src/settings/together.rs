//! Which run a shard is of, and how shards come together.

use std::ffi::OsString;

use super::SettingsError;
use super::env::{self, EnvError};
use super::shard;
use crate::args::{self, ShardChoice, TogetherFlags};
use crate::coordinate::{CoordinateError, Settings, TOKEN, TlsFiles, Trust, WAIT};

/// Names the run, for whoever starts its shards.
const RUN_ID: &str = "LOADGEN_RUN_ID";

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
        let parsed = args::run_id(&ours).map(Some);
        return parsed.map_err(|expected| EnvError {
            variable: RUN_ID,
            value: ours,
            expected: expected.trim_start_matches("expected ").to_owned(),
        });
    }
    match shard {
        Some(ShardChoice::Auto) => shard::job(variable),
        Some(ShardChoice::This(_)) | None => Ok(None),
    }
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
    // What is no text is not shown either.
    let token = env::text(&variable, TOKEN).map_err(|_| CoordinateError::Token)?;
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

    #[test_case(None, Some(ShardChoice::Auto), &[("SLURM_PROCID", "1"), ("SLURM_JOB_ID", "7"), ("SLURM_STEP_ID", "0")] => Some("slurm-7.0".to_owned()))]
    #[test_case(None, Some(ShardChoice::Auto), &[("SLURM_PROCID", "1"), ("SLURM_JOB_ID", "7"), ("SLURM_STEP_ID", "0"), ("SLURM_RESTART_COUNT", "2")] => Some("slurm-7.0-restart2".to_owned()); "a job that was started again")]
    #[test_case(None, Some(ShardChoice::Auto), &[("OMPI_COMM_WORLD_RANK", "1"), ("PMIX_NAMESPACE", "prterun-a-1@1")] => Some("pmix-prterun-a-1@1".to_owned()))]
    #[test_case(None, Some(ShardChoice::Auto), &[("OMPI_COMM_WORLD_RANK", "1"), ("PMIX_NAMESPACE", "prterun-a-1@1"), ("SLURM_JOB_ID", "7")] => Some("pmix-prterun-a-1@1".to_owned()); "mpirun in a job of SLURM")]
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

    #[test]
    fn a_name_of_the_environment_is_one_that_the_flag_takes() {
        let blank = |_: &str| Some(OsString::from("two words"));
        assert_eq!(
            run_id(None, None, blank).unwrap_err().to_string(),
            "environment variable LOADGEN_RUN_ID is `two words`: expected up to 128 letters, digits and signs of \
             ASCII, without blanks"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_is_no_text_is_not_shown() {
        use std::os::unix::ffi::OsStringExt as _;

        let flags = TogetherFlags::default();
        let token = |_: &str| Some(OsString::from_vec(b"s3cr3t\xff".to_vec()));
        let error = coordination("127.0.0.1:1", &flags, token).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains(TOKEN) && !told.contains("s3cr3t"), "{told}");
    }
}
