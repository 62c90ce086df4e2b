//! Which of the servers behind a balancer answer which requests: from the raw form, and back.

use super::HeaderRoute;
use super::raw::RawServer;
use super::value::BackendName;
use crate::expectation::Glob;
use crate::nearest::did_you_mean;
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entries, Entry, List};

/// The routes of a balancer in front of these; `None` when something is wrong with them.
pub(super) fn routes(
    raw: &RawServer,
    path: &str,
    behind: &[String],
    problems: &Problems,
) -> Option<Vec<HeaderRoute>> {
    let path = format!("{path}.route");
    let by_header = match &raw.route {
        Entry::Absent => return Some(Vec::new()),
        entry => &entry.given()?.0,
    };
    if by_header.is_empty() {
        let expected = "header fields, such as {\"agent-version\": {\"v1.*\": [\"b1\"]}}";
        problems.add(path, "an empty object", expected, None);
        return None;
    }
    let mut routes = Vec::with_capacity(by_header.len());
    let mut fits = true;
    for (header, table) in by_header {
        let small = header.to_ascii_lowercase();
        let is_twice = routes.iter().any(|it: &HeaderRoute| it.header == small);
        if !is_token(header) {
            let found = format!("the name {:?}", header.chars().take(60).collect::<String>());
            let help = "1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name";
            problems.add(
                &path,
                found,
                "the name of a header field",
                Some(help.to_owned()),
            );
            fits = false;
        } else if is_twice {
            let found = format!("`{header}` a second time");
            problems.add(&path, found, "each header field once", None);
            fits = false;
        }
        let below = format!("{path}{}", crate::scenario::join(&path, header));
        match table
            .given()
            .and_then(|it| self::table(it, &below, behind, problems))
        {
            Some(table) => routes.push(HeaderRoute {
                header: small,
                table,
            }),
            None => fits = false,
        }
    }
    fits.then_some(routes)
}

fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(is_part)
}

fn table(
    raw: &Entries<List<BackendName>>,
    path: &str,
    behind: &[String],
    problems: &Problems,
) -> Option<Vec<(Glob, Vec<String>)>> {
    let mut fits = true;
    let mut refuse = |path: &str, found: String, expected: &str, help: Option<String>| {
        problems.add(path, found, expected, help);
        fits = false;
    };
    let mut table: Vec<(Glob, Vec<String>)> = Vec::with_capacity(raw.0.len());
    let mut is_whole = true;
    for (values, servers) in &raw.0 {
        let below = format!("{path}{}", crate::scenario::join(path, values));
        let glob = match values.parse::<Glob>() {
            Ok(glob) if values.bytes().all(|it| it.is_ascii_graphic()) => glob,
            _ => {
                let expected = "a pattern of 1 to 200 visible characters such as \"v1.*\"";
                refuse(path, format!("the pattern {values:?}"), expected, None);
                continue;
            }
        };
        if let Some((other, _)) = table.iter().find(|(it, _)| it.overlaps(&glob)) {
            let found = format!("`{other}` and `{glob}`, which can match the same");
            let expected = "patterns of which only one matches a value";
            refuse(path, found, expected, None);
        }
        let Some(servers) = servers.given().and_then(|it| it.all(|name| name.0.clone())) else {
            is_whole = false;
            continue;
        };
        if servers.is_empty() {
            let expected = "the names of the servers that answer, of its `backends`";
            refuse(&below, "an empty array".to_owned(), expected, None);
        }
        for (index, name) in servers.iter().enumerate() {
            let place = format!("{below}[{index}]");
            if servers[..index].contains(name) {
                let found = format!("`{name}` a second time");
                refuse(&place, found, "each server once", None);
            } else if !behind.contains(name) {
                let help = did_you_mean(name, behind.iter().map(String::as_str));
                refuse(&place, format!("`{name}`"), "one of its `backends`", help);
            }
        }
        table.push((glob, servers));
    }
    if raw.0.is_empty() {
        let expected = "patterns of the field's values, such as {\"v1.*\": [\"b1\"]}";
        refuse(path, "an empty object".to_owned(), expected, None);
    }
    (fits && is_whole).then_some(table)
}

pub(super) fn print(routes: &[HeaderRoute]) -> Entry<Entries<Entries<List<BackendName>>>> {
    if routes.is_empty() {
        return Entry::Absent;
    }
    let names = |servers: &[String]| {
        let names = servers.iter().map(|it| BackendName(it.clone()));
        Entry::Given(List::of(names))
    };
    let table = |route: &HeaderRoute| {
        let table = route.table.iter();
        let table = table.map(|(values, servers)| (values.to_string(), names(servers)));
        (route.header.clone(), Entry::Given(Entries(table.collect())))
    };
    Entry::Given(Entries(routes.iter().map(table).collect()))
}
