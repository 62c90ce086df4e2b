//! A scenario's raw forms to its plan: everything that concerns more than one value.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ScenarioPlan, defaults};
use crate::scenario::load;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::room::{Life, Room};
use crate::scenario::protocol::unclear::Unclear;
use crate::scenario::protocol::{Protocol, ProtocolPlan, in_each_room};
use crate::scenario::reader::Entry;
use crate::scenario::step::{Step, all};
use crate::scenario::tls::{RawTls, Tls};
use crate::scenario::value::target::Target;
use crate::schedule::Load;

impl Layers<'_> {
    /// The validated scenario; `None` when something in it is wrong.
    pub(in crate::scenario) fn plan(&self) -> Option<ScenarioPlan> {
        let spoken = self.protocol().map(Protocol::as_str);
        in_each_room!(
            |R| if spoken.is_some() && R::SPOKEN.map(|it| it.word) == spoken {
                return self.plan_of::<R>();
            }
        );
        self.plan_of::<Unclear>()
    }

    /// The validated scenario, whose protocol is in this room; `None` when something in it is wrong.
    fn plan_of<R: Room + Into<ProtocolPlan>>(&self) -> Option<ScenarioPlan> {
        let own = self.pick("name", |raw| &raw.name);
        let name = match own.entry {
            Entry::Absent => {
                self.problems
                    .add(&own.path, "nothing", "every scenario to have a name", None);
                None
            }
            entry => entry.given().map(|name| name.0.clone()),
        };
        let description = self.pick("description", |raw| &raw.description);
        let foreign = R::SPOKEN.is_some_and(|words| {
            self.has_foreign_fields(words, &format!("in a {} scenario", words.name))
        });
        let load = self.load();
        let outside = self.outside(R::SPOKEN.map(|words| words.word));
        let life = self.life::<R>(&outside);
        let elsewhere = self.elsewhere(&outside);
        let thresholds = self.thresholds(life.as_ref(), load.as_ref());
        let capacity = self.capacity(life.as_ref());
        let data = self.data();
        let tls = self.tls();
        let backends = self.backends();
        let known = backends.as_ref().and_then(|it| it.known.as_deref());
        let events = self.events(load.as_ref(), known);
        let targets = self.targets::<R>(tls.as_ref().is_some_and(Option::is_some));
        let targets = targets.and_then(|it| self.aimed(R::SPOKEN.map(|it| it.word), it, known));
        let addresses = targets.as_ref().map(|(it, _)| it.as_slice());
        let bind = self.bind(addresses.unwrap_or_default());
        let resolve_every = self.resolve_every();
        let fields = R::fields(self);
        let identify = self.identify::<R>();
        let tags = self.tags();
        let is_theirs = identify.as_ref().is_none_or(Option::is_some);
        let expect = self.expect(tags.as_ref(), known.filter(|_| !is_theirs));
        let start_after = self
            .pick("start_after", |raw| &raw.start_after)
            .entry
            .or(Duration::ZERO, |span| span.0);
        let warm_up = self
            .pick("warm_up", |raw| &raw.warm_up)
            .entry
            .or(Duration::ZERO, |span| span.0);
        let graceful_stop = self
            .pick("graceful_stop", |raw| &raw.graceful_stop)
            .entry
            .or(defaults::GRACEFUL_STOP, |span| span.0);
        let timeout = self
            .pick("timeout", |raw| &raw.timeout)
            .entry
            .or(defaults::TIMEOUT, |span| span.0);
        let connect_timeout = self
            .pick("connect_timeout", |raw| &raw.connect_timeout)
            .entry
            .or(defaults::CONNECT_TIMEOUT, |span| span.0);
        let max_message = self
            .pick("max_message", |raw| &raw.max_message)
            .entry
            .or(defaults::MAX_MESSAGE, |most| most.0);
        let authority = self
            .pick("authority", |raw| &raw.authority)
            .entry
            .or(None, |name| Some(name.0.clone()));
        let late_after = self
            .pick("late_after", |raw| &raw.late_after)
            .entry
            .or(defaults::LATE_AFTER, |span| span.0);
        let fits = match (&life, timeout) {
            (Some(life), Some(timeout)) => {
                let path = self.pick("steps", |raw| &raw.steps).path;
                R::fit(self, &all(&life.steps, &path), timeout)
            }
            _ => true,
        };
        let last = match (&life, &load) {
            (Some(life), Some(load)) => self.last::<R>(life, load, warm_up),
            _ => true,
        };
        if foreign || !fits || !last {
            return None;
        }
        Some(ScenarioPlan {
            name: name?,
            description: description.entry.or(None, |text| Some(text.clone()))?,
            targets: targets.as_ref().map(|(it, _)| it.clone())?,
            target_backends: targets.map(|(_, it)| it)?,
            backends: backends?.names,
            events: events?,
            load: load?,
            start_after: start_after?,
            warm_up: warm_up?,
            graceful_stop: graceful_stop?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            late_after: late_after?,
            max_message: max_message?,
            authority: authority?,
            identify: identify?,
            bind: bind?,
            resolve_every: resolve_every?,
            tls: tls?,
            tags: tags?,
            for_each: Vec::new(),
            data: data?,
            elsewhere: elsewhere?,
            thresholds: thresholds?,
            expect: expect?,
            capacity: capacity?,
            protocol: fields?.with_steps(life?).into(),
        })
    }

    /// Whether what lasts for as long as the load can: the load ends in time, and it is a step of an
    /// iteration. Notes where not.
    fn last<R: Room>(
        &self,
        life: &Life<R::Action>,
        load: &Load,
        warm_up: Option<Duration>,
    ) -> bool {
        let mut can = true;
        let mut refuse = |steps: &[Step<R::Action>], path: &str, expected: &str, help: &str| {
            for (path, step) in all(steps, path) {
                if step.spoken().is_some_and(R::lasts_as_load) {
                    can = false;
                    let word = R::SPOKEN.map_or("", |words| words.word);
                    let path = format!("{path}.{word}.stream.for");
                    let help = Some(help.to_owned());
                    self.problems.add(path, "`load`", expected, help);
                }
            }
        };
        let parts = [
            (&life.setup, self.pick("setup", |raw| &raw.setup).path),
            (&life.begin, self.pick("begin", |raw| &raw.begin).path),
            (&life.end, self.pick("end", |raw| &raw.end).path),
        ];
        for (steps, path) in parts {
            let expected = "a duration; `load` is for a step of `steps`";
            refuse(
                steps,
                &path,
                expected,
                "what stands here is over before, or begins after it",
            );
        }
        if load.time_limit().is_none() {
            let path = self.pick("steps", |raw| &raw.steps).path;
            let expected = "a load that ends in time: `duration`, `stages` or `max_duration`";
            let help = "a load of so many iterations waits for them, and they would wait for it";
            refuse(&life.steps, &path, expected, help);
        }
        if warm_up.is_some_and(|it| !it.is_zero()) {
            let path = self.pick("steps", |raw| &raw.steps).path;
            let expected = "a scenario without `warm_up`";
            let help = "streams that last as long as the load would begin in it, and nothing of them be measured";
            refuse(&life.steps, &path, expected, help);
        }
        can
    }

    fn load(&self) -> Option<Load> {
        let picked = self.pick("load", |raw| &raw.load);
        match picked.entry {
            Entry::Absent => {
                self.problems.add(
                    &picked.path,
                    "nothing",
                    "a load, such as {\"closed\": {\"users\": 10, \"iterations\": 1000}}",
                    None,
                );
                None
            }
            entry => load::validate::validate(entry.given()?, &picked.path, self.problems),
        }
    }

    /// The addresses that it sends to, or the names of servers of the suite.
    pub(super) fn targets<R: Room>(
        &self,
        has_tls_block: bool,
    ) -> Option<(Vec<Target>, Vec<String>)> {
        let picked = self.pick("targets", |raw| &raw.targets);
        picked.entry.or(Some((Vec::new(), Vec::new())), |list| {
            if list.0.is_empty() {
                self.problems.add(
                    &picked.path,
                    "an empty array",
                    "at least one target",
                    Some(
                        "leave `targets` out to have them decided by flags and environment"
                            .to_owned(),
                    ),
                );
                return None;
            }
            let lists_fit = self.lists_fit::<R>(list, &picked.path);
            let mut contradiction = !lists_fit;
            let mut refuse = |index: usize, found: String, expected: &str, help: Option<&str>| {
                contradiction = true;
                let path = format!("{}[{index}]", picked.path);
                self.problems
                    .add(path, found, expected, help.map(str::to_owned));
            };
            let of_suite: Vec<String> = list
                .given()
                .filter_map(|(_, it)| it.backend().map(str::to_owned))
                .collect();
            if !of_suite.is_empty() && of_suite.len() < list.0.len() {
                let found = "addresses and servers of the suite together";
                let expected = "one or the other";
                self.problems.add(&picked.path, found, expected, None);
                return None;
            }
            let addresses = list
                .given()
                .filter_map(|(index, it)| Some((index, it.address()?)));
            for (index, target) in addresses {
                let Some(scheme) = target.scheme.as_deref() else {
                    continue;
                };
                if let Some((expected, help)) = R::refuse_scheme(scheme) {
                    let name = R::SPOKEN.map_or("", |words| words.name);
                    let found = format!("a {scheme}:// target in a {name} scenario");
                    refuse(index, found, expected, Some(help));
                } else if has_tls_block && let "http" | "ws" = scheme {
                    let a = if scheme == "http" { "an" } else { "a" };
                    let found = format!("{a} {scheme}:// target beside a `tls` block");
                    let expected = format!("{scheme}s://, or no scheme");
                    refuse(index, found, &expected, None);
                }
            }
            let read = list.all(|it| it.address().map(|it| self.placed(&it.target)))?;
            let addresses = read.into_iter().flatten().collect();
            (!contradiction).then_some((addresses, of_suite))
        })?
    }

    pub(super) fn tls(&self) -> Option<Option<Tls>> {
        let picked = self.pick("tls", |raw| &raw.tls);
        picked.entry.or(Some(None), |tls: &RawTls| {
            let skip = tls.insecure_skip_verify.or(false, |skip| *skip);
            let ca_file = tls.ca_file.or(None, |file| Some(self.resolve(file)));
            let server_name = tls.server_name.or(None, |name| Some(name.0.clone()));
            let cert_file = tls.cert_file.or(None, |file| Some(self.resolve(file)));
            let key_file = tls.key_file.or(None, |file| Some(self.resolve(file)));
            let alpn = tls.alpn.or(true, |alpn| *alpn);
            let refuse = |field: &str, found: &str, expected: &str| {
                let path = format!("{}.{field}", picked.path);
                self.problems.add(path, found, expected, None);
            };
            // The server is asked for a name all the same: which one it is may depend on that.
            if skip == Some(true) && !tls.ca_file.is_absent() {
                let found = "something to verify beside `insecure_skip_verify`";
                refuse("ca_file", found, "one or the other");
                return None;
            }
            match (tls.cert_file.is_absent(), tls.key_file.is_absent()) {
                (false, true) => {
                    refuse(
                        "key_file",
                        "nothing",
                        "the key of the certificate in `cert_file`",
                    );
                    return None;
                }
                (true, false) => {
                    refuse(
                        "cert_file",
                        "nothing",
                        "the certificate that `key_file` is the key of",
                    );
                    return None;
                }
                _ => {}
            }
            Some(Some(Tls {
                ca_file: ca_file?,
                cert_file: cert_file?,
                key_file: key_file?,
                server_name: server_name?,
                insecure_skip_verify: skip?,
                alpn: alpn?,
            }))
        })?
    }

    fn tags(&self) -> Option<BTreeMap<String, String>> {
        let picked = self.pick("tags", |raw| &raw.tags);
        picked.entry.or(Some(BTreeMap::new()), |entries| {
            entries
                .0
                .iter()
                .map(|(key, value)| {
                    let plain = (1..=100).contains(&key.len())
                        && key
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
                    if !plain {
                        self.problems.add(
                            &picked.path,
                            format!("the name {:?}", key.chars().take(60).collect::<String>()),
                            "names of 1 to 100 letters, digits, `_`, `-` and `.`",
                            None,
                        );
                    }
                    let value = value.given().filter(|_| plain)?;
                    Some((key.clone(), value.0.clone()))
                })
                .collect::<Vec<_>>()
                .into_iter()
                .collect()
        })?
    }
}
