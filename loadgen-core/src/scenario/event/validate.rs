//! A scenario's events, from the raw form: whom they are done to, and when.

use std::time::Duration;

use super::raw::{RawEvent, RawHttpDeed};
use super::{Deed, DeedBody, EventPlan, ExecDeed, HttpDeed, TIMEOUT};
use crate::nearest::did_you_mean;
use crate::scenario::backend::value::BackendName;
use crate::scenario::backend::{BackendPlan, BackendRole};
use crate::scenario::fault::raw::FAULTS;
use crate::scenario::protocol::http::value::check_header_name;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Entry, Fields as _, List};
use crate::schedule::Load;
use crate::units::format_duration;

/// The most events of a scenario.
const MOST: usize = 100;

/// What can be done, in the order in which messages name it.
const DEEDS: [&str; 8] = [
    "kill", "restart", "freeze", "drain", "fault", "http", "exec", "mark",
];
/// What of it may have a `for`.
const COMING_BACK: [&str; 4] = ["kill", "freeze", "drain", "fault"];

impl Layers<'_> {
    /// The scenario's events. `known` are the names of its servers, where these are known.
    pub(in crate::scenario) fn events(
        &self,
        load: Option<&Load>,
        known: Option<&[String]>,
    ) -> Option<Vec<EventPlan>> {
        let picked = self.pick("events", |raw| &raw.events);
        let list: &List<RawEvent> = match picked.entry {
            Entry::Absent => return Some(Vec::new()),
            entry => entry.given()?,
        };
        if list.0.len() > MOST {
            let found = format!("{} events", list.0.len());
            let expected = format!("{MOST} at the most");
            self.problems.add(&picked.path, found, expected, None);
            return None;
        }
        let places: Vec<String> = (0..list.0.len())
            .map(|index| format!("{}[{index}]", picked.path))
            .collect();
        let read: Vec<Option<EventPlan>> = places
            .iter()
            .zip(&list.0)
            .map(|(path, entry)| self.event(entry.given()?, path, known))
            .collect();
        let mut fits = true;
        if let Some(lasts) = load.and_then(Load::time_limit) {
            let given = places.iter().zip(&read);
            for (path, event) in given.filter_map(|(path, it)| Some((path, it.as_ref()?))) {
                fits &= self.is_within(lasts, event, path);
            }
        }
        let events: Vec<EventPlan> = read.into_iter().collect::<Option<_>>()?;
        fits &= self.none_overlaps(&events, &places);
        fits.then_some(events)
    }

    /// Where its events stand, if that is not in itself alone.
    pub(in crate::scenario) fn shared_events(&self) -> Option<String> {
        let picked = self.pick("events", |raw| &raw.events);
        let is_any = picked.entry.given().is_some_and(|it| !it.0.is_empty());
        // What is set in one scenario is a layer of that alone.
        let is_own = picked.path.starts_with(&self.own_path) || picked.path.starts_with("set[");
        (is_any && !is_own).then_some(picked.path)
    }

    fn event(&self, raw: &RawEvent, path: &str, known: Option<&[String]>) -> Option<EventPlan> {
        let refuse = |field: &str, found: String, expected: &str, help: Option<String>| {
            let path = format!("{path}{field}");
            self.problems.add(path, found, expected, help);
        };
        let done: Vec<&str> = DEEDS.into_iter().filter(|it| raw.has(it)).collect();
        let [what] = done.as_slice() else {
            // What it has instead has been named already.
            if !done.is_empty() || !self.problems.any_below(path) {
                let found = match done.as_slice() {
                    [] => "nothing to do".to_owned(),
                    several => format!("`{}` together", several.join("`, `")),
                };
                let expected =
                    "one of `kill`, `restart`, `freeze`, `drain`, `fault`, `http`, `exec`, `mark`";
                refuse("", found, expected, None);
            }
            return None;
        };
        let mut fits = true;
        if raw.has("for") && !COMING_BACK.contains(what) {
            let help = (*what == "restart").then(|| "it is back as soon as it can be".to_owned());
            let found = format!("it beside `{what}`");
            let expected = "it beside `kill`, `freeze`, `drain` or `fault`";
            refuse(".for", found, expected, help);
            fits = false;
        }
        for field in FAULTS.iter().filter(|it| *what != "fault" && raw.has(it)) {
            let found = format!("it beside `{what}`");
            let expected = "it beside `fault`, which names a fault proxy";
            refuse(&format!(".{field}"), found, expected, None);
            fits = false;
        }
        if raw.has("timeout") && !matches!(*what, "http" | "exec") {
            let found = format!("it beside `{what}`");
            refuse(".timeout", found, "it beside `http` or `exec`", None);
            fits = false;
        }
        let named = |entry: &Entry<BackendName>| {
            let name = &entry.given()?.0;
            let known =
                known.is_none_or(|known| self.knows(name, known, &format!("{path}.{what}")));
            known.then(|| name.clone())
        };
        let back_after = raw.back_after.or(None, |it| Some(it.0));
        let timeout = raw.timeout.or(TIMEOUT, |it| it.0);
        let deed = match *what {
            "kill" => named(&raw.kill).and_then(|backend| {
                let back_after = back_after?;
                Some(Deed::Kill {
                    backend,
                    back_after,
                })
            }),
            "freeze" => named(&raw.freeze).and_then(|backend| {
                let back_after = back_after?;
                Some(Deed::Freeze {
                    backend,
                    back_after,
                })
            }),
            "drain" => named(&raw.drain).and_then(|backend| {
                let back_after = back_after?;
                Some(Deed::Drain {
                    backend,
                    back_after,
                })
            }),
            "fault" => {
                let faults = raw.faults(path, self.problems);
                let backend = named(&raw.fault).filter(|it| self.is_proxy(it, path));
                backend.zip(faults).and_then(|(backend, faults)| {
                    let back_after = back_after?;
                    if faults.is_empty() {
                        let is_misspelt =
                            |it: &&str| self.problems.is_misspelt(&format!("{path}.{it}"));
                        if FAULTS.iter().any(is_misspelt) {
                            return None;
                        }
                        let expected = format!("what goes wrong: `{}`", FAULTS.join("`, `"));
                        refuse("", "no fault".to_owned(), &expected, None);
                        return None;
                    }
                    if back_after.is_some() && faults.is_done_once() {
                        let found = "it beside what is done once".to_owned();
                        refuse(".for", found, "it beside faults that last", None);
                        return None;
                    }
                    Some(Deed::Fault {
                        backend,
                        faults,
                        back_after,
                    })
                })
            }
            "restart" => named(&raw.restart).map(|backend| Deed::Restart { backend }),
            "http" => raw
                .http
                .given()
                .and_then(|it| self.http_deed(it, &format!("{path}.http"), timeout?))
                .map(Deed::Http),
            "exec" => raw.exec.given().and_then(|it| {
                let command = it.all(|word| word.0.clone())?;
                if command.first().is_none_or(String::is_empty) {
                    let expected =
                        "a program and its arguments, such as [\"nginx\", \"-s\", \"reload\"]";
                    refuse(".exec", "no program".to_owned(), expected, None);
                    return None;
                }
                Some(Deed::Exec(ExecDeed {
                    command,
                    timeout: timeout?,
                }))
            }),
            _ => raw.mark.given().map(|it| Deed::Mark(it.0.clone())),
        };
        let at = raw.at.given().map(|it| it.0);
        Some(EventPlan {
            at: at?,
            deed: deed.filter(|_| fits)?,
        })
    }

    /// Whether a server of the suite is a fault proxy, as far as it is known.
    fn is_proxy(&self, name: &str, path: &str) -> bool {
        let all = self.servers.unwrap_or_default();
        let is_one = |it: &BackendPlan| matches!(it.role, BackendRole::Proxy(_));
        let known = all.iter().find(|it| it.name == name);
        if known.is_none_or(is_one) {
            return true;
        }
        let proxies: Vec<&str> = all
            .iter()
            .filter(|it| is_one(it))
            .map(|it| it.name.as_str())
            .collect();
        let help = match proxies.as_slice() {
            [] => "a proxy stands in front of a server: {\"serve\": \"proxy\", \"to\": \"b1\"} in `backends`; a server \
                   itself can be made slow or wrong from its start only"
                .to_owned(),
            proxies => format!("they are {}", proxies.join(", ")),
        };
        let found = format!("`{name}`, which is no fault proxy");
        let expected = "the name of a fault proxy that the run starts";
        self.problems
            .add(format!("{path}.fault"), found, expected, Some(help));
        false
    }

    /// Whether the scenario has this server.
    pub(in crate::scenario) fn knows(&self, name: &str, known: &[String], path: &str) -> bool {
        if known.iter().any(|it| it == name) {
            return true;
        }
        let names = || known.iter().map(String::as_str);
        let help = did_you_mean(name, names()).unwrap_or_else(|| match known {
            [] => {
                "it has none; those that the run starts stand in `backends`, and what is done to \
                   others is `http` or `exec`"
                    .to_owned()
            }
            _ => format!("they are {}", names().collect::<Vec<_>>().join(", ")),
        });
        self.problems.add(
            path,
            format!("the unknown server `{name}`"),
            "the name of a server that the run starts",
            Some(help),
        );
        false
    }

    fn http_deed(&self, raw: &RawHttpDeed, path: &str, timeout: Duration) -> Option<HttpDeed> {
        let methods = [
            ("GET", &raw.get),
            ("POST", &raw.post),
            ("PUT", &raw.put),
            ("PATCH", &raw.patch),
            ("DELETE", &raw.delete),
        ];
        let given: Vec<_> = methods.iter().filter(|(_, it)| !it.is_absent()).collect();
        let [(method, url)] = given.as_slice() else {
            if !given.is_empty() || !self.problems.any_below(path) {
                let found = if given.is_empty() {
                    "no method"
                } else {
                    "several methods"
                };
                let expected = "one of `get`, `post`, `put`, `patch`, `delete`, with a URL";
                self.problems.add(path, found, expected, None);
            }
            return None;
        };
        let mut fits = true;
        if raw.has("json") && raw.has("text") {
            self.problems
                .add(path, "`json` and `text` together", "one of them", None);
            fits = false;
        }
        let mut headers = Vec::new();
        for (name, entry) in raw.headers.given().map_or(&[][..], |it| &it.0) {
            let source = self.source(entry);
            if let Err(help) = check_header_name(name) {
                let found = format!("the name {:?}", name.chars().take(60).collect::<String>());
                let path = format!("{path}.headers");
                self.problems
                    .add(path, found, "the name of a header field", Some(help));
                fits = false;
            }
            if let Some(text) = source.as_ref().and_then(|it| it.literal())
                && text.contains("{{")
            {
                let path = format!("{path}.headers.{name}");
                let help = "a value from the environment is {\"env\": \"TOKEN\"}".to_owned();
                self.problems
                    .add(path, "a template", "a text as it is sent", Some(help));
                fits = false;
            }
            headers.push((name.clone(), source?));
        }
        let json = raw.json.or(None, |it| Some(DeedBody::Json(it.0.clone())))?;
        let text = raw.text.or(None, |it| Some(DeedBody::Text(it.clone())))?;
        let url = url.given()?.0.clone();
        fits.then_some(HttpDeed {
            method: (*method).to_owned(),
            url,
            headers,
            body: json.or(text),
            timeout,
        })
    }

    /// Whether an event is done, and over, while there is load.
    fn is_within(&self, lasts: Duration, event: &EventPlan, path: &str) -> bool {
        let help = format!("the load lasts {}", format_duration(lasts));
        if event.at >= lasts {
            self.problems.add(
                format!("{path}.at"),
                format!("{}, when the load is over", format_duration(event.at)),
                "a time before that",
                Some(help),
            );
            return false;
        }
        if event.over_at() >= lasts && event.deed.back_after().is_some() {
            self.problems.add(
                format!("{path}.for"),
                format!(
                    "a return at {}, when the load is over",
                    format_duration(event.over_at())
                ),
                "a return before that, or no `for`",
                Some(help),
            );
            return false;
        }
        true
    }

    /// Whether each event finds its server as it should be.
    fn none_overlaps(&self, events: &[EventPlan], places: &[String]) -> bool {
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|index| events[*index].at);
        let mut fits = true;
        for (later, index) in order.iter().enumerate() {
            let event = &events[*index];
            let Some(backend) = event.deed.backend() else {
                continue;
            };
            let mut before = order[..later].iter().rev();
            let Some(earlier) = before.find(|it| events[**it].deed.backend() == Some(backend))
            else {
                continue;
            };
            let first = &events[*earlier];
            let (found, expected) = match first.deed.is_over() {
                false => (
                    format!("{backend} again, which `{}` never brings back", first.deed),
                    format!("a `for` in {}", self.problems.named(&places[*earlier])),
                ),
                true if event.at > first.over_at() => continue,
                true => (
                    format!(
                        "{}, when {backend} is not back from `{}`",
                        format_duration(event.at),
                        first.deed
                    ),
                    format!("a time after {}", format_duration(first.over_at())),
                ),
            };
            let path = format!("{}.at", places[*index]);
            self.problems.add(path, found, expected, None);
            fits = false;
        }
        fits
    }
}
