//! Who is at the other end of a stream, and the log of what goes over it.
//!
//! Owns the lines; who reads them is for the server's owner to say.

use tonic::metadata::MetadataMap;

use super::proto;

/// The most characters of what a client said that are shown.
const MOST_SHOWN: usize = 100;

/// Who is at the other end of a stream. That it has ended is told when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    /// What each line begins with: which version, and which server.
    server: String,
    id: String,
    version: String,
    log: fn(&str),
}

impl Peer {
    /// The one who sent this metadata.
    pub(super) fn of(metadata: &MetadataMap, server: &proto::Identity, log: fn(&str)) -> Self {
        let said = |name| {
            let value = metadata.get(name).and_then(|it| it.to_str().ok());
            value.map_or_else(|| "-".to_owned(), shown)
        };
        Self {
            server: format!("[SERVER_{}/{}]", server.version, server.id),
            id: said("agent-id"),
            version: said("agent-version"),
            log,
        }
    }

    /// Something came from it, maybe with this message.
    pub(super) fn says(&self, what: &str, message: &str) {
        let Self {
            server,
            id,
            version,
            ..
        } = self;
        let message = match message {
            "" => String::new(),
            message => format!(" message={}", shown(message)),
        };
        (self.log)(&format!(
            "{server} {what} agent-id={id} agent-version={version}{message}"
        ));
    }

    /// A message was answered.
    pub(super) fn answered(&self) {
        (self.log)(&format!(
            "{} Sent pong to agent-id={}",
            self.server, self.id
        ));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.says("Stream closed from", "");
    }
}

/// What others said, on one line and not too long.
fn shown(said: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    said.chars().take(MOST_SHOWN).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_stays_on_its_line() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a?b?[31m");
        assert_eq!(shown(&"ä".repeat(200)).chars().count(), MOST_SHOWN);
    }
}
