//! Raw types to a plan: everything that concerns more than one value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::call::{MetadataValue, check_metadata_name, from_base64};
use super::elements::FilePath;
use super::load;
use super::plan::{ConnectionPer, Protocol, ScenarioPlan, Tls, defaults};
use super::problem::Problems;
use super::raw::{RawConnectionPer, RawScenario, RawTls};
use super::reader::{Entries, Entry};
use super::target::Target;
use crate::schedule::Load;

/// One source of a scenario's fields, with the path to it.
#[derive(Debug, Clone)]
pub(super) struct Layer<'a> {
    pub(super) raw: &'a RawScenario,
    pub(super) path: String,
}

/// Everything a scenario is made from.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    /// The layer that counts most first: the profile, the scenario itself, the defaults.
    pub(super) layers: Vec<Layer<'a>>,
    /// The scenario itself, for what is missing.
    pub(super) own_path: String,
    pub(super) base_dir: Option<&'a Path>,
    pub(super) problems: &'a Problems,
}

/// A field from the first layer that has it, with its path.
pub(super) struct Picked<'a, T> {
    pub(super) entry: &'a Entry<T>,
    pub(super) path: String,
}

impl<'a> Layers<'a> {
    pub(super) fn pick<T>(
        &self,
        field: &str,
        get: impl Fn(&'a RawScenario) -> &'a Entry<T>,
    ) -> Picked<'a, T> {
        let absent = &Entry::Absent;
        self.layers
            .iter()
            .find(|layer| !get(layer.raw).is_absent())
            .map_or_else(
                || Picked {
                    entry: absent,
                    path: format!("{}.{field}", self.own_path),
                },
                |layer| Picked {
                    entry: get(layer.raw),
                    path: format!("{}.{field}", layer.path),
                },
            )
    }

    /// As [`Layers::pick`], for a field of one protocol: nothing in a scenario of another.
    fn pick_for<T>(
        &self,
        applies: bool,
        field: &str,
        get: impl Fn(&'a RawScenario) -> &'a Entry<T>,
    ) -> Picked<'a, T> {
        match applies {
            true => self.pick(field, get),
            false => Picked {
                entry: &Entry::Absent,
                path: String::new(),
            },
        }
    }

    /// The validated scenario; `None` when something in it is wrong.
    pub(super) fn plan(&self) -> Option<ScenarioPlan> {
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
        // Where it is not clear what the scenario speaks, the fields of both are checked.
        let protocol = self.protocol();
        let foreign = protocol.is_some_and(|protocol| self.has_foreign_fields(protocol));
        let grpc = protocol != Some(Protocol::Websocket);
        let websocket = protocol != Some(Protocol::Grpc);
        let connections = self.pick_for(grpc, "connections", |raw| &raw.connections);
        let streams = self.pick_for(grpc, "streams_per_connection", |raw| {
            &raw.streams_per_connection
        });
        let connection_per = self
            .pick_for(websocket, "connection_per", |raw| &raw.connection_per)
            .entry
            .or(ConnectionPer::User, |per| match per {
                RawConnectionPer::User => ConnectionPer::User,
                RawConnectionPer::Iteration => ConnectionPer::Iteration,
            });
        let connect_rate = self
            .pick_for(websocket, "connect_rate", |raw| &raw.connect_rate)
            .entry
            .or(None, |rate| Some(*rate));
        let load = self.load();
        let protos = self.pick_for(grpc, "protos", |raw| &raw.protos);
        let has_protos = !protos.entry.is_absent();
        let protos = protos
            .entry
            .or(Some(Vec::new()), |list| list.all(|file| self.resolve(file)));
        let steps = self.steps(has_protos);
        let thresholds = self.thresholds(steps.as_deref(), load.as_ref());
        let tls = self.tls();
        let targets = self.targets(tls.as_ref().is_some_and(Option::is_some), protocol);
        let metadata = self.pick_for(grpc, "metadata", |raw| &raw.metadata);
        let metadata = metadata.entry.or(Some(Vec::new()), |entries| {
            self.metadata(entries, &metadata.path)
        });
        let headers = self.pick_for(websocket, "headers", |raw| &raw.headers);
        let headers = headers.entry.or(Some(Vec::new()), |entries| {
            self.headers(entries, &headers.path)
        });
        let subprotocols = self.pick_for(websocket, "subprotocols", |raw| &raw.subprotocols);
        let subprotocols = subprotocols.entry.or(Some(Vec::new()), |list| {
            self.subprotocols(list, &subprotocols.path)
        });
        let tags = self.tags();
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
        let keepalive = self
            .pick_for(grpc, "keepalive", |raw| &raw.keepalive)
            .entry
            .or(None, |span| Some(span.0));
        let authority = self
            .pick("authority", |raw| &raw.authority)
            .entry
            .or(None, |name| Some(name.0.clone()));
        let late_after = self
            .pick("late_after", |raw| &raw.late_after)
            .entry
            .or(defaults::LATE_AFTER, |span| span.0);
        let fits = match (&steps, timeout) {
            (Some(steps), Some(timeout)) => self.streams_fit(steps, timeout),
            _ => true,
        };
        if foreign || !fits {
            return None;
        }
        Some(ScenarioPlan {
            name: name?,
            description: description.entry.or(None, |text| Some(text.clone()))?,
            protocol: protocol?,
            targets: targets?,
            connections: connections.entry.or(None, |count| Some(count.small()))?,
            streams_per_connection: streams.entry.or(None, |count| Some(count.small()))?,
            connection_per: connection_per?,
            connect_rate: connect_rate?,
            load: load?,
            start_after: start_after?,
            warm_up: warm_up?,
            graceful_stop: graceful_stop?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            late_after: late_after?,
            max_message: max_message?,
            keepalive: keepalive?,
            authority: authority?,
            tls: tls?,
            metadata: metadata??,
            headers: headers??,
            subprotocols: subprotocols??,
            tags: tags?,
            protos: protos??,
            steps: steps?,
            thresholds: thresholds?,
        })
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
            entry => load::validate(entry.given()?, &picked.path, self.problems),
        }
    }

    fn targets(&self, has_tls_block: bool, protocol: Option<Protocol>) -> Option<Vec<Target>> {
        let picked = self.pick("targets", |raw| &raw.targets);
        picked.entry.or(Some(Vec::new()), |list| {
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
            let mut contradiction = false;
            let mut refuse = |index: usize, found: String, expected: &str, help: Option<&str>| {
                contradiction = true;
                let path = format!("{}[{index}]", picked.path);
                self.problems
                    .add(path, found, expected, help.map(str::to_owned));
            };
            for (index, target) in list.given() {
                match (target.scheme.as_deref(), protocol) {
                    (Some(scheme @ ("ws" | "wss")), Some(Protocol::Grpc)) => {
                        let found = format!("a {scheme}:// target in a gRPC scenario");
                        let expected = "http://, https://, or no scheme";
                        let help = "ws:// and wss:// are for `websocket` steps";
                        refuse(index, found, expected, Some(help));
                    }
                    (Some("http"), _) if has_tls_block => {
                        let found = "an http:// target beside a `tls` block".to_owned();
                        refuse(index, found, "https://, or no scheme", None);
                    }
                    (Some("ws"), _) if has_tls_block => {
                        let found = "a ws:// target beside a `tls` block".to_owned();
                        refuse(index, found, "wss://, or no scheme", None);
                    }
                    _ => {}
                }
            }
            list.all(|target| target.target.clone())
                .filter(|_| !contradiction)
        })?
    }

    fn tls(&self) -> Option<Option<Tls>> {
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

    pub(super) fn metadata(
        &self,
        entries: &Entries<MetadataValue>,
        path: &str,
    ) -> Option<Vec<(String, String)>> {
        let checked: Vec<Option<_>> = entries
            .0
            .iter()
            .map(|(name, value)| {
                let shown: String = name.chars().take(60).collect();
                let named = check_metadata_name(name).map_err(|help| {
                    self.problems.add(
                        path,
                        format!("the name {shown:?}"),
                        "the name of a piece of metadata",
                        Some(help),
                    );
                });
                let value = &value.given()?.0;
                if name.ends_with("-bin") && from_base64(value).is_none() {
                    self.problems.add(
                        format!("{path}.{shown}"),
                        format!("{value:?}"),
                        "base64, since the name ends in `-bin`",
                        None,
                    );
                    return None;
                }
                named.ok()?;
                Some((name.clone(), value.clone()))
            })
            .collect();
        checked.into_iter().collect()
    }

    /// A path in the file is relative to the file.
    fn resolve(&self, file: &FilePath) -> PathBuf {
        match self.base_dir {
            Some(base_dir) => base_dir.join(&file.0),
            None => PathBuf::from(&file.0),
        }
    }
}
