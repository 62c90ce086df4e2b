//! Which part of a run this process carries out, and who says so.

use std::ffi::OsString;
use std::num::ParseIntError;

use loadgen_core::schedule::{Shard, ShardError};

use super::env::{self, EnvError};
use crate::args::ShardChoice;

/// How many shards there are, where whatever starts them does not say it itself.
const SHARDS: &str = "LOADGEN_SHARDS";

/// Who starts shards: the variables in which they find their number, and how many there are. In the order in which
/// they are named.
const LAUNCHERS: [Launcher; 4] = [
    Launcher {
        name: "a Kubernetes Indexed Job",
        index: "JOB_COMPLETION_INDEX",
        count: None,
        job: &[],
    },
    Launcher {
        name: "SLURM",
        index: "SLURM_PROCID",
        count: Some("SLURM_NTASKS"),
        job: &[
            ("slurm-", "SLURM_JOB_ID"),
            (".", "SLURM_STEP_ID"),
            // A job that is started again keeps its number.
            ("-restart", "SLURM_RESTART_COUNT"),
        ],
    },
    Launcher {
        name: "Open MPI",
        index: "OMPI_COMM_WORLD_RANK",
        count: Some("OMPI_COMM_WORLD_SIZE"),
        job: PMIX,
    },
    Launcher {
        name: "PMI",
        index: "PMI_RANK",
        count: Some("PMI_SIZE"),
        job: PMIX,
    },
];

/// The job as PMIx names it, which Open MPI and others start processes with.
const PMIX: &[(&str, &str)] = &[("pmix-", "PMIX_NAMESPACE")];

/// Whatever starts shards.
#[derive(Debug, Clone, Copy)]
struct Launcher {
    name: &'static str,
    index: &'static str,
    count: Option<&'static str>,
    /// What names the job, each after what stands before it. Without the first of them it has no name.
    job: &'static [(&'static str, &'static str)],
}

/// Why nobody says which shard this is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AutoShardError {
    /// No launcher did.
    #[error(
        "`--shard auto`: nothing in the environment says which shard this is; expected {}; or write `--shard I/N`",
        all_launchers()
    )]
    Nobody,
    /// A launcher says which, and nobody how many there are.
    #[error(
        "`--shard auto`: {index} says which shard this is, and nothing how many there are; set {expected}"
    )]
    HowMany {
        /// The variable that is there.
        index: &'static str,
        /// Those of which one is missing.
        expected: String,
    },
    /// Two say different things.
    #[error(
        "`--shard auto`: {one} make this shard {first}, and {other} shard {second}; unset those that do not count, or \
         write `--shard I/N`"
    )]
    Contradiction {
        /// The variables of one.
        one: String,
        /// What they say.
        first: String,
        /// Those of the other.
        other: String,
        /// What these say.
        second: String,
    },
    /// Two say different things of how many there are.
    #[error(
        "`--shard auto`: {count} says that there are {shards} shards, and {SHARDS} that there are {of_ours}; unset the \
         one that does not count"
    )]
    Count {
        /// The launcher's variable.
        count: &'static str,
        /// What it says.
        shards: u32,
        /// What ours says.
        of_ours: u32,
    },
    /// What they say is no shard.
    #[error("`--shard auto`: {variables}: {why}")]
    NoShard {
        /// The variables that say so.
        variables: String,
        /// Why not.
        why: ShardError,
    },
    /// A variable that holds nonsense.
    #[error(transparent)]
    Environment(#[from] EnvError),
}

fn all_launchers() -> String {
    let each = LAUNCHERS.iter().map(|it| {
        let count = it.count.unwrap_or(SHARDS);
        format!("{} and {count} ({})", it.index, it.name)
    });
    let each: Vec<String> = each.collect();
    each.join(", ")
}

/// Which part of a run was asked for.
///
/// # Errors
/// [`AutoShardError`] where the environment was to say it.
pub(super) fn settle(
    choice: ShardChoice,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Shard, AutoShardError> {
    match choice {
        ShardChoice::This(shard) => Ok(shard),
        ShardChoice::Auto => of_environment(variable),
    }
}

fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Shard, AutoShardError> {
    let ours = number(&variable, SHARDS)?;
    let mut found: Option<(String, Shard)> = None;
    for launcher in LAUNCHERS {
        let Some(index) = number(&variable, launcher.index)? else {
            continue;
        };
        let theirs = match launcher.count {
            Some(name) => number(&variable, name)?.map(|count| (name, count)),
            None => None,
        };
        let (count_from, count) = match (theirs, ours) {
            (Some((count, shards)), Some(of_ours)) if shards != of_ours => {
                return Err(AutoShardError::Count {
                    count,
                    shards,
                    of_ours,
                });
            }
            (Some(theirs), _) => theirs,
            (None, Some(ours)) => (SHARDS, ours),
            (None, None) => {
                let names = launcher.count.into_iter().chain([SHARDS]);
                let names: Vec<&str> = names.collect();
                return Err(AutoShardError::HowMany {
                    index: launcher.index,
                    expected: names.join(" or "),
                });
            }
        };
        let variables = format!("{} and {count_from}", launcher.index);
        let shard = Shard::new(index, count).map_err(|why| AutoShardError::NoShard {
            variables: format!("{}={index} and {count_from}={count}", launcher.index),
            why,
        })?;
        match &found {
            Some((one, first)) if *first != shard => {
                return Err(AutoShardError::Contradiction {
                    one: one.clone(),
                    first: first.to_string(),
                    other: variables,
                    second: shard.to_string(),
                });
            }
            Some(_) => {}
            None => found = Some((variables, shard)),
        }
    }
    found.map(|(_, shard)| shard).ok_or(AutoShardError::Nobody)
}

/// What the launcher that says which shard this is calls the job.
pub(super) fn job(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, EnvError> {
    for launcher in LAUNCHERS {
        if env::text(&variable, launcher.index)?.is_none() {
            continue;
        }
        let mut name = String::new();
        for (before, part) in launcher.job {
            match env::text(&variable, part)? {
                Some(part) => name = format!("{name}{before}{part}"),
                None if name.is_empty() => break,
                None => {}
            }
        }
        if !name.is_empty() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn number(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<u32>, EnvError> {
    let Some(value) = env::text(variable, name)? else {
        return Ok(None);
    };
    value
        .parse()
        .map(Some)
        .map_err(|_: ParseIntError| EnvError {
            variable: name,
            value,
            expected: "a whole number".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn settled(set: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let value = set.iter().find(|(it, _)| *it == name);
            value.map(|(_, value)| OsString::from(value))
        };
        let settled = settle(ShardChoice::Auto, variable);
        settled
            .map(|it| it.to_string())
            .map_err(|it| it.to_string())
    }

    #[test_case(&[("JOB_COMPLETION_INDEX", "3"), ("LOADGEN_SHARDS", "8")] => "3/8")]
    #[test_case(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")] => "0/4")]
    #[test_case(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")] => "1/2")]
    #[test_case(&[("PMI_RANK", "5"), ("PMI_SIZE", "6")] => "5/6")]
    #[test_case(&[("PMI_RANK", "5"), ("LOADGEN_SHARDS", "6")] => "5/6"; "ours where theirs is missing")]
    #[test_case(&[("PMI_RANK", "5"), ("PMI_SIZE", "6"), ("LOADGEN_SHARDS", "6")] => "5/6"; "both")]
    #[test_case(&[("SLURM_PROCID", "1"), ("SLURM_NTASKS", "4"), ("PMI_RANK", "1"), ("PMI_SIZE", "4")] => "1/4"; "two that agree")]
    #[test_case(&[("SLURM_PROCID", ""), ("PMI_RANK", "1"), ("PMI_SIZE", "4")] => "1/4"; "empty is not set")]
    fn launchers(set: &[(&str, &str)]) -> String {
        settled(set).unwrap()
    }

    #[test_case(&[] => "`--shard auto`: nothing in the environment says which shard this is; expected JOB_COMPLETION_INDEX and LOADGEN_SHARDS (a Kubernetes Indexed Job), SLURM_PROCID and SLURM_NTASKS (SLURM), OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE (Open MPI), PMI_RANK and PMI_SIZE (PMI); or write `--shard I/N`"; "nothing")]
    #[test_case(&[("JOB_COMPLETION_INDEX", "3")] => "`--shard auto`: JOB_COMPLETION_INDEX says which shard this is, and nothing how many there are; set LOADGEN_SHARDS"; "of how many")]
    #[test_case(&[("SLURM_PROCID", "3")] => "`--shard auto`: SLURM_PROCID says which shard this is, and nothing how many there are; set SLURM_NTASKS or LOADGEN_SHARDS"; "of how many tasks")]
    #[test_case(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1"), ("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "4")] => "`--shard auto`: SLURM_PROCID and SLURM_NTASKS make this shard 0/1, and OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE shard 2/4; unset those that do not count, or write `--shard I/N`"; "mpirun in a batch job")]
    #[test_case(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4"), ("LOADGEN_SHARDS", "8")] => "`--shard auto`: SLURM_NTASKS says that there are 4 shards, and LOADGEN_SHARDS that there are 8; unset the one that does not count"; "two numbers")]
    #[test_case(&[("SLURM_PROCID", "4"), ("SLURM_NTASKS", "4")] => "`--shard auto`: SLURM_PROCID=4 and SLURM_NTASKS=4: there is no shard 4 of 4: they are counted from 0, and the last one is 3/4"; "beyond the last")]
    #[test_case(&[("SLURM_PROCID", "one"), ("SLURM_NTASKS", "4")] => "environment variable SLURM_PROCID is `one`: expected a whole number"; "no number")]
    fn refused(set: &[(&str, &str)]) -> String {
        settled(set).unwrap_err()
    }

    #[test]
    fn whoever_says_it_needs_no_environment() {
        let shard = Shard::new(1, 4).unwrap();
        let settled = settle(ShardChoice::This(shard), |_| panic!("it is said"));
        assert_eq!(settled, Ok(shard));
    }
}
