//! One who looks, over a WebSocket: is sent what is on show, as far as they keep up with it.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
/// Whoever takes not a byte for so long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// How often it is seen whether they have taken something.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is seen whether they are there, and how many times in a row it may be seen that they are not: what is
/// under way to somebody slow is before the ping.
const PING_EVERY: Duration = Duration::from_secs(15);
const MOST_UNANSWERED: u32 = 3;
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
    let taken = Arc::new(AtomicU64::new(0));
    let io = Counted {
        io,
        taken: Arc::clone(&taken),
    };
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let end = show(&mut socket, &taken, shared, numbers).await;
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

/// What they are sent over, and how many bytes of that they took.
struct Counted<Io> {
    io: Io,
    taken: Arc<AtomicU64>,
}

impl<Io: AsyncRead + Unpin> AsyncRead for Counted<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Counted<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.taken.fetch_add(count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Waits for what is sent for as long as some of it is taken; `None` once nothing is.
async fn while_taken<T>(taken: &AtomicU64, sent: impl Future<Output = T>) -> Option<T> {
    let mut sent = pin!(sent);
    let (mut had_taken, mut waited) = (taken.load(Ordering::Relaxed), Duration::ZERO);
    while waited < TAKEN_WITHIN {
        if let Ok(done) = timeout(LOOK_EVERY, &mut sent).await {
            return Some(done);
        }
        waited += LOOK_EVERY;
        let has_taken = taken.load(Ordering::Relaxed);
        if has_taken > std::mem::replace(&mut had_taken, has_taken) {
            waited = Duration::ZERO;
        }
    }
    None
}

async fn show<S>(
    socket: &mut S,
    taken: &AtomicU64,
    shared: &Arc<Shared>,
    mut numbers: Numbers,
) -> End
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seconds = interval(Duration::from_secs(1));
    let mut heard_in_second = 0;
    let mut unanswered = 0;
    let mut has = None;
    let mut standing = Utf8Bytes::default();
    numbers.mark_changed();
    loop {
        let message = tokio::select! {
            // What they said while they were sent something is heard before they are held to have said nothing.
            biased;
            _ = seconds.tick() => {
                heard_in_second = 0;
                continue;
            }
            heard = socket.next() => match heard {
                Some(Ok(message)) => {
                    unanswered = 0;
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
            changed = numbers.changed() => {
                if changed.is_err() {
                    return End::Close(CloseCode::Normal, "that was all");
                }
                let (number, message) = shared.message(has);
                has = Some(number);
                message.map(Message::Text)
            }
            _ = pings.tick() => {
                if unanswered == MOST_UNANSWERED {
                    return End::Gone;
                }
                unanswered += 1;
                Some(Message::Ping(Vec::new().into()))
            }
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
        match while_taken(taken, send).await {
            Some(Ok(())) => {}
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

#[cfg(test)]
mod tests {
    use loadgen_core::live;
    use loadgen_core::report::Context as Extras;
    use loadgen_core::scenario::Suite;
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::sync::watch;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};

    use super::super::access::Access;
    use super::super::stage::Told;
    use super::*;

    /// Bytes that are under way at a time.
    const ROOM: usize = 16;

    /// A page that shows a run which has not begun, and one who looks at it.
    struct Looking {
        browser: DuplexStream,
        served: JoinHandle<()>,
        show: watch::Sender<u64>,
        standing: Utf8Bytes,
        began: Instant,
    }

    impl Looking {
        async fn begin() -> Self {
            let suite = r#"{"scenarios": [{"name": "s", "targets": ["127.0.0.1:1"],
                "load": {"open": {"rate": "1/s", "duration": "1s"}}, "steps": [{"http": {"path": "/"}}]}]}"#;
            let suite = Suite::parse("suite.json", suite, None, None).unwrap();
            let plan = suite.select::<&str>(&[], None).unwrap();
            let (_, dashboard) = live::follow(&plan.scenarios, Extras::of(&plan));
            let shared = Arc::new(Shared::new(Access::new(false, "127.0.0.1:0").unwrap()));
            let number = shared.show(Told::Run(Box::new(dashboard), None));
            let standing = shared.standing();
            let (show, numbers) = watch::channel(number.unwrap());
            let (browser, io) = duplex(ROOM);
            // Nothing passes but what is waited for.
            let began = Instant::now();
            let served = tokio::spawn(async move { serve(io, &shared, numbers).await });
            Self {
                browser,
                served,
                show,
                standing,
                began,
            }
        }

        /// When they were let go.
        async fn let_go(self) -> Duration {
            self.served.await.unwrap();
            self.began.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_let_go() {
        let looking = Looking::begin().await;
        let after = looking.let_go().await;
        // The first bytes went into what the line holds.
        assert_eq!(after, TAKEN_WITHIN + LOOK_EVERY);
    }

    /// A line on which all of it takes minutes.
    #[tokio::test(start_paused = true)]
    async fn whoever_takes_little_is_sent_all_of_it() {
        let mut looking = Looking::begin().await;
        let mut taken = Vec::new();
        let mut piece = [0; ROOM];
        // It comes last.
        let standing = looking.standing.clone();
        let is_there = |it: &[u8]| {
            it.windows(standing.len())
                .any(|it| it == standing.as_bytes())
        };
        while !is_there(&taken) {
            sleep(TAKEN_WITHIN / 2).await;
            let count = looking.browser.read(&mut piece).await.unwrap();
            assert!(count > 0, "let go after {} bytes", taken.len());
            taken.extend(&piece[..count]);
        }
        let took = looking.began.elapsed();
        assert!(took > 5 * TAKEN_WITHIN, "{took:?}, {}", taken.len());
    }

    /// As one whose machine went to sleep: what is sent goes into its line, and nothing comes back.
    #[tokio::test(start_paused = true)]
    async fn whoever_answers_no_ping_is_let_go() {
        let mut looking = Looking::begin().await;
        let mut all = Vec::new();
        looking.browser.read_to_end(&mut all).await.unwrap();
        let after = looking.let_go().await;
        assert_eq!(after, MOST_UNANSWERED * PING_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_answers_may_look_as_long_as_they_like() {
        let Looking {
            browser,
            served,
            show,
            began,
            ..
        } = Looking::begin().await;
        let mut socket = WebSocketStream::from_raw_socket(browser, Role::Client, None).await;
        let day = Duration::from_secs(24 * 60 * 60);
        while began.elapsed() < day {
            assert!(
                matches!(socket.next().await, Some(Ok(_))),
                "{:?}",
                began.elapsed()
            );
        }
        assert!(!served.is_finished());
        drop(show);
        let closed = loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                break frame.unwrap().code;
            }
        };
        assert_eq!(closed, CloseCode::Normal);
    }
}
