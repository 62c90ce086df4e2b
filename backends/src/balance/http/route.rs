//! Which service a request is for: `/{service}/{path}`, or `/{path}` of one whose header fields it has, or of the
//! default service.
//!
//! Owns patterns of paths and the order in which services are asked. A path is compared as it came:
//! nothing is decoded, so that balancer and backend cannot read it differently. For the same reason paths
//! are refused that a backend could read as others than those that are compared: with dot segments, plain or
//! encoded, and with a backslash or an encoded slash, but for where everything below is let through.

use http::{HeaderMap, Method};

use super::settings::{ServiceSettings, ServicesSettings};

/// What the pattern of a route should be, as messages have it.
pub(crate) const PATTERN: &str =
    "a path like \"/hello\", \"/users/*\" (one segment) or \"/files/**\" (all below)";

/// A path that a service answers, and the methods that it does so for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pattern: String,
    methods: Vec<Method>,
}

impl Route {
    /// A route for `pattern`: segments, of which `*` stands for any one, and `**`, only as the last, for
    /// any number, none included. No methods are all methods. None if the pattern is malformed.
    #[must_use]
    pub fn new(pattern: &str, methods: Vec<Method>) -> Option<Self> {
        let pattern = pattern.to_owned();
        is_pattern(&pattern).then_some(Self { pattern, methods })
    }

    /// Whether it is for this path, whatever the method.
    #[must_use]
    pub fn has_path(&self, path: &str) -> bool {
        let mut wanted = segments(&self.pattern);
        let mut given = segments(path);
        loop {
            match (wanted.next(), given.next()) {
                (Some("**"), _) | (None, None) => return true,
                (Some("*"), Some(segment)) if !segment.is_empty() && !has_slash(segment) => {}
                (Some(literal), Some(segment)) if literal == segment => {}
                _ => return false,
            }
        }
    }

    /// Whether it is for this method, whatever the path.
    #[must_use]
    pub fn has_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Its pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// What a request leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routed<'a> {
    /// The service.
    pub service: &'a ServiceSettings,
    /// The path without the service's name, from `/`.
    pub path: &'a str,
}

/// Why a request leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRouted {
    /// The path does not begin with `/`, or has a `.` or `..` segment, however it is written.
    #[error("the path has to begin with / and may have no . or .. segments, encoded or not")]
    Malformed,
    /// No service has the name that the path begins with, none is for these header fields, and there is no default
    /// service.
    #[error("no service has this name or these header fields, and there is no default service")]
    NoService,
    /// The service has no route for the path.
    #[error("the service `{service}` has no route for this path")]
    NoRoute {
        /// The service's name.
        service: String,
    },
    /// The service has the path, and not for this method.
    #[error("the service `{service}` does not answer this method here")]
    Method {
        /// The service's name.
        service: String,
        /// The methods that it answers there, each once.
        allowed: Vec<Method>,
    },
}

impl ServicesSettings {
    /// Where a request goes. A service that the path names goes before the first whose header fields it has, and
    /// that before the default one, also if it has no route for the path.
    ///
    /// # Errors
    /// [`NotRouted`], which says what to answer.
    pub fn route<'a>(
        &'a self,
        method: &Method,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Result<Routed<'a>, NotRouted> {
        let wanted = || self.services.iter().find(|it| it.wants(headers));
        let unnamed = || wanted().or_else(|| self.default_service());
        let (service, path) = lead(path, |name| self.service(name), unnamed)?;
        service.accept(method, path)?;
        Ok(Routed { service, path })
    }
}

/// The service that a path leads to, and the path there.
///
/// # Errors
/// [`NotRouted`], without a word of methods.
pub(super) fn lead<S>(
    path: &str,
    named: impl FnOnce(&str) -> Option<S>,
    unnamed: impl FnOnce() -> Option<S>,
) -> Result<(S, &str), NotRouted> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(NotRouted::Malformed);
    };
    if has_dots(path) {
        return Err(NotRouted::Malformed);
    }
    let name = segments(path).next().unwrap_or_default();
    match named(name) {
        Some(service) => Ok(match &rest[name.len()..] {
            "" => (service, "/"),
            below => (service, below),
        }),
        None => unnamed()
            .map(|service| (service, path))
            .ok_or(NotRouted::NoService),
    }
}

impl ServiceSettings {
    /// Whether a request with these header fields, whose path names no service, is for it.
    pub(super) fn wants(&self, headers: &HeaderMap) -> bool {
        !self.headers.is_empty() && self.headers.iter().all(|it| it.is_in(headers))
    }

    /// Whether there is a route for this.
    pub(super) fn accept(&self, method: &Method, path: &str) -> Result<(), NotRouted> {
        let service = self.name.clone();
        let mut allowed = Vec::new();
        let mut has_path = false;
        for route in self.routes.iter().filter(|it| it.has_path(path)) {
            if route.has_method(method) {
                return Ok(());
            }
            has_path = true;
            for method in &route.methods {
                if !allowed.contains(method) {
                    allowed.push(method.clone());
                }
            }
        }
        Err(if has_path {
            NotRouted::Method { service, allowed }
        } else {
            NotRouted::NoRoute { service }
        })
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Whether a segment is `.` or `..` for whoever decodes what is encoded, takes backslashes for slashes, or
/// leaves out a segment's parameters (`..;a=b`).
fn has_dots(path: &str) -> bool {
    if !path.bytes().any(|it| matches!(it, b'.' | b'%')) {
        return false;
    }
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    let plain = plain
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace("%3b", ";");
    let is_dots = |segment: &str| {
        let name = segment.split_once(';').map_or(segment, |(name, _)| name);
        matches!(name, "." | "..")
    };
    plain.split(['/', '\\']).any(is_dots)
}

/// Whether some would take a segment for several.
fn has_slash(segment: &str) -> bool {
    let lower = || segment.to_ascii_lowercase();
    segment.contains('\\')
        || (segment.contains('%') && (lower().contains("%2f") || lower().contains("%5c")))
}

fn is_pattern(pattern: &str) -> bool {
    let Some(rest) = pattern.strip_prefix('/') else {
        return false;
    };
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '\\');
    let last = rest.split('/').count() - 1;
    let is_segment = |(at, segment): (usize, &str)| match segment {
        "*" => true,
        "**" | "" => at == last,
        _ => !segment.contains('*') && !has_dots(segment) && !has_slash(segment),
    };
    rest.chars().all(is_plain) && rest.split('/').enumerate().all(is_segment)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/hello", "/hello", true; "the same")]
    #[test_case("/hello", "/hello/", false; "a slash more")]
    #[test_case("/hello", "/Hello", false; "case")]
    #[test_case("/", "/", true; "the root")]
    #[test_case("/users/*", "/users/7", true; "any one")]
    #[test_case("/users/*", "/users/", false; "an empty segment")]
    #[test_case("/users/*", "/users/7/name", false; "deeper")]
    #[test_case("/users/*/name", "/users/7/name", true; "any one between")]
    #[test_case("/files/**", "/files", true; "none below")]
    #[test_case("/files/**", "/files/a/b", true; "two below")]
    #[test_case("/files/**", "/filesystem", false; "a longer name")]
    #[test_case("/**", "/anything/at/all", true; "everything")]
    #[test_case("/users/*", "/users/a%2Fadmin", false; "an encoded slash")]
    #[test_case("/users/*", "/users/a%5cadmin", false; "an encoded backslash")]
    #[test_case("/users/*", "/users/a\\admin", false; "a backslash")]
    #[test_case("/files/**", "/files/a%2fb", true; "an encoded slash below")]
    #[test_case("/a/b", "/a%2fb", false; "an encoded slash between")]
    #[test_case("/a/b", "/a//b", false; "two slashes")]
    fn patterns(pattern: &str, path: &str, fits: bool) {
        let route = Route::new(pattern, Vec::new()).unwrap();
        assert_eq!(route.has_path(path), fits);
    }

    #[test_case(""; "empty")]
    #[test_case("hello"; "no slash")]
    #[test_case("/a//b"; "an empty segment")]
    #[test_case("/a/../b"; "dots")]
    #[test_case("/a/%2E%2e/b"; "encoded dots")]
    #[test_case("/a/**/b"; "not the last")]
    #[test_case("/a*"; "a part of a segment")]
    #[test_case("/a?b"; "a query")]
    #[test_case("/a b"; "a space")]
    fn malformed(pattern: &str) {
        assert_eq!(Route::new(pattern, Vec::new()), None);
    }

    fn services() -> ServicesSettings {
        let text = r#"{ "default_service": "web", "services": [
            { "name": "services", "routes": [{ "path": "/list", "methods": ["GET", "HEAD"] }, { "path": "/list", "methods": ["POST", "GET"] }],
              "backends": [{ "address": "a:1" }] },
            { "name": "web", "routes": [{ "path": "/**" }], "backends": [{ "address": "b:1" }] } ] }"#;
        ServicesSettings::parse("services.json", text).unwrap()
    }

    #[test_case("/services/list", "services", "/list"; "by its name, which may be any")]
    #[test_case("/web/a", "web", "/a"; "the default service by its name")]
    #[test_case("/web", "web", "/"; "nothing after the name")]
    #[test_case("/webs/a", "web", "/webs/a"; "no name: the default service")]
    fn leads_to(path: &str, service: &str, rest: &str) {
        let services = services();
        let routed = services
            .route(&Method::GET, path, &HeaderMap::new())
            .unwrap();
        assert_eq!((routed.service.name.as_str(), routed.path), (service, rest));
    }

    #[test_case("/hello", &[("version", "v1.2"), ("region", "eu")], "one"; "all of its fields")]
    #[test_case("/hello", &[("version", "v1.2"), ("region", "us")], "any"; "one field alone")]
    #[test_case("/hello", &[("version", "v2.0")], "two")]
    #[test_case("/any/hello", &[("version", "v2.0")], "any"; "a name in the path goes before")]
    #[test_case("/hello", &[], "any"; "no field")]
    fn header_fields_lead_to(path: &str, headers: &[(&'static str, &'static str)], service: &str) {
        let backends = r#""routes": [{ "path": "/**" }], "backends": [{ "address": "a:1" }]"#;
        let text = format!(
            r#"{{ "default_service": "any", "services": [
                {{ "name": "one", "headers": {{ "version": "v1.*", "region": "eu" }}, {backends} }},
                {{ "name": "two", "headers": {{ "version": "v2.*" }}, {backends} }},
                {{ "name": "any", {backends} }} ] }}"#
        );
        let services = ServicesSettings::parse("services.json", &text).unwrap();
        let headers = headers.iter().map(|(name, value)| {
            let value = http::HeaderValue::from_static(value);
            (http::HeaderName::from_static(name), value)
        });
        let headers: HeaderMap = headers.collect();
        let routed = services.route(&Method::GET, path, &headers).unwrap();
        assert_eq!(routed.service.name, service);
    }

    #[test_case("/web/../services/list"; "plain")]
    #[test_case("/web/%2e%2E/services"; "encoded")]
    #[test_case("/web/.%2e/services"; "half encoded")]
    #[test_case("/web/x%2f..%2fservices"; "between encoded slashes")]
    #[test_case("/web/..%2f"; "before an encoded slash")]
    #[test_case("/web/..%5Cservices"; "before an encoded backslash")]
    #[test_case("/web/..\\services"; "before a backslash")]
    #[test_case("/web/..;/services"; "with parameters")]
    #[test_case("/web/..%3b/services"; "with encoded parameters")]
    #[test_case("/web/."; "one dot")]
    fn dots_lead_nowhere(path: &str) {
        let leads = services()
            .route(&Method::GET, path, &HeaderMap::new())
            .map(|_| ());
        assert_eq!(leads, Err(NotRouted::Malformed));
    }

    #[test_case("/web/a..b"; "within a name")]
    #[test_case("/web/..."; "three")]
    #[test_case("/web/%252e%252e/a"; "encoded twice")]
    fn dots_that_are_a_name(path: &str) {
        assert!(
            services()
                .route(&Method::GET, path, &HeaderMap::new())
                .is_ok()
        );
    }

    #[test]
    fn leads_nowhere() {
        let mut services = services();
        let service = "services".to_owned();
        let allowed = vec![Method::GET, Method::HEAD, Method::POST];
        let route = |it: &ServicesSettings, path| {
            it.route(&Method::PUT, path, &HeaderMap::new()).map(|_| ())
        };
        assert_eq!(
            route(&services, "/services/x"),
            Err(NotRouted::NoRoute {
                service: service.clone()
            })
        );
        assert_eq!(
            route(&services, "/services/list"),
            Err(NotRouted::Method { service, allowed })
        );
        assert_eq!(
            route(&services, "/web/%2e%2E/services"),
            Err(NotRouted::Malformed)
        );
        assert_eq!(route(&services, "*"), Err(NotRouted::Malformed));
        services.default_service = None;
        assert_eq!(route(&services, "/other"), Err(NotRouted::NoService));
    }
}
