//! What becomes of a connection to a coordinator, in our words: those of the transport name its layers, and not what
//! to look at.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use tokio_rustls::rustls::{self, CertificateError};
use tonic::{Code, Status};

/// What listens there is something else.
const NO_COORDINATOR: &str =
    "what listens there is another service, and does not speak as a coordinator does";
/// The same, where what listens may expect TLS of whoever has none.
const NO_COORDINATOR_OR_TLS: &str = "what listens there is another service, or a coordinator that expects \
                                     `--coordinator-ca`, `--coordinator-cert` and `--coordinator-key`";
const CUT: &str = "the connection was cut";
/// What is expected of a shard's certificate.
const CERTIFICATE: &str = "expected one (`--coordinator-cert`) of the authority that the coordinator has as \
                           `--coordinator-ca`";
/// How the text begins of what the other side says of TLS that it does not go on with.
const ALERT: &str = "received fatal alert: ";

/// Why there is no connection, or none any more. `has_tls` says whether this side speaks TLS.
pub(super) fn of_transport(error: &(dyn StdError + 'static), has_tls: bool) -> String {
    let mut last = error;
    loop {
        if let Some(told) = of_cause(last, has_tls) {
            return told;
        }
        match last.source() {
            Some(cause) => last = cause,
            None => return format!("it cannot be connected to: {last}"),
        }
    }
}

/// Why no TLS can be spoken with what files hold: the last cause alone says so.
pub(super) fn of_files(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Why a connection came to nothing before a word was said, which was told so: where TLS is not what was expected it
/// may just be cut.
pub(super) fn at_first(why: String, has_tls: bool) -> String {
    if why != CUT {
        return why;
    }
    match has_tls {
        true => format!(
            "{CUT} at once, as it is where the certificate of this shard is not taken; {CERTIFICATE}"
        ),
        false => format!(
            "{CUT} at once, as it is by a coordinator that expects `--coordinator-ca`, `--coordinator-cert` and \
             `--coordinator-key`"
        ),
    }
}

/// How a call ended that is to last as long as the run.
pub(super) fn of_status(status: &Status, has_tls: bool) -> String {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(told) = of_cause(error, has_tls) {
            return told;
        }
        cause = error.source();
    }
    match status.code() {
        Code::Unimplemented => NO_COORDINATOR.to_owned(),
        Code::Unavailable | Code::Cancelled => CUT.to_owned(),
        _ if status.message().is_empty() => no_coordinator(has_tls).to_owned(),
        _ => format!("it says: {}", status.message()),
    }
}

fn no_coordinator(has_tls: bool) -> &'static str {
    match has_tls {
        true => NO_COORDINATOR,
        false => NO_COORDINATOR_OR_TLS,
    }
}

/// That, of a cause that says something by itself.
fn of_cause(error: &(dyn StdError + 'static), has_tls: bool) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_system(error, has_tls);
    }
    let error = error.downcast_ref::<h2::Error>()?;
    match error.get_io() {
        Some(error) => of_system(error, has_tls),
        None => Some(no_coordinator(has_tls).to_owned()),
    }
}

fn of_system(error: &io::Error, has_tls: bool) -> Option<String> {
    if let Some(inner) = error.get_ref()
        && let Some(told) = of_cause(inner, has_tls)
    {
        return Some(told);
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => CUT.to_owned(),
        ErrorKind::TimedOut => "nothing answers there".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            format!("no way leads there ({error})")
        }
        // HTTP/2 keeps no more of an error than its text.
        ErrorKind::InvalidData => match error.to_string().strip_prefix(ALERT) {
            Some(alert) => certificate_refused(alert),
            None => no_coordinator(has_tls).to_owned(),
        },
        // It wraps what says more, or is in the system's words.
        _ => match error.get_ref() {
            Some(_) => return None,
            None => error.to_string(),
        },
    })
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "what listens there speaks no TLS: it is another service, or a coordinator that was started without \
             `--coordinator-ca`, `--coordinator-cert` and `--coordinator-key`"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate (`--coordinator-cert`) is for another host than that of this address; expected one \
              that names it as all shards do"
            .to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate is of no authority in the file of `--coordinator-ca`; expected one authority for the \
              coordinator and all shards"
            .to_owned(),
        rustls::Error::InvalidCertificate(why) => format!("its certificate is not taken: {why}"),
        rustls::Error::AlertReceived(alert) => certificate_refused(&format!("{alert:?}")),
        other => format!("no TLS is spoken with it: {other}"),
    }
}

fn certificate_refused(alert: &str) -> String {
    format!("it does not take the certificate of this shard ({alert}); {CERTIFICATE}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use test_case::test_case;
    use tokio_rustls::rustls::{AlertDescription, InvalidMessage};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("transport error")]
    struct Transport(#[source] Box<dyn StdError + Send + Sync>);

    fn system(kind: ErrorKind) -> io::Error {
        kind.into()
    }

    fn tls(error: rustls::Error) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }

    #[test_case(system(ErrorKind::ConnectionRefused), "nothing listens there")]
    #[test_case(system(ErrorKind::BrokenPipe), "the connection was cut")]
    #[test_case(system(ErrorKind::TimedOut), "nothing answers there")]
    #[test_case(io::Error::from_raw_os_error(13), "Permission denied"; "in the words of the system")]
    #[test_case(io::Error::other(Transport(Box::new(system(ErrorKind::ConnectionReset)))), "the connection was cut"; "beneath others")]
    #[test_case(
        tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
        "speaks no TLS"
    )]
    #[test_case(
        tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        "`--coordinator-ca`; expected one authority"
    )]
    #[test_case(
        tls(rustls::Error::InvalidCertificate(CertificateError::NotValidForName)),
        "for another host"
    )]
    #[test_case(
        tls(rustls::Error::InvalidCertificate(CertificateError::Expired)),
        "its certificate is not taken: "
    )]
    #[test_case(
        tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA)),
        "does not take the certificate of this shard"
    )]
    fn a_cause_is_in_our_words(cause: io::Error, expected: &str) {
        let told = of_transport(&Transport(Box::new(cause)), true);
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("transport error"), "{told}");
    }

    #[test_case(&Status::unimplemented("") => NO_COORDINATOR)]
    #[test_case(&Status::internal("") => NO_COORDINATOR_OR_TLS)]
    #[test_case(&Status::unavailable("error trying to connect") => CUT)]
    #[test_case(&Status::unknown("busy") => "it says: busy")]
    #[test_case(&Status::from_error(Box::new(Transport(Box::new(system(ErrorKind::ConnectionReset))))) => CUT; "by its cause")]
    fn a_status_is_in_our_words(status: &Status) -> String {
        of_status(status, false)
    }

    #[test]
    fn what_nobody_knows_is_told_as_it_is() {
        let other: Arc<dyn StdError + Send + Sync> = Arc::from(Box::from("never seen before"));
        let told = of_transport(&Transport(Box::new(other)), false);
        assert!(told.ends_with("never seen before"), "{told}");
    }
}
