//! What the TLS flags say.

use loadgen_core::input;
use loadgen_core::scenario::Plan;

use super::error::SettingsError;
use super::targets;
use crate::args::{RunArgs, TargetFlags};
use crate::protocols;

/// Sets what the flags say. Returns warnings.
pub(super) fn apply(plan: &mut Plan, args: &RunArgs) -> Vec<String> {
    let mut warnings = Vec::new();
    let asked =
        args.tls_ca.is_some() || args.tls_server_name.is_some() || args.insecure_skip_verify;
    for scenario in &mut plan.scenarios {
        if asked {
            let tls = scenario.tls.get_or_insert_default();
            tls.ca_file = args.tls_ca.clone().or(tls.ca_file.take());
            tls.server_name = args.tls_server_name.clone().or(tls.server_name.take());
            tls.insecure_skip_verify |= args.insecure_skip_verify;
        }
        // What goes elsewhere is another server of another name, and maybe in plain text.
        for servers in scenario.elsewhere.iter_mut().filter(|_| asked) {
            if servers.tls.is_some() || servers.targets.iter().any(|it| it.tls) {
                let tls = servers.tls.get_or_insert_default();
                tls.ca_file = args.tls_ca.clone().or(tls.ca_file.take());
                tls.insecure_skip_verify |= args.insecure_skip_verify;
            }
        }
        let elsewhere = scenario.elsewhere.iter().map(|it| &it.tls);
        let mut all = std::iter::once(&scenario.tls).chain(elsewhere).flatten();
        if all.any(|it| it.insecure_skip_verify) {
            warnings.push(format!(
                "WARNING: `{}` accepts any certificate; whoever answers is not verified",
                scenario.name
            ));
        }
    }
    warnings
}

/// What is wrong with the TLS flags themselves is the command line's fault, not a scenario's.
pub(super) fn refuse_contradicting(
    args: &RunArgs,
    targets: &TargetFlags,
) -> Result<(), SettingsError> {
    if let Some(path) = &args.tls_ca
        && let Err(source) = input::read(path)
    {
        let path = path.clone();
        return Err(SettingsError::Authorities { path, source });
    }
    let flags = [
        ("--tls-ca", args.tls_ca.is_some()),
        ("--tls-server-name", args.tls_server_name.is_some()),
        ("--insecure-skip-verify", args.insecure_skip_verify),
    ];
    let Some((tls_flag, _)) = flags.into_iter().find(|(_, given)| *given) else {
        return Ok(());
    };
    for row in protocols::ALL {
        for target in targets::parts(targets.of(row.protocol)) {
            let scheme = target.split_once("://").map_or("", |(scheme, _)| scheme);
            let mut all = protocols::ALL.into_iter();
            let Some(plain) = all.find(|it| it.plain.eq_ignore_ascii_case(scheme)) else {
                continue;
            };
            return Err(SettingsError::PlainTarget {
                target_flag: row.target_flag(),
                target: target.to_owned(),
                encrypted: plain.encrypted,
                tls_flag,
            });
        }
    }
    Ok(())
}
