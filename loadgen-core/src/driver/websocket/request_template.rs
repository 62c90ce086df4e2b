//! Where a connection goes and what the request that opens it says: filled in where it is not constant.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Uri};

use crate::driver::steps::At;
use crate::expression::{Scope, Text};

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
        let text = |text: &str, place: &str| at.lexicon.template(text, place);
        let path = text(path, &format!("{}.websocket.path", at.path));
        let headers = headers.into_iter();
        let headers = headers.filter_map(|(name, value)| {
            let text = text(value, &format!("headers.{name}"))?;
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
            let text = path
                .render(scope)
                .map_err(|error| format!("path: {error}"))?;
            let path = PathAndQuery::try_from(&*text)
                .ok()
                .filter(|_| text.starts_with('/'));
            let path = path.ok_or_else(|| {
                format!("path: {text:?} is none; it begins with `/` and has no blanks")
            })?;
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        }
        for (name, text) in &self.headers {
            let wrong = |problem: String| format!("headers.{name}: {problem}");
            let text = text
                .render(scope)
                .map_err(|error| wrong(error.to_string()))?;
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| wrong("what it comes to is no value of a header field".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().append(name.clone(), value);
        }
        Ok(request)
    }
}
