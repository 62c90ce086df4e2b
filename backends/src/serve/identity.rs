//! Who answers: the id, host and version that every reply carries.
//!
//! Owns the identity's checked and ready-made forms. Protocol modules put it into their replies.

use http::HeaderValue;

use crate::serve::error::ServeError;
use crate::serve::limits::MAX_ID_BYTES;

/// The metadata key (and HTTP header) that names the backend in every reply.
pub const IDENTITY_METADATA: &str = "x-loadgen-backend";

/// A backend's identity, known to fit into metadata.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    id: String,
    host: String,
    version: Option<String>,
}

impl Identity {
    /// The version that answers carry beside id and host unless told: this package's.
    const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The identity of a server on `port`: `id` if it is given, else one of this process's own.
    ///
    /// # Errors
    /// [`ServeError::InvalidId`] for an id that metadata cannot carry.
    pub(crate) fn new(id: Option<String>, port: u16) -> Result<Self, ServeError> {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let id = id.unwrap_or_else(|| unique_id(&host, port));
        if fits(&id) {
            Ok(Self {
                id,
                host,
                version: None,
            })
        } else {
            Err(ServeError::InvalidId { id })
        }
    }

    /// The same, of this version of what it serves.
    ///
    /// # Errors
    /// [`ServeError::InvalidVersion`] for what is not visible, empty or too long.
    pub(crate) fn of_version(self, version: Option<String>) -> Result<Self, ServeError> {
        match version {
            Some(version) if !fits(&version) => Err(ServeError::InvalidVersion { version }),
            version => Ok(Self { version, ..self }),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it serves, by its version.
    pub(crate) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(Self::OWN_VERSION)
    }

    /// The id as response metadata. Each call copies it, so that workers that count references to
    /// theirs do not share a cache line.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.id).expect("the id is visible ASCII")
    }

    /// The machine's name for itself.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

fn fits(name: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&name.len()) && name.bytes().all(is_visible)
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Host, process and port: apart for every server that runs at one time.
fn unique_id(host: &str, port: u16) -> String {
    let suffix = format!("-{}-{port}", std::process::id());
    let host: String = host
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .take(MAX_ID_BYTES - suffix.len())
        .collect();
    format!("{host}{suffix}")
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("blue-1", true; "plain")]
    #[test_case("", false; "empty")]
    #[test_case("two words", false; "space")]
    #[test_case("caf\u{e9}", false; "not ascii")]
    #[test_case("line\nbreak", false; "control character")]
    #[test_case(&"x".repeat(MAX_ID_BYTES), true; "longest")]
    #[test_case(&"x".repeat(MAX_ID_BYTES + 1), false; "too long")]
    fn ids(id: &str, fits: bool) {
        let identity = Identity::new(Some(id.to_owned()), 1);
        match identity {
            Ok(identity) => {
                assert!(fits, "{id:?} was taken");
                assert_eq!(identity.header(), id);
                assert_eq!(identity.id(), id);
            }
            Err(error) => assert!(!fits, "{error}"),
        }
    }

    #[test]
    fn own_ids_differ_by_port_and_name_the_host() {
        let one = Identity::new(None, 1).unwrap();
        let two = Identity::new(None, 2).unwrap();
        assert_ne!(one.id(), two.id());
        assert_eq!(one.host(), two.host());
    }

    #[test]
    fn a_strange_hostname_still_makes_a_valid_id() {
        let long = "h\u{f6}st ".repeat(100);
        let id = unique_id(&long, 65_535);
        assert!(Identity::new(Some(id), 1).is_ok());
    }
}
