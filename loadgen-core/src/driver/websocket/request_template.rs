//! Where a connection goes and what the request that opens it says: filled in where it is not constant.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Uri};

use crate::driver::steps::At;
use crate::expression::{ExpressionError, Scope, Text};

/// Path and header fields that are filled in when a connection is opened.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestTemplate {
    path: Option<Text>,
    headers: Vec<(HeaderName, Text)>,
}

impl RequestTemplate {
    /// What of these is to be filled in. What is wrong with it is noted.
    pub(super) fn new<'a>(
        path: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        at: &At<'_>,
    ) -> Self {
        let place = format!("{}.websocket.path", at.path);
        let path = at.lexicon.template(path, &place);
        if let Some(text) = &path {
            try_out(text, &place, at, path_and_query);
        }
        let headers = headers.into_iter();
        let headers = headers.filter_map(|(name, value)| {
            let place = format!("headers.{name}");
            let text = at.lexicon.template(value, &place)?;
            try_out(&text, &place, at, header_value);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, text))
        });
        Self {
            path,
            headers: headers.collect(),
        }
    }

    /// Whether anything is filled in: then a connection is opened when it is needed, and not ahead.
    pub(super) fn is_filled_in(&self) -> bool {
        self.path.is_some() || !self.headers.is_empty()
    }

    /// The request with everything filled in.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn filled_in(
        &self,
        mut request: Request<()>,
        scope: &Scope,
    ) -> Result<Request<()>, String> {
        if let Some(path) = &self.path {
            let path = path_and_query(path, scope).map_err(|error| format!("path: {error}"))?;
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        }
        for (name, text) in &self.headers {
            let value = header_value(text, scope);
            let mut value = value.map_err(|error| format!("headers.{name}: {error}"))?;
            value.set_sensitive(true);
            request.headers_mut().append(name.clone(), value);
        }
        Ok(request)
    }
}

/// Tries what is filled in where that is known before the run.
fn try_out<T>(
    text: &Text,
    place: &str,
    at: &At<'_>,
    fill_in: impl FnOnce(&Text, &Scope) -> Result<T, String>,
) {
    at.lexicon.try_out(&text.names(), |scope| {
        let tried = fill_in(text, scope).map(drop);
        tried.map_err(|error| ExpressionError::new(format!("{place}: {error}")))
    });
}

fn path_and_query(text: &Text, scope: &Scope) -> Result<PathAndQuery, String> {
    let text = text.render(scope).map_err(|error| error.to_string())?;
    let path = PathAndQuery::try_from(&*text).ok();
    let path = path.filter(|_| text.starts_with('/'));
    path.ok_or_else(|| format!("{text:?} is none; it begins with `/` and has no blanks"))
}

fn header_value(text: &Text, scope: &Scope) -> Result<HeaderValue, String> {
    let text = text.render(scope).map_err(|error| error.to_string())?;
    HeaderValue::from_str(&text)
        .map_err(|_| "what it comes to is no value of a header field".to_owned())
}
