//! The API by which faults are changed while the proxy works.
//!
//! | | |
//! |---|---|
//! | `GET /faults` | what holds |
//! | `PUT /faults` | this holds, and nothing else |
//! | `PATCH /faults` | a JSON merge patch (RFC 7396): what is given is changed, null takes a field out |
//! | `DELETE /faults` | nothing goes wrong any more |
//! | `GET /connections` | what became of connections, and bytes |
//!
//! An answer to a change comes when it holds. Who may ask is as for the management of a balancer's services.

use std::net::TcpListener as StdListener;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderValue, header};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;

use super::faults::{HALF_OPEN, ProxyFaults, RESET_OPEN};
use super::server::{Shared, Strokes};
use crate::balance::http::manage::{
    Access, JSON, MERGE_PATCH, Peer, Refusal, Watched, merge, sent, value,
};
use crate::balance::life::{Heard, Phase};
use crate::balance::side;

/// What answers have at hand.
#[derive(Debug, Clone)]
struct Api {
    shared: Arc<Shared>,
    access: Arc<Access>,
}

/// Answers until the end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: StdListener,
    token: Option<Watched>,
    heard: Heard,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let access = Access {
        token,
        allowed_origins: None,
    };
    let router = routes(Api {
        shared,
        access: Arc::new(access),
    });
    tokio::select! {
        () = heard.reached(Phase::Stopped) => {}
        () = side::serve("management", listener, None, |peer| {
            TowerToHyperService::new(router.clone().layer(Extension(Peer(peer))))
        }) => {}
    }
}

fn routes(api: Api) -> Router {
    let faults = get(read).put(replace).patch(change).delete(remove);
    Router::new()
        .route("/faults", faults)
        .route("/connections", get(connections))
        .fallback(async || Refusal::NoFaultPath)
        .method_not_allowed_fallback(async || Refusal::Method)
        .with_state(api.clone())
        .layer(middleware::from_fn_with_state(api, guard))
}

async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn read(State(api): State<Api>) -> Response {
    document(&api.shared.faults().to_json())
}

async fn connections(State(api): State<Api>) -> Response {
    document(&api.shared.counts().to_json())
}

async fn replace(State(api): State<Api>, request: Request) -> Result<Response, Refusal> {
    let body = sent(request, JSON).await?;
    api.apply(|_| {
        let faults = ProxyFaults::parse("", &body)?;
        let strokes = strokes(&faults, |_| true);
        Ok((faults, strokes))
    })
    .await
}

async fn change(State(api): State<Api>, request: Request) -> Result<Response, Refusal> {
    let body = sent(request, MERGE_PATCH).await?;
    let patch = value(&body)?;
    api.apply(|current| {
        let mut changed = current.to_json();
        merge(&mut changed, &patch);
        let faults = ProxyFaults::parse("", &changed.to_string())?;
        // What stays as it is was done when it was said.
        let strokes = strokes(&faults, |name| patch.get(name).is_some());
        Ok((faults, strokes))
    })
    .await
}

async fn remove(State(api): State<Api>) -> Result<Response, Refusal> {
    api.apply(|_| Ok((ProxyFaults::default(), Strokes::default())))
        .await
}

fn strokes(faults: &ProxyFaults, is_said: impl Fn(&str) -> bool) -> Strokes {
    let none = Strokes::default();
    Strokes {
        reset: match is_said(RESET_OPEN) {
            true => faults.reset_open,
            false => none.reset,
        },
        half_open: faults.half_open.filter(|_| is_said(HALF_OPEN)),
    }
}

impl Api {
    async fn apply(
        &self,
        change: impl FnOnce(&ProxyFaults) -> Result<(ProxyFaults, Strokes), Refusal>,
    ) -> Result<Response, Refusal> {
        match self.shared.change(change).await? {
            Ok(faults) => {
                let faults = faults.to_json();
                tracing::info!(%faults, "the faults were changed");
                Ok(document(&faults))
            }
            Err(reason) => Err(Refusal::Deaf { reason }),
        }
    }
}

fn document(value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from(format!("{value:#}\n"))).into_response()
}
