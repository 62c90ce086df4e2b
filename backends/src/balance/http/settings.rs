//! What services there are, as a configuration says it.

use std::path::Path;

use http::Method;

use super::manage::ManagementSettings;
use super::route::{PATTERN, Route};
use crate::balance::config::reader::Field;
use crate::balance::config::shared::{HEALTH_FIELDS, pool};
use crate::balance::config::{ConfigError, Problems, parse, read_file};
use crate::balance::pool::PoolSettings;

/// What a service's name should be, as messages have it.
pub(super) const NAME: &str =
    "1 to 100 letters, digits, `-`, `_`, `~` or `.`, other than `.` and `..`";
const METHOD: &str = "a method in capital letters, like \"GET\"";
pub(super) const ROUTE_FIELDS: [&str; 2] = ["path", "methods"];
pub(super) const SERVICE_FIELDS: [&str; 6] = [
    "name",
    "routes",
    "algorithm",
    "backends",
    "health",
    "resolve_interval",
];

/// The services of a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicesSettings {
    /// All of them; no name twice.
    pub services: Vec<ServiceSettings>,
    /// The name of the one that is meant where a path names none.
    pub default_service: Option<String>,
    /// Where and by whom they are managed; nowhere by nobody without it. Not changed by a reload.
    pub management: Option<ManagementSettings>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Its name, which is the first segment of its paths.
    pub name: String,
    /// What it answers; one route or more.
    pub routes: Vec<Route>,
    /// Who answers.
    pub pool: PoolSettings,
}

impl ServicesSettings {
    /// Reads a configuration's file.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&path.display().to_string(), &read_file(path)?)
    }

    /// Reads a configuration from a text that came from `source_name`.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigError> {
        parse(source_name, text, services)
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceSettings> {
        self.services.iter().find(|it| it.name == name)
    }

    /// The service that is meant where a path names none.
    #[must_use]
    pub fn default_service(&self) -> Option<&ServiceSettings> {
        self.service(self.default_service.as_deref()?)
    }
}

fn services(top: &Field<'_>, problems: &Problems) -> Option<ServicesSettings> {
    let object = top.object(&["services", "default_service", "management"])?;
    let management = match object.get("management") {
        Some(field) => ManagementSettings::read(&field, problems).map(Some),
        None => Some(None),
    };
    let elements = object.require("services", "an array of services")?.list()?;
    let mut read = Vec::<(String, ServiceSettings)>::with_capacity(elements.len());
    let mut all_well = true;
    for element in &elements {
        let Some(service) = service(element, None, problems) else {
            all_well = false;
            continue;
        };
        if let Some((path, _)) = read.iter().find(|(_, it)| it.name == service.name) {
            let found = format!("\"{}\", which is {path} already", service.name);
            let path = format!("{}.name", element.path());
            problems.add(path, found, "each service once", None);
        }
        read.push((element.path().to_owned(), service));
    }
    let default = object.get("default_service");
    let default_service = match &default {
        Some(field) => Some(field.read("the name of a service", |it| Some(it.to_owned()))?),
        None => None,
    };
    let is_known = |name: &String| read.iter().any(|(_, it)| it.name == *name);
    if let (Some(field), true) = (&default, all_well)
        && !default_service.as_ref().is_some_and(is_known)
    {
        field.refuse("the name of one of the services", None);
    }
    let management = management?;
    all_well.then(|| ServicesSettings {
        services: read.into_iter().map(|(_, service)| service).collect(),
        default_service,
        management,
    })
}

/// Reads a service, which may leave out its name where that is `known` from elsewhere and must not have
/// another.
pub(super) fn service(
    field: &Field<'_>,
    known: Option<&str>,
    problems: &Problems,
) -> Option<ServiceSettings> {
    let object = field.object(&SERVICE_FIELDS)?;
    let named = match (object.get("name"), known) {
        (None, Some(_)) => None,
        _ => object.require("name", NAME),
    };
    let name = match (named, known) {
        (None, known) => known.map(str::to_owned),
        (Some(field), None) => field.read(NAME, |text| is_name(text).then(|| text.to_owned())),
        (Some(field), Some(known)) => {
            let expected = format!("\"{known}\", which is the name in the path");
            field.read(&expected, |text| (text == known).then(|| text.to_owned()))
        }
    };
    let routes = object
        .require("routes", "an array of one route or more")
        .and_then(|it| routes(&it));
    let pool = pool(&object, &HEALTH_FIELDS, problems);
    Some(ServiceSettings {
        name: name?,
        routes: routes?,
        pool: pool?,
    })
}

pub(super) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '.');
    (1..=100).contains(&text.len()) && text.chars().all(is_part) && !matches!(text, "." | "..")
}

fn routes(field: &Field<'_>) -> Option<Vec<Route>> {
    let elements = field.list()?;
    if elements.is_empty() {
        field.refuse(
            "one route or more",
            Some("`/**` is for all paths".to_owned()),
        );
        return None;
    }
    let read: Vec<_> = elements.iter().map(route).collect();
    read.into_iter().collect()
}

fn route(field: &Field<'_>) -> Option<Route> {
    let object = field.object(&ROUTE_FIELDS)?;
    let methods = match object.get("methods") {
        Some(field) => methods(&field),
        None => Some(Vec::new()),
    };
    let route = object.require("path", PATTERN).and_then(|it| {
        it.read(PATTERN, |text| {
            Route::new(text, methods.clone().unwrap_or_default())
        })
    });
    methods.and(route)
}

fn methods(field: &Field<'_>) -> Option<Vec<Method>> {
    let elements = field.list()?;
    if elements.is_empty() {
        let help = "leave the field out for all methods".to_owned();
        field.refuse("one method or more", Some(help));
        return None;
    }
    let method = |text: &str| {
        let is_capital = text.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
        is_capital.then(|| Method::from_bytes(text.as_bytes()).ok())?
    };
    let read: Vec<_> = elements.iter().map(|it| it.read(METHOD, method)).collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn with(name: &str, routes: &str) -> String {
        format!(r#"{{ "name": {name}, "routes": {routes}, "backends": [{{ "address": "a:1" }}] }}"#)
    }

    #[test_case(r#""..""#, r#"[{ "path": "/" }]"#, "services[0].name: found \"..\", expected 1 to 100 letters"; "name")]
    #[test_case(r#""a""#, "[]", "services[0].routes: found an array, expected one route or more"; "no routes")]
    #[test_case(r#""a""#, r#"[{ "path": "a" }]"#, "services[0].routes[0].path: found \"a\", expected a path like"; "route")]
    #[test_case(r#""a""#, r#"[{ "path": "/", "methods": ["get"] }]"#, "services[0].routes[0].methods[0]: found \"get\", expected a method in capital letters"; "method")]
    #[test_case(r#""a""#, r#"[{ "path": "/", "methods": [] }]"#, "services[0].routes[0].methods: found an array, expected one method or more"; "no methods")]
    fn one_message_each(name: &str, routes: &str, problem: &str) {
        let text = format!(r#"{{ "services": [{}] }}"#, with(name, routes));
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        let wanted = format!("s.json: 1 problem\n  {problem}");
        assert!(told.starts_with(&wanted), "{told}");
    }

    #[test]
    fn names_are_unique_and_the_default_is_one_of_them() {
        let service = with(r#""a""#, r#"[{ "path": "/**" }]"#);
        let text = format!(r#"{{ "services": [{service}, {service}], "default_service": "b" }}"#);
        let told = ServicesSettings::parse("s.json", &text)
            .unwrap_err()
            .to_string();
        let wanted = "s.json: 2 problems
  services[1].name: found \"a\", which is services[0] already, expected each service once
  default_service: found \"b\", expected the name of one of the services";
        assert_eq!(told, wanted);
    }
}
