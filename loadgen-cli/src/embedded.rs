//! The embedded backend: this program again, as a server in a process of its own.
//!
//! Its own process, so that it never shares the generator's threads, memory or clock, and its own
//! process group, so that Ctrl-C stops the load first. It ends when its standard input does, which
//! happens whatever becomes of us.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use loadgen_core::scenario::Target;

use crate::commands::serve::Listening;

/// The longest it may take to listen.
const START: Duration = Duration::from_secs(10);
/// The longest it may take to end once it is told to.
const END: Duration = Duration::from_secs(2);
/// What it calls itself in every reply.
const ID: &str = "embedded";

/// Why the embedded backend did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EmbeddedError {
    /// It could not be started.
    #[error("failed to start the embedded backend: {0}")]
    Start(#[from] io::Error),
    /// It started and did not come to listen.
    #[error("failed to start the embedded backend: {0}")]
    Silent(String),
}

/// The embedded backend at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Embedded {
    child: Child,
    /// Kept only to be closed.
    stdin: Option<ChildStdin>,
    /// Ends when the child's standard output does.
    lines: Receiver<String>,
    address: SocketAddr,
}

impl Embedded {
    /// Starts it on a free loopback port and waits until it listens.
    ///
    /// # Errors
    /// [`EmbeddedError`] when it does not.
    pub(crate) fn start(threads: usize) -> Result<Self, EmbeddedError> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "grpc", "--address", "127.0.0.1:0", "--id", ID])
            .args(["--threads", &threads.to_string(), "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let (sender, lines) = mpsc::channel();
        thread::Builder::new()
            .name("embedded".to_owned())
            .spawn(move || {
                let lines = stdout.map(|it| BufReader::new(it).lines());
                for line in lines.into_iter().flatten().map_while(Result::ok) {
                    // Read on when nobody listens any more: a full pipe would stop the server.
                    let _ = sender.send(line);
                }
            })?;
        // From here on dropping it ends the child.
        let mut this = Self {
            child,
            stdin,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = this.lines.recv_timeout(START).map_err(|error| {
            EmbeddedError::Silent(match error {
                RecvTimeoutError::Timeout => format!("no word from it within {START:?}"),
                RecvTimeoutError::Disconnected => "it ended before it listened".to_owned(),
            })
        })?;
        this.address = Listening::parse(&line)
            .map(|it| it.address)
            .ok_or_else(|| EmbeddedError::Silent(format!("it said `{line}`")))?;
        Ok(this)
    }

    /// Where it listens.
    pub(crate) fn target(&self) -> Target {
        Target {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            tls: false,
        }
    }

    /// The line that says that it is there.
    pub(crate) fn notice(&self) -> String {
        format!(
            "no target given: the embedded backend answers on {} (process {})",
            self.address,
            self.child.id()
        )
    }

    /// How it ended, if it is no longer there although nobody told it to end.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stdin.take());
        while self.lines.recv_timeout(END).is_ok() {}
        // Gone by itself in all but the worst case; then killing fails and changes nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
