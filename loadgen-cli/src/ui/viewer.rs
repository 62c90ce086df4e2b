//! One who looks, over a WebSocket: is sent what is on show, as far as they keep up with it.

use std::sync::Arc;
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::stage::{Numbers, Shared};

/// The longest message and frame that is taken, in bytes.
const MOST_TAKEN: usize = 16 << 10;
/// So many messages are taken in a second: more than a person's hands make.
const MOST_A_SECOND: u32 = 50;
/// Whoever takes nothing for so long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// How often it is seen whether they are there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long they may take to say good-bye, too.
const GOOD_BYE_WITHIN: Duration = Duration::from_secs(1);

/// How it ends.
enum End {
    /// They are gone, or do not take what they are sent.
    Gone,
    /// They have said good-bye.
    Left,
    Close(CloseCode, &'static str),
}

/// Sends what is on show until there is nothing more, or they are gone.
pub(super) async fn serve<Io: AsyncRead + AsyncWrite + Unpin>(
    io: Io,
    shared: &Arc<Shared>,
    numbers: Numbers,
) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST_TAKEN))
        .max_frame_size(Some(MOST_TAKEN));
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let end = show(&mut socket, shared, numbers).await;
    let close = async {
        match end {
            End::Gone => {}
            // The answer is there already, and has to be sent.
            End::Left => {
                let _ = socket.flush().await;
            }
            End::Close(code, reason) => {
                let reason = reason.into();
                if socket
                    .close(Some(CloseFrame { code, reason }))
                    .await
                    .is_ok()
                {
                    // What they say meanwhile is no matter.
                    while let Some(Ok(_)) = socket.next().await {}
                }
            }
        }
    };
    let _ = timeout(GOOD_BYE_WITHIN, close).await;
}

async fn show<S>(socket: &mut S, shared: &Arc<Shared>, mut numbers: Numbers) -> End
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seconds = interval(Duration::from_secs(1));
    let mut heard_in_second = 0;
    let mut has = None;
    let mut standing = Utf8Bytes::default();
    numbers.mark_changed();
    loop {
        let message = tokio::select! {
            changed = numbers.changed() => {
                if changed.is_err() {
                    return End::Close(CloseCode::Normal, "that was all");
                }
                let (number, message) = shared.message(has);
                has = Some(number);
                message.map(Message::Text)
            }
            _ = pings.tick() => Some(Message::Ping(Vec::new().into())),
            _ = seconds.tick() => {
                heard_in_second = 0;
                continue;
            }
            heard = socket.next() => match heard {
                Some(Ok(message)) => {
                    heard_in_second += 1;
                    if heard_in_second > MOST_A_SECOND {
                        return End::Close(CloseCode::Policy, "50 messages a second at the most are taken here");
                    }
                    match heed(&message, shared) {
                        Ok(answer) => answer,
                        Err(end) => return end,
                    }
                }
                Some(Err(error)) => return refused(&error),
                None => return End::Gone,
            },
        };
        // What changes with whatever was just told, or heard.
        let stands = shared.standing();
        let stands = (stands != standing).then(|| {
            standing = stands.clone();
            Message::Text(stands)
        });
        let send = async {
            for message in message.into_iter().chain(stands) {
                socket.send(message).await?;
            }
            Ok::<_, Error>(())
        };
        match timeout(TAKEN_WITHIN, send).await {
            Ok(Ok(())) => {}
            _ => return End::Gone,
        }
    }
}

/// What is answered to a message.
fn heed(message: &Message, shared: &Shared) -> Result<Option<Message>, End> {
    match message {
        Message::Text(asked) => Ok(Some(Message::Text(shared.steer(asked)))),
        Message::Binary(_) => Err(End::Close(
            CloseCode::Unsupported,
            "only text is taken here",
        )),
        Message::Close(_) => Err(End::Left),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
    }
}

/// What is said to whoever does not keep to what is taken.
fn refused(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            End::Close(CloseCode::Size, "16 KiB at the most are taken here")
        }
        Error::Utf8(_) => End::Close(CloseCode::Invalid, "text is UTF-8"),
        Error::Protocol(_) => End::Close(CloseCode::Protocol, "this is no WebSocket"),
        _ => End::Gone,
    }
}
