//! The server: HTTP on a thread of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::reply::{Refusal, guarded};
use super::stage::{Numbers, Shared, Told};
use super::viewer;

/// Connections at a time that ask over HTTP; more wait until one is over.
const MOST_CONNECTIONS: usize = 64;
/// The longest header of a request, in bytes.
const MOST_HEADER: usize = 16 << 10;
/// How long a header may take, and a whole answer. Whoever asks for nothing has one of few places meanwhile.
const HEADER_WITHIN: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long an accept that failed is left alone: what it lacks, like descriptors, comes back no sooner.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the end of a run waits for those who look to take its last word. Where that is why there was no run, for
/// those too who were told where to look a moment ago.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(2);
/// How often it is seen then whether somebody still looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the report of a run is shown before the next run, so that whoever looks has it. The run waits for nobody.
const REPORT_FOR: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct App {
    shared: Arc<Shared>,
    numbers: Numbers,
}

/// Makes a server ready: what it is told, and what its thread does until it is told the end.
///
/// # Errors
/// What the system refuses it.
pub(super) fn prepare(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
) -> io::Result<(impl FnOnce() + Send + 'static, UnboundedSender<Told>)> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (to_server, told) = mpsc::unbounded_channel();
    let serve = move || runtime.block_on(serve(listener, shared, told));
    Ok((serve, to_server))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, told: UnboundedReceiver<Told>) {
    let (show, numbers) = watch::channel(0);
    let router = router(App {
        shared: Arc::clone(&shared),
        numbers,
    });
    let last_word = async {
        let has_failed = follow(&shared, told, &show).await;
        let came = shared.came();
        let is_unseen = has_failed && !shared.is_looked_at();
        drop(show);
        let last = async {
            while shared.is_looked_at() || (is_unseen && shared.came() == came) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Whoever has not taken it by then has it no more.
        let _ = tokio::time::timeout(LAST_WORD_WITHIN, last).await;
    };
    tokio::select! {
        () = accept(listener, router) => {}
        () = last_word => {}
    }
}

/// Shows what it is told, until that is the end. Whether that was why there was no run, but for a signal.
async fn follow(
    shared: &Shared,
    mut told: UnboundedReceiver<Told>,
    show: &watch::Sender<u64>,
) -> bool {
    let (mut has_report, mut has_failed) = (false, false);
    while let Some(told) = told.recv().await {
        if has_report && matches!(told, Told::Run(..)) && shared.is_looked_at() {
            tokio::time::sleep(REPORT_FOR).await;
        }
        has_failed = match told {
            Told::Failed { is_stopped, .. } => !has_report && !is_stopped,
            Told::End => has_failed,
            _ => false,
        };
        has_report = matches!(told, Told::Over(..));
        match shared.show(told) {
            Some(number) => show.send_replace(number),
            None => break,
        };
    }
    has_failed
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            answer(stream, router).await;
            drop(place);
        });
    }
}

/// Answers one request, or begins a WebSocket. However it ends, the other side knows.
async fn answer(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(MOST_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let _ = tokio::time::timeout(ANSWER_WITHIN, connection).await;
}

fn router(app: App) -> Router {
    let refused = |refusal: Refusal| async move { refusal };
    Router::new()
        .route("/", get(page))
        .route("/live", get(live))
        .method_not_allowed_fallback(move || refused(Refusal::Method))
        .fallback(move || refused(Refusal::NoSuchPath))
        .layer(middleware::from_fn_with_state(app.clone(), admit))
        .layer(middleware::map_response(guarded))
        .with_state(app)
}

/// Lets through who may look. Whoever comes with the token is given the cookie and sent on, so that it is seen
/// nowhere.
async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let access = &app.shared.access;
    let headers = request.headers();
    let checked = access.check_origin(headers).and_then(|()| no_body(headers));
    if let Err(refusal) = checked {
        return refusal.into_response();
    }
    let is_page = request.uri().path() == "/" && request.method() == Method::GET;
    let exchanged = is_page.then(|| access.exchange(&request));
    match exchanged.flatten() {
        Some(Ok(cookie)) => {
            let fields = [
                (header::LOCATION, HeaderValue::from_static("/")),
                (header::SET_COOKIE, cookie),
            ];
            return (StatusCode::SEE_OTHER, fields).into_response();
        }
        Some(Err(refusal)) => return refusal.into_response(),
        None => {}
    }
    match access.check_cookie(headers) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn no_body(headers: &HeaderMap) -> Result<(), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    let has_length = length.is_some_and(|it| it.as_bytes() != b"0");
    match has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        true => Err(Refusal::Body),
        false => Ok(()),
    }
}

async fn page(State(app): State<App>) -> Response {
    let page = &app.shared.page;
    let mut response = Html(page.html.clone()).into_response();
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Begins a WebSocket (RFC 6455, 4.2).
async fn live(State(app): State<App>, mut request: Request) -> Response {
    let headers = request.headers();
    let says = |name, word: &str| {
        let values = headers.get_all(name).into_iter();
        let mut words = values.flat_map(|it| it.as_bytes().split(|byte| *byte == b','));
        words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    let is_asked_for = says(header::CONNECTION, "upgrade")
        && says(header::UPGRADE, "websocket")
        && says(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let Some(key) = key.filter(|_| is_asked_for) else {
        let version = (
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        return ([version], Refusal::NoWebSocket).into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let Ok(seat) = Arc::clone(&app.shared.seats).try_acquire_owned() else {
        return Refusal::TooMany.into_response();
    };
    app.shared.comes();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            viewer::serve(TokioIo::new(upgraded), &app.shared, app.numbers).await;
        }
        drop(seat);
    });
    let fields = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}
