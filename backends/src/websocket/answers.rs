//! What each path answers, one message after the other.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::serve::activity::Answered;
use crate::serve::compute;
use crate::serve::pace::Pace;
use crate::serve::server::Drain;

use super::json::{self, Answer, Says};
use super::path::{Manner, Path};
use super::session::{End, Request, Session};

/// Messages of a stream without an interval between two looks at what its reader says.
const MESSAGES_PER_LOOK: u32 = 64;

/// Answers on a connection until the peer has gone or, after `drain`, until what has arrived is answered.
pub(super) async fn serve(mut session: Session, path: Path, manner: Manner, drain: Drain) {
    let Err(end) = answer_all(&mut session, path, manner, drain).await;
    session.end(end).await;
}

async fn answer_all(
    session: &mut Session,
    path: Path,
    manner: Manner,
    mut drain: Drain,
) -> Result<Infallible, End> {
    let shared = Arc::clone(&session.shared);
    let backend = manner.identify.then_some(&*shared.backend);
    greet(session, manner.greet, backend).await?;
    session.flush().await?;
    let mut draining = pin!(drain.begun());
    loop {
        let Request { message, handling } = session.next(draining.as_mut()).await?;
        let answered = match session.judge().await {
            Ok(()) => match push(session, manner.push, backend).await {
                Ok(()) => answer(session, path, backend, message).await,
                Err(end) => Err(end),
            },
            Err(end) => Err(end),
        };
        if let Some(handling) = handling {
            match &answered {
                Ok(answered) => handling.over(*answered),
                // The close is the answer.
                Err(End::Fault(..)) => handling.over(Answered::WithFailure),
                Err(_) => {}
            }
        }
        answered?;
    }
}

/// Says so many messages by itself on a new connection.
///
/// # Errors
/// The end of the session, which came in between.
async fn greet(
    session: &mut Session,
    messages: u32,
    backend: Option<&RawValue>,
) -> Result<(), End> {
    for greeting in 0..messages {
        let says = Says::Greeting { greeting };
        session.feed(said(None, says, backend)).await?;
    }
    Ok(())
}

/// Says so many messages that nobody asked for.
///
/// # Errors
/// The end of the session, which came in between.
async fn push(session: &mut Session, messages: u32, backend: Option<&RawValue>) -> Result<(), End> {
    for push in 0..messages {
        session
            .feed(said(None, Says::Push { push }, backend))
            .await?;
    }
    Ok(())
}

/// Answers one message, and says how. What is fed to the session is sent at the latest when it waits.
///
/// # Errors
/// The end of the session, which came in between.
async fn answer(
    session: &mut Session,
    path: Path,
    backend: Option<&RawValue>,
    message: Message,
) -> Result<Answered, End> {
    if path == Path::Echo && backend.is_none() {
        session.feed(message).await?;
        return Ok(Answered::Well);
    }
    let id = match &message {
        Message::Text(text) => json::id(text),
        _ => None,
    };
    let says = match (path, &message) {
        (Path::Echo, Message::Text(text)) => Says::Text { text },
        (Path::Echo, other) => Says::Binary { bytes: other.len() },
        (Path::Ping, Message::Text(text)) => pong(text),
        (Path::Compute, Message::Text(text)) => match json::Compute::read(text) {
            Ok(asked) => {
                // Answers to what came before are not to wait for this one's work.
                session.flush().await?;
                compute(asked.rounds).await
            }
            Err(error) => refused(error),
        },
        (Path::Stream, Message::Text(text)) => match json::Stream::read(text) {
            Ok(asked) => {
                stream(session, &asked, id, backend).await?;
                return Ok(Answered::Well);
            }
            Err(error) => refused(error),
        },
        (Path::Compute | Path::Stream | Path::Ping, _) => refused("expected a text message"),
    };
    let answered = match &says {
        Says::Error { .. } => Answered::WithFailure,
        _ => Answered::Well,
    };
    session.feed(said(id, says, backend)).await?;
    Ok(answered)
}

fn said(id: Option<&RawValue>, says: Says<'_>, backend: Option<&RawValue>) -> Message {
    Message::text(Answer { id, says, backend }.to_text())
}

fn refused(error: impl Into<Cow<'static, str>>) -> Says<'static> {
    Says::Error {
        error: error.into(),
    }
}

fn pong(text: &Utf8Bytes) -> Says<'_> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Says::Pong {
        pong: text,
        time_us: u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX),
    }
}

async fn compute(rounds: u32) -> Says<'static> {
    let started = Instant::now();
    let result = compute::work(rounds).await;
    Says::Computed {
        result: result.to_string(),
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

async fn stream(
    session: &mut Session,
    asked: &json::Stream,
    id: Option<&RawValue>,
    backend: Option<&RawValue>,
) -> Result<(), End> {
    let payload = "x".repeat(asked.payload_bytes as usize);
    let mut pace = Pace::new(asked.interval_us);
    for sequence in 0..asked.count {
        match &mut pace {
            Some(pace) => session.until_due(pace).await?,
            None if sequence % MESSAGES_PER_LOOK == 0 => session.look().await?,
            None => {}
        }
        let says = Says::Message {
            sequence,
            payload: &payload,
        };
        session.feed(said(id, says, backend)).await?;
    }
    Ok(())
}
