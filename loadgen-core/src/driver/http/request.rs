//! Requests on their way out: made ready once, and filled in where they are not constant.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::DriverError;
use super::http1::Written;
use crate::driver::header_fields::{Fields, Form, Sources};
use crate::driver::steps::At;
use crate::driver::transport::net::Endpoint;
use crate::expression::{ExpressionError, JsonText, Scope, Text};
use crate::scenario::{HttpBody, HttpPlan, HttpRequest, Source};
use crate::secrets::names_a_secret;

/// What is encoded in a query and a form: all but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request that is sent again and again.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Where to, where that is always the same.
    uri: Uri,
    place: Option<Place>,
    /// The header fields for each target, but for those that change.
    headers: Vec<HeaderMap>,
    fields: Fields,
    templates: Vec<(HeaderName, Text)>,
    body: Body,
    /// As it is sent to each target over HTTP/1.1, where it is always the same.
    written: Vec<Written>,
    /// Its place in the scenario.
    path: String,
}

/// Path and query that are filled in.
#[derive(Debug)]
struct Place {
    path: Text,
    query: Vec<(String, Text)>,
}

/// What is sent with a request.
#[derive(Debug)]
enum Body {
    Constant(Bytes),
    Text(Text),
    Json(JsonText),
    Form(Vec<(String, Text)>),
}

/// A request as it is at the moment.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Outgoing {
    /// What a step of a plan asks for. What is wrong with its expressions is noted.
    pub(super) fn new(
        request: &HttpRequest,
        plan: &HttpPlan,
        sources: &mut Sources,
        endpoints: &[Endpoint],
        at: &At<'_>,
    ) -> Result<Self, DriverError> {
        let path = format!("{}.http", at.path);
        let refused = |problem: http::Error| DriverError::Request {
            path: path.clone(),
            problem,
        };
        let place = Place::new(request, at, &path);
        let uri = match place.is_constant() {
            true => place.uri(&Scope::new(Default::default(), 0)).ok(),
            false => None,
        };
        let constant = uri.clone().unwrap_or_else(|| Uri::from_static("/"));
        let method = Method::from_bytes(request.method.as_bytes());
        let mut this = Self {
            method: method.map_err(|error| refused(error.into()))?,
            place: uri.is_none().then_some(place),
            uri: constant,
            headers: Vec::new(),
            fields: Fields::default(),
            templates: Vec::new(),
            body: Body::new(request.body.as_ref(), at, &path),
            written: Vec::new(),
            path: path.clone(),
        };
        for (name, source) in &plan.headers {
            let is_own = |(own, _): &&(String, Source)| own.eq_ignore_ascii_case(name);
            if !request.headers.iter().any(|it| is_own(&it)) {
                this.add_header(name, source, &format!("headers.{name}"), sources, at)?;
            }
        }
        for (name, source) in &request.headers {
            let place = format!("{path}.headers.{name}");
            this.add_header(name, source, &place, sources, at)?;
        }
        let has_type = this.fields.fixed().contains_key(CONTENT_TYPE)
            || this.templates.iter().any(|(name, _)| name == CONTENT_TYPE)
            || plan
                .headers
                .iter()
                .chain(&request.headers)
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let authorities: Vec<&str> = match endpoints {
            // To see that one can be made.
            [] => vec!["localhost"],
            some => some.iter().map(|it| it.authority.as_str()).collect(),
        };
        for authority in authorities {
            let host = HeaderValue::from_str(authority).map_err(|error| refused(error.into()))?;
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host);
            if let (Some(kind), false) = (content_type(request.body.as_ref()), has_type) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            headers.extend(this.fields.fixed().clone());
            this.headers.push(headers);
        }
        this.written = this.constant().iter().map(Written::new).collect();
        Ok(this)
    }

    fn add_header(
        &mut self,
        name: &str,
        source: &Source,
        place: &str,
        sources: &mut Sources,
        at: &At<'_>,
    ) -> Result<(), DriverError> {
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|error| DriverError::Request {
            path: place.to_owned(),
            problem: error.into(),
        })?;
        if let Some(text) = source.literal().filter(|it| Text::is_template(it)) {
            if let Some(text) = at.lexicon.template(text, place) {
                at.lexicon.try_out(&text.names(), |scope| {
                    let tried = header_value(&text, scope).map(drop);
                    tried.map_err(|error| ExpressionError::new(format!("{place}: {error}")))
                });
                self.templates.push((known, text));
            }
            return Ok(());
        }
        let value = sources.value(source, place, Form::Text);
        let value = value.map_err(|problem| DriverError::Header {
            path: place.to_owned(),
            problem,
        })?;
        // What says who asks is not told to other servers.
        let is_secret = names_a_secret(name) || source.literal().is_none();
        let value = if is_secret { value.sensitive() } else { value };
        self.fields.append(known, value);
        Ok(())
    }

    /// The request to each target, where it is always the same.
    fn constant(&self) -> Vec<Filled> {
        let (None, [], false, Body::Constant(body)) = (
            &self.place,
            self.templates.as_slice(),
            self.fields.may_change(),
            &self.body,
        ) else {
            return Vec::new();
        };
        let to = |headers: &HeaderMap| Filled {
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers: headers.clone(),
            // Counts a reference; the bytes are shared.
            body: body.clone(),
        };
        self.headers.iter().map(to).collect()
    }

    /// The request to this target as it is sent over HTTP/1.1, where it is always the same.
    #[inline]
    pub(super) fn written(&self, target: usize) -> Option<&Written> {
        self.written.get(target)
    }

    /// The request to this target as it is at the moment.
    ///
    /// # Errors
    /// The place of what came to nothing that can be sent, and why.
    #[inline]
    pub(super) fn filled(&self, target: usize, scope: &Scope) -> Result<Filled, String> {
        let uri = match &self.place {
            None => self.uri.clone(),
            Some(place) => {
                let uri = place.uri(scope);
                uri.map_err(|error| format!("{}.path: {error}", self.path))?
            }
        };
        let mut headers = self.headers[target].clone();
        self.fields.add_files(&mut headers);
        for (name, text) in &self.templates {
            let value = header_value(text, scope);
            let mut value =
                value.map_err(|error| format!("{}.headers.{name}: {error}", self.path))?;
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
        let body = self.body.filled(scope);
        Ok(Filled {
            method: self.method.clone(),
            uri,
            headers,
            body: body.map_err(|error| format!("{}.body: {error}", self.path))?,
        })
    }
}

impl Place {
    fn new(request: &HttpRequest, at: &At<'_>, path: &str) -> Self {
        let of_path = part(&request.path, &format!("{path}.path"), at);
        let query = request.query.iter();
        let query = query.map(|(name, value)| {
            let value = part(value, &format!("{path}.query.{name}"), at);
            (encoded(name), value)
        });
        let this = Self {
            path: of_path,
            query: query.collect(),
        };
        let is_tried = !this.is_constant();
        if is_tried {
            at.lexicon.try_out(&this.path.names(), |scope| {
                let tried = this.path.render(scope).map_err(|error| error.to_string());
                let tried = tried.and_then(|text| path_and_query(&text));
                let tried = tried.map(drop);
                tried.map_err(|error| ExpressionError::new(format!("{path}.path: {error}")))
            });
        }
        this
    }

    fn is_constant(&self) -> bool {
        let is_constant = |text: &Text| matches!(text, Text::Constant(_));
        is_constant(&self.path) && self.query.iter().all(|(_, value)| is_constant(value))
    }

    fn uri(&self, scope: &Scope) -> Result<Uri, String> {
        let path = self.path.render(scope).map_err(|error| error.to_string())?;
        let mut whole = path.to_string();
        for (name, value) in &self.query {
            let value = value.render(scope).map_err(|error| error.to_string())?;
            whole.push(if whole.contains('?') { '&' } else { '?' });
            whole.push_str(name);
            whole.push('=');
            whole.extend(utf8_percent_encode(&value, ENCODED));
        }
        path_and_query(&whole).map(Uri::from)
    }
}

impl Body {
    fn new(body: Option<&HttpBody>, at: &At<'_>, path: &str) -> Self {
        let path = format!("{path}.body");
        match body {
            None => Self::Constant(Bytes::new()),
            Some(HttpBody::Sized(bytes)) => Self::Constant(filler(*bytes as usize)),
            Some(HttpBody::Text(text)) => match part(text, &format!("{path}.text"), at) {
                Text::Constant(text) => Self::Constant(Bytes::copy_from_slice(text.as_bytes())),
                text => Self::Text(text),
            },
            Some(HttpBody::Json(value)) => Self::json(value, &format!("{path}.json"), at),
            Some(HttpBody::Form(fields)) => {
                let fields: Vec<(String, Text)> = fields
                    .iter()
                    .map(|(name, value)| {
                        let value = part(value, &format!("{path}.form.{name}"), at);
                        (encoded(name), value)
                    })
                    .collect();
                let is_constant = |(_, value): &(_, Text)| matches!(value, Text::Constant(_));
                match fields.iter().all(is_constant) {
                    true => Self::Constant(
                        form(&fields, &Scope::new(Default::default(), 0)).unwrap_or_default(),
                    ),
                    false => Self::Form(fields),
                }
            }
        }
    }

    fn json(value: &serde_json::Value, path: &str, at: &At<'_>) -> Self {
        match JsonText::parse(value, path) {
            Ok(json) => match json.constant() {
                Some(text) => Self::Constant(Bytes::copy_from_slice(text.as_bytes())),
                None => {
                    json.each(|path, names| at.lexicon.check(names, path));
                    json.each_trial(|names, trial| at.lexicon.try_out(names, trial));
                    Self::Json(json)
                }
            },
            Err(wrong) => {
                for (path, error) in wrong {
                    at.lexicon.wrong(&path, error.to_string());
                }
                Self::Constant(Bytes::new())
            }
        }
    }

    #[inline]
    fn filled(&self, scope: &Scope) -> Result<Bytes, ExpressionError> {
        Ok(match self {
            // Counts a reference; the bytes are shared.
            Self::Constant(bytes) => bytes.clone(),
            Self::Text(text) => Bytes::copy_from_slice(text.render(scope)?.as_bytes()),
            Self::Json(json) => json.render(scope, 0)?.into(),
            Self::Form(fields) => form(fields, scope)?,
        })
    }
}

/// A text that may be a template. What is wrong with it is noted.
fn part(text: &str, path: &str, at: &At<'_>) -> Text {
    let template = at.lexicon.template(text, path);
    template.unwrap_or_else(|| Text::Constant(text.into()))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A form, percent-encoded: a blank is `%20`, which readers of forms take as well as `+`.
fn form(fields: &[(String, Text)], scope: &Scope) -> Result<Bytes, ExpressionError> {
    let mut whole = String::new();
    for (name, value) in fields {
        if !whole.is_empty() {
            whole.push('&');
        }
        whole.push_str(name);
        whole.push('=');
        whole.extend(utf8_percent_encode(&value.render(scope)?, ENCODED));
    }
    Ok(whole.into())
}

fn content_type(body: Option<&HttpBody>) -> Option<&'static str> {
    Some(match body? {
        HttpBody::Json(_) => "application/json",
        HttpBody::Form(_) => "application/x-www-form-urlencoded",
        HttpBody::Text(_) => "text/plain; charset=utf-8",
        HttpBody::Sized(_) => "application/octet-stream",
    })
}

fn path_and_query(text: &str) -> Result<PathAndQuery, String> {
    let path = PathAndQuery::try_from(text).ok();
    let path = path.filter(|_| text.starts_with('/'));
    path.ok_or_else(|| format!("{text:?} is none; it begins with `/` and has no blanks"))
}

fn header_value(text: &Text, scope: &Scope) -> Result<HeaderValue, String> {
    let text = text.render(scope).map_err(|error| error.to_string())?;
    HeaderValue::from_str(&text)
        .map_err(|_| "what it comes to is no value of a header field".to_owned())
}

/// Bytes that look like nothing in particular: what compresses on the way would measure little.
fn filler(len: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(0);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}
