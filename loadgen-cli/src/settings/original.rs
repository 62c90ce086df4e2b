//! What `loadgen serve grpc` takes from the flags and variables of the server that it follows.
//!
//! A variable is looked at only where no flag says the same. A certificate alone switches no TLS on.

use std::ffi::OsString;
use std::path::PathBuf;

use super::env::{self, EnvError};
use crate::args::ServeGrpcArgs;
use crate::protocols::Variables;
use crate::servers::GRPC_ADDRESS;

const ADDRESS: Variables = Variables {
    host: "GRPC_SERVER_IP",
    port: "GRPC_SERVER_PORT",
    default_port: 50051,
};
/// Where the original looked for its certificate, and for its key.
const FILES: [(&str, &str); 2] = [
    ("GRPC_CERT_PATH", "./certs/server.crt"),
    ("GRPC_KEY_PATH", "./certs/server.key"),
];

/// Where the gRPC server is to listen.
///
/// # Errors
/// For a variable that holds nonsense.
pub(crate) fn address(
    args: &ServeGrpcArgs,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<String, EnvError> {
    if let Some(address) = &args.address {
        return Ok(address.clone());
    }
    // What a flag says no variable has to.
    let is_told = |name: &str| {
        (name == ADDRESS.host && args.ip.is_some()) || (name == ADDRESS.port && args.port.is_some())
    };
    let said = env::address(&ADDRESS, |name| variable(name).filter(|_| !is_told(name)))?;
    if said.is_none() && args.ip.is_none() && args.port.is_none() {
        return Ok(GRPC_ADDRESS.to_owned());
    }
    let (host, port) = match &said {
        Some(target) => (target.host.as_str(), target.port),
        None => ("127.0.0.1", ADDRESS.default_port),
    };
    let host = args.ip.as_deref().unwrap_or(host);
    let port = args.port.unwrap_or(port);
    Ok(match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    })
}

/// The certificate and key of a server that is to be secure, where no flag names them.
///
/// # Errors
/// For a variable that holds nonsense.
pub(crate) fn certificate(
    args: &ServeGrpcArgs,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<[PathBuf; 2]>, EnvError> {
    if !args.secure || args.server.tls_cert.is_some() {
        return Ok(None);
    }
    let mut files = [PathBuf::new(), PathBuf::new()];
    for (file, (name, usual)) in files.iter_mut().zip(FILES) {
        let told = env::text(&variable, name)?;
        *file = PathBuf::from(told.unwrap_or_else(|| usual.to_owned()));
    }
    Ok(Some(files))
}

/// Makes sure that the kind of service asked for is one that there is; all kinds are served.
///
/// # Errors
/// Where it is none.
pub(crate) fn check_service(
    args: &ServeGrpcArgs,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), EnvError> {
    const NAME: &str = "GRPC_SERVICE_TYPE";
    if args.kind.is_some() {
        return Ok(());
    }
    match env::text(variable, NAME)? {
        Some(value) if value != "unary" && value != "bidirectional" => Err(EnvError {
            variable: NAME,
            value,
            expected: "`unary` or `bidirectional`, both of which are served".to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use test_case::test_case;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Given {
        #[command(flatten)]
        args: ServeGrpcArgs,
    }

    fn given(flags: &[&str]) -> ServeGrpcArgs {
        Given::parse_from([&["loadgen"], flags].concat()).args
    }

    fn among<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    const IP: (&str, &str) = ("GRPC_SERVER_IP", "0.0.0.0");
    const PORT: (&str, &str) = ("GRPC_SERVER_PORT", "50053");
    /// What Kubernetes sets for a service of that name.
    const LINK: (&str, &str) = ("GRPC_SERVER_PORT", "tcp://10.0.0.1:50051");

    #[test_case(&[], &[] => Ok("127.0.0.1:50051".to_owned()); "nothing is said")]
    #[test_case(&[], &[PORT] => Ok("127.0.0.1:50053".to_owned()); "a port")]
    #[test_case(&[], &[IP, PORT] => Ok("0.0.0.0:50053".to_owned()); "both")]
    #[test_case(&["--ip", "::1"], &[IP, PORT] => Ok("[::1]:50053".to_owned()); "a flag wins over its variable")]
    #[test_case(&["--port", "0"], &[IP, LINK] => Ok("0.0.0.0:0".to_owned()); "a variable that a flag replaces is not read")]
    #[test_case(&["--address", "localhost:1"], &[IP, LINK] => Ok("localhost:1".to_owned()); "an address wins over both")]
    #[test_case(&[], &[LINK] => Err("environment variable GRPC_SERVER_PORT is `tcp://10.0.0.1:50051`: expected a port, a number from 1 to 65535".to_owned()); "nonsense")]
    fn addresses(flags: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
        address(&given(flags), among(variables)).map_err(|error| error.to_string())
    }

    const CERTIFICATE: (&str, &str) = ("GRPC_CERT_PATH", "a.crt");

    #[test_case(&[], &[CERTIFICATE] => None; "a certificate alone")]
    #[test_case(&["--secure"], &[CERTIFICATE] => Some(["a.crt".into(), "./certs/server.key".into()]); "secure")]
    #[test_case(&["--secure", "--tls-cert", "b.crt", "--tls-key", "b.key"], &[CERTIFICATE] => None; "flags win")]
    fn certificates(flags: &[&str], variables: &[(&str, &str)]) -> Option<[PathBuf; 2]> {
        certificate(&given(flags), among(variables)).unwrap()
    }

    #[test]
    fn a_kind_of_service_that_there_is_not_is_refused() {
        let variables = [("GRPC_SERVICE_TYPE", "stream")];
        let told = check_service(&given(&[]), among(&variables)).unwrap_err();
        assert_eq!(
            told.to_string(),
            "environment variable GRPC_SERVICE_TYPE is `stream`: expected `unary` or `bidirectional`, both of which are served"
        );
        assert!(check_service(&given(&["--type", "unary"]), among(&variables)).is_ok());
    }
}
