//! The management's requests and answers: what is asked by which method of which path, and what it says of
//! itself to OpenAPI.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::time;

use super::access::Access;
use super::documents::{Service, Services, Status};
use super::edits::{self, Stored};
use super::refusal::{ProblemDetails, Refusal};
use super::store::Store;
use super::tags::{Conditions, tag};
use super::{openapi, page};

/// The most that is read of a body.
const MOST_BODY: usize = 2 << 20;
/// A body that has not come whole by then is given up.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What answers have at hand.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) store: Arc<Store>,
    pub(super) access: Arc<Access>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All paths. Who may ask is not decided here.
pub(super) fn routes(api: Api) -> Router {
    let service = get(read)
        .post(create)
        .put(replace)
        .patch(change)
        .delete(remove);
    Router::new()
        .route("/", get(page::home))
        .route("/services", get(list).patch(change_list))
        .route("/services/{name}", service)
        .route("/services/{name}/status", get(status))
        .route("/openapi.json", get(openapi::answer))
        .route("/docs", get(page::home))
        .route("/docs/", get(page::index))
        .route("/docs/{file}", get(page::file))
        .fallback(async || Refusal::NoSuchPath)
        .method_not_allowed_fallback(async || Refusal::Method)
        .with_state(api)
}

type Name = Result<Path<String>, PathRejection>;

/// All services, and which one is the default.
#[utoipa::path(get, path = "/services", tag = "services",
    params(("if-none-match" = Option<String>, Header, description = "An entity tag: only if it has changed")),
    responses(
        (status = 200, description = "As they stand in the configuration", body = Services,
            headers(("etag" = String, description = "Says this state, for `if-match`"))),
        (status = 304, description = "It has not changed"),
    ))]
pub(super) async fn list(State(api): State<Api>, headers: HeaderMap) -> Response {
    shown(&api.store.document().listing(), &headers)
}

/// Changes which service is the default, or all services at once.
#[utoipa::path(patch, path = "/services", tag = "services",
    params(("if-match" = Option<String>, Header, description = "An entity tag: only if it is still so")),
    request_body(content = Services, content_type = "application/merge-patch+json",
        description = "A JSON merge patch (RFC 7396): what is given is changed, null takes a field out",
        example = json!({ "default_service": null })),
    responses(
        (status = 200, description = "Changed and saved", body = Services,
            headers(("etag" = String, description = "Says the new state"))),
        (status = "4XX", description = "Why nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn change_list(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let (conditions, body) = asked(request, MERGE_PATCH).await?;
    let change = |document: &mut _| edits::patch_listing(document, &body, &conditions);
    let listing = api.store.change(change)?;
    tracing::info!(from = %peer, "the services were changed");
    Ok(document(StatusCode::OK, &listing))
}

/// A service.
#[utoipa::path(get, path = "/services/{name}", tag = "services",
    params(
        ("name" = String, Path, description = "The service's name"),
        ("if-none-match" = Option<String>, Header, description = "An entity tag: only if it has changed"),
    ),
    responses(
        (status = 200, description = "As it stands in the configuration", body = Service,
            headers(("etag" = String, description = "Says this state, for `if-match`"))),
        (status = 304, description = "It has not changed"),
        (status = 404, description = "There is none of this name", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn read(
    State(api): State<Api>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let document = api.store.document();
    Ok(shown(edits::find(&document, &given(name)?)?, &headers))
}

/// Adds a service that is not there yet.
#[utoipa::path(post, path = "/services/{name}", tag = "services",
    params(("name" = String, Path, description = "The service's name, which the body may leave out")),
    request_body = Service,
    responses(
        (status = 201, description = "Added and saved", body = Service,
            headers(("etag" = String, description = "Says the new state"), ("location" = String, description = "Its path"))),
        (status = 409, description = "There is one of this name already", body = ProblemDetails, content_type = "application/problem+json"),
        (status = "4XX", description = "Why nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    name: Name,
    request: Request,
) -> Result<Response, Refusal> {
    let name = given(name)?;
    let (conditions, body) = asked(request, JSON).await?;
    let change = |document: &mut _| edits::create(document, &name, &body, &conditions);
    Ok(stored(&name, peer, &api.store.change(change)?))
}

/// Adds a service, or puts it in the place of the one of its name.
#[utoipa::path(put, path = "/services/{name}", tag = "services",
    params(
        ("name" = String, Path, description = "The service's name, which the body may leave out"),
        ("if-match" = Option<String>, Header, description = "An entity tag: only if it is still so"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none"),
    ),
    request_body = Service,
    responses(
        (status = 200, description = "Replaced and saved", body = Service,
            headers(("etag" = String, description = "Says the new state"))),
        (status = 201, description = "Added and saved", body = Service,
            headers(("etag" = String, description = "Says the new state"), ("location" = String, description = "Its path"))),
        (status = "4XX", description = "Why nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn replace(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    name: Name,
    request: Request,
) -> Result<Response, Refusal> {
    let name = given(name)?;
    let (conditions, body) = asked(request, JSON).await?;
    let change = |document: &mut _| edits::put(document, &name, &body, &conditions);
    Ok(stored(&name, peer, &api.store.change(change)?))
}

/// Changes the given parts of a service.
#[utoipa::path(patch, path = "/services/{name}", tag = "services",
    params(
        ("name" = String, Path, description = "The service's name"),
        ("if-match" = Option<String>, Header, description = "An entity tag: only if it is still so"),
    ),
    request_body(content = Service, content_type = "application/merge-patch+json",
        description = "A JSON merge patch (RFC 7396): what is given is changed, null takes a field out; an array takes the place of the whole one",
        example = json!({ "algorithm": "least_connections" })),
    responses(
        (status = 200, description = "Changed and saved", body = Service,
            headers(("etag" = String, description = "Says the new state"))),
        (status = "4XX", description = "Why nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    name: Name,
    request: Request,
) -> Result<Response, Refusal> {
    let name = given(name)?;
    let (conditions, body) = asked(request, MERGE_PATCH).await?;
    let change = |document: &mut _| edits::patch(document, &name, &body, &conditions);
    Ok(stored(&name, peer, &api.store.change(change)?))
}

/// Takes a service out.
#[utoipa::path(delete, path = "/services/{name}", tag = "services",
    params(
        ("name" = String, Path, description = "The service's name"),
        ("if-match" = Option<String>, Header, description = "An entity tag: only if it is still so"),
    ),
    responses(
        (status = 204, description = "Taken out and saved"),
        (status = 404, description = "There is none of this name", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "It is the default service", body = ProblemDetails, content_type = "application/problem+json"),
        (status = "4XX", description = "Why nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    name: Name,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let name = given(name)?;
    let conditions = Conditions::of(&headers);
    api.store
        .change(|document| edits::delete(document, &name, &conditions))?;
    tracing::info!(from = %peer, service = name, "the service was removed");
    Ok(StatusCode::NO_CONTENT)
}

/// How the backends of a service stand at this moment.
#[utoipa::path(get, path = "/services/{name}/status", tag = "services",
    params(("name" = String, Path, description = "The service's name")),
    responses(
        (status = 200, description = "Each address of each backend", body = Status),
        (status = 404, description = "There is no service of this name", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn status(State(api): State<Api>, name: Name) -> Result<Response, Refusal> {
    let name = given(name)?;
    let status = api.store.status(&name).ok_or(Refusal::NoService { name })?;
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, status.to_string()).into_response())
}

fn given(name: Name) -> Result<String, Refusal> {
    match name {
        Ok(Path(name)) => Ok(name),
        // It is no text.
        Err(_) => Err(Refusal::NoSuchPath),
    }
}

/// What a change is: under which conditions, and the text of its body.
async fn asked(request: Request, wanted: &'static str) -> Result<(Conditions, String), Refusal> {
    let conditions = Conditions::of(request.headers());
    Ok((conditions, sent(request, wanted).await?))
}

/// The text of a body, which has to be what is wanted.
///
/// # Errors
/// Why it is none.
pub(crate) async fn sent(request: Request, wanted: &'static str) -> Result<String, Refusal> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers, wanted) {
        return Err(Refusal::ContentType { wanted });
    }
    text(body).await
}

/// Whether the body is what is wanted; plain JSON does for a patch, too.
fn is_json(headers: &HeaderMap, wanted: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    [JSON, wanted]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(kind))
}

async fn text(body: Body) -> Result<String, Refusal> {
    let too_long = Refusal::BodyTooLong { most: MOST_BODY };
    if http_body::Body::size_hint(&body).lower() > MOST_BODY as u64 {
        return Err(too_long);
    }
    let whole = time::timeout(BODY_PATIENCE, Limited::new(body, MOST_BODY).collect()).await;
    let Ok(whole) = whole else {
        let seconds = BODY_PATIENCE.as_secs();
        return Err(Refusal::TooSlow { seconds });
    };
    let bytes = whole.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            too_long
        } else {
            Refusal::BrokenOff
        }
    })?;
    String::from_utf8(bytes.to_bytes().into()).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = before.split(|byte| *byte == b'\n');
        let (line, last) = lines.enumerate().last().unwrap_or_default();
        Refusal::Syntax {
            line: line + 1,
            column: last.len() + 1,
            message: "this is no UTF-8".to_owned(),
        }
    })
}

fn stored(name: &str, from: Peer, stored: &Stored) -> Response {
    let (status, done) = match stored.is_new {
        true => (StatusCode::CREATED, "created"),
        false => (StatusCode::OK, "changed"),
    };
    tracing::info!(%from, service = name, "the service was {done}");
    let mut response = document(status, &stored.service);
    if let (true, Ok(path)) = (stored.is_new, format!("/services/{name}").parse()) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// A document, or that its reader has it already.
fn shown(value: &Value, asked: &HeaderMap) -> Response {
    if Conditions::of(asked).is_known(Some(&tag(value))) {
        let mut response = document(StatusCode::NOT_MODIFIED, value);
        *response.body_mut() = Body::empty();
        return response;
    }
    document(StatusCode::OK, value)
}

fn document(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
        // To be asked for each time; the tag says whether there is anything new.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    let mut response = (status, headers, format!("{value:#}\n")).into_response();
    if let Ok(tag) = tag(value).parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
