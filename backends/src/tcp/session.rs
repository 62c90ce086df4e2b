//! The life of one TCP connection: what it reads, what it answers, how it ends.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::serve::activity::{Answered, Handling, Tally};
use crate::serve::connection::{Connection, Cutter, linger};
use crate::serve::faults::Verdict;
use crate::serve::limits;
use crate::serve::server::Drain;

use super::Shared;

/// What is read at once, at first: most connections never have more to say.
const LEAST_BUFFER_BYTES: usize = 4 * 1024;
/// What is read at once on a connection that fills its buffer.
const MOST_BUFFER_BYTES: usize = 64 * 1024;
/// Answers to lines that are gathered before they are sent.
const GATHERED_BYTES: usize = 64 * 1024;

/// Why a session is over.
#[derive(Debug)]
enum End {
    /// There is no more to say: the peer has sent all it had, said so, or the server shuts down.
    Over,
    /// The connection is broken.
    Gone,
    /// The connection is cut on purpose.
    Cut,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// One connection.
pub(super) struct Session {
    connection: Connection,
    cutter: Option<Cutter>,
    shared: Arc<Shared>,
    /// Answers that are not sent yet.
    unsent: Vec<u8>,
    /// What they answer, where that is measured.
    unanswered: Vec<Handling>,
}

impl Session {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>) -> Self {
        Self {
            cutter: connection.cutter(),
            connection,
            shared,
            unsent: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Answers until the peer has gone or, after `drain`, until what has arrived is answered.
    pub(super) async fn serve(mut self, mut drain: Drain) {
        let draining = pin!(drain.begun());
        let end = match self.greet().await {
            Ok(()) if self.shared.options.lines => self.answer_lines(draining).await,
            Ok(()) => self.answer_bytes(draining).await,
            Err(end) => Err(end),
        };
        match end.err().unwrap_or(End::Over) {
            End::Over => linger(&mut self.connection).await,
            End::Gone => {}
            End::Cut => self.connection.reset_on_drop(),
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        if self.shared.options.identity_on_connect {
            let shared = Arc::clone(&self.shared);
            self.send(shared.identity.as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer_bytes(&mut self, mut draining: Pin<&mut impl Future>) -> Result<(), End> {
        let mut buffer = vec![0; LEAST_BUFFER_BYTES];
        loop {
            let read = self.connection.read(&mut buffer);
            let length = until(draining.as_mut(), read).await?;
            let handling = self.begin()?;
            self.judge(handling).await?;
            // Sent from where it was read: the answer has no copy of its own.
            self.send(&buffer[..length]).await?;
            self.answered();
            if length == buffer.len() && length < MOST_BUFFER_BYTES {
                buffer.resize((length * 4).min(MOST_BUFFER_BYTES), 0);
            }
        }
    }

    async fn answer_lines(&mut self, mut draining: Pin<&mut impl Future>) -> Result<(), End> {
        let mut buffer = Vec::with_capacity(LEAST_BUFFER_BYTES);
        loop {
            // Nothing before here has an end of line.
            let looked_at = buffer.len();
            let read = self.connection.read_buf(&mut buffer);
            if let Err(end) = until(draining.as_mut(), read).await {
                if matches!(end, End::Over) && !buffer.is_empty() {
                    self.answer_line(&buffer).await?;
                    self.flush().await?;
                }
                return Err(end);
            }
            let mut begin = 0;
            let mut from = looked_at;
            while let Some(length) = buffer[from..].iter().position(|byte| *byte == b'\n') {
                let end = from + length + 1;
                self.answer_line(&buffer[begin..end]).await?;
                (begin, from) = (end, end);
            }
            self.flush().await?;
            buffer.drain(..begin);
            if buffer.len() > limits::LINE_BYTES {
                self.refuse_line().await?;
            }
        }
    }

    async fn refuse_line(&mut self) -> Result<(), End> {
        let most = limits::LINE_BYTES;
        let error = format!("error: a line may have {most} bytes\n");
        self.send(error.as_bytes()).await?;
        Err(End::Over)
    }

    async fn answer_line(&mut self, line: &[u8]) -> Result<(), End> {
        if line.len() > limits::LINE_BYTES {
            self.flush().await?;
            return self.refuse_line().await;
        }
        let handling = match self.begin() {
            Ok(handling) => handling,
            Err(end) => {
                // What was answered before is not what is cut.
                self.flush().await?;
                return Err(end);
            }
        };
        self.judge(handling).await?;
        match line.trim_ascii_end() {
            b"identity" => self
                .unsent
                .extend_from_slice(self.shared.identity.as_bytes()),
            b"close" => {
                self.flush().await?;
                return Err(End::Over);
            }
            _ => self.unsent.extend_from_slice(line),
        }
        if self.unsent.len() >= GATHERED_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// A call is there.
    fn begin(&self) -> Result<Option<Handling>, End> {
        if self.cutter.as_ref().is_some_and(|it| !it.admits()) {
            return Err(End::Cut);
        }
        Ok(self.shared.tally.as_ref().map(Tally::begin))
    }

    /// Waits as long as the faults say, and ends the session where they do.
    async fn judge(&mut self, handling: Option<Handling>) -> Result<(), End> {
        if let Some(faults) = self.shared.faults.clone() {
            self.flush().await?;
            if faults.judge().await != Verdict::Answer {
                if let Some(handling) = handling {
                    handling.over(Answered::WithFailure);
                }
                return Err(End::Over);
            }
        }
        self.unanswered.extend(handling);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            self.send(&unsent).await?;
            self.unsent = unsent;
            self.unsent.clear();
        }
        self.answered();
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.connection.write_all(bytes).await?;
        Ok(self.connection.flush().await?)
    }

    /// The answers are handed over.
    fn answered(&mut self) {
        for handling in self.unanswered.drain(..) {
            handling.over(Answered::Well);
        }
    }
}

/// What a read brings. The peer's end ends the session, and so does `draining` when there is nothing
/// to read.
async fn until(
    draining: Pin<&mut impl Future>,
    read: impl Future<Output = io::Result<usize>>,
) -> Result<usize, End> {
    tokio::select! {
        biased;
        read = read => match read? {
            0 => Err(End::Over),
            length => Ok(length),
        },
        _ = draining => Err(End::Over),
    }
}
