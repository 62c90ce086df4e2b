//! The management, described in OpenAPI 3.1.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::api::{self, Api};
use super::{documents, refusal};

const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loadgen balance http",
        description = "Services of a running balancer: what each answers, and who answers. A change holds \
                       for requests that come after it, and is in the configuration's file before it is \
                       acknowledged.",
        license(name = "MIT", identifier = "MIT")
    ),
    paths(api::list, api::change_list, api::read, api::create, api::replace, api::change, api::remove, api::status),
    components(schemas(documents::Services, refusal::ProblemDetails)),
    tags((name = "services", description = "As they stand in the configuration"))
)]
struct Description;

/// The description; with a token, if one is asked for.
pub(super) fn description(with_token: bool) -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    if with_token {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme(TOKEN, scheme);
        description.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    }
    description
}

pub(super) async fn answer(State(api): State<Api>) -> Response {
    let description = description(api.access.token.is_some());
    let text = description.to_pretty_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
