//! The page on which the management can be tried out: Swagger UI, all of which is in the program, so that it
//! works without a network.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use utoipa_swagger_ui::Config;

use super::refusal::Refusal;

/// Nothing from elsewhere, in no other page.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(super) async fn home() -> Redirect {
    Redirect::to("/docs/")
}

pub(super) async fn index() -> Response {
    shown("index.html")
}

pub(super) async fn file(path: Path<String>) -> Response {
    shown(&path)
}

fn shown(path: &str) -> Response {
    // Without the badge of a validator that is elsewhere.
    let config = Config::from("/openapi.json")
        .try_it_out_enabled(true)
        .validator_url("none");
    let Ok(Some(file)) = utoipa_swagger_ui::serve(path, Arc::new(config)) else {
        return Refusal::NoSuchPath.into_response();
    };
    let mut response = (StatusCode::OK, file.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &file.content_type);
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "no-cache");
    if file.gzpipped {
        set(header::CONTENT_ENCODING, "gzip");
    }
    response
}
