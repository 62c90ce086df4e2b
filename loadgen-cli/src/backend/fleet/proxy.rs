//! Telling a fault proxy what is to go wrong: by its management, on loopback, with a token that only this run and
//! its proxies know.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::scenario::Faults;
use loadgen_core::sink::post::Once;

/// The longest it may take to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// A token that nobody guesses.
///
/// # Errors
/// When the system has none to give.
pub(super) fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}

/// Has these faults hold in place of those that do; returns once they do.
///
/// # Errors
/// Why they do not.
pub(super) fn tell(control: SocketAddr, token: &str, faults: &Faults) -> Result<(), String> {
    let mut once = Once::new("PUT", format!("http://{control}/faults"));
    once.headers = vec![
        ("authorization".to_owned(), format!("Bearer {token}")),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    once.body = faults.to_json().to_string().into_bytes();
    once.send(PATIENCE)
}
