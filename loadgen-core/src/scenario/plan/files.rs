//! The files that a scenario names, for whoever takes it elsewhere.

use std::path::{Path, PathBuf};

use super::ScenarioPlan;
use crate::input;
use crate::scenario::event::Deed;
use crate::scenario::protocol::{ProtocolPlan, Spoken};
use crate::scenario::tls::Tls;
use crate::scenario::value::Source;
use crate::scenario::value::address_list::AddressList;
use crate::scenario::value::target::Target;

/// A file that a scenario names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct NamedFile {
    /// Where it is: relative paths are joined with the folder of the scenario's file.
    pub path: PathBuf,
    /// What it is for.
    pub role: FileRole,
}

/// What a file is for that a scenario names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileRole {
    /// What users and servers are made of: test data, certificates, lists of targets.
    Content,
    /// What no output may carry: a value that is sent, the key of a certificate.
    Secret,
    /// What describes a gRPC service: a `.proto` file, a descriptor set, or a folder in which imports are
    /// looked for.
    Description,
}

impl ScenarioPlan {
    /// The files that it names, each once and by their paths. What these import or include in turn is not among
    /// them.
    #[must_use]
    pub fn files(&self) -> Vec<NamedFile> {
        let mut found = Vec::new();
        let mut note = |path: &Path, role| {
            found.push(NamedFile {
                path: path.to_owned(),
                role,
            });
        };
        for source in &self.data {
            note(&source.file, FileRole::Content);
        }
        let own = (&self.targets, self.tls.as_ref(), &self.protocol);
        let elsewhere = self.elsewhere.iter();
        let elsewhere = elsewhere.map(|it| (&it.targets, it.tls.as_ref(), &it.protocol));
        for (targets, tls, protocol) in std::iter::once(own).chain(elsewhere) {
            of_servers(targets, tls, protocol, &mut note);
        }
        self.each_source(|it| {
            if let Source::File { path, .. } = it {
                note(path, FileRole::Secret);
            }
        });
        found.sort();
        found.dedup();
        found
    }

    /// The variables of the environment that it names as values and cannot do without, each once and by their names.
    /// What expressions ask the environment for is not among them.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.each_source(|it| {
            if let Source::Env {
                variable,
                default: None,
                ..
            } = it
            {
                found.push(variable.clone());
            }
        });
        found.sort();
        found.dedup();
        found
    }

    /// Tells `note` of each value that is sent beside messages, whoever it is sent to.
    fn each_source(&self, mut note: impl FnMut(&Source)) {
        let elsewhere = self.elsewhere.iter().map(|it| &it.protocol);
        for protocol in std::iter::once(&self.protocol).chain(elsewhere) {
            protocol.sources().into_iter().for_each(&mut note);
        }
        for step in self.protocol.said_elsewhere().iter().flatten() {
            let fields = match step.spoken() {
                Some(Spoken::Grpc(call)) => call.metadata.as_slice(),
                Some(Spoken::Http(request)) => request.headers.as_slice(),
                Some(Spoken::Websocket(_) | Spoken::Tcp(_)) | None => &[],
            };
            fields.iter().for_each(|(_, it)| note(it));
        }
        for event in &self.events {
            if let Deed::Http(request) = &event.deed {
                request.headers.iter().for_each(|(_, it)| note(it));
            }
        }
    }
}

impl ScenarioPlan {
    /// What is in its files of test data: the name of each source, and the SHA-256 of its file in hexadecimal digits.
    /// One that cannot be read is left out; whoever prepares a run of it says so.
    #[must_use]
    pub fn data_digests(&self) -> Vec<(String, String)> {
        let sources = self.data.iter();
        let digests =
            sources.filter_map(|it| Some((it.name.clone(), input::digest(&it.file).ok()?)));
        digests.collect()
    }
}

fn of_servers(
    targets: &[Target],
    tls: Option<&Tls>,
    protocol: &ProtocolPlan,
    note: &mut impl FnMut(&Path, FileRole),
) {
    for target in targets {
        if let Some(AddressList::File { path }) = target.list() {
            note(path, FileRole::Content);
        }
    }
    if let Some(tls) = tls {
        let certificates = [&tls.ca_file, &tls.cert_file];
        certificates
            .into_iter()
            .flatten()
            .for_each(|it| note(it, FileRole::Content));
        tls.key_file
            .iter()
            .for_each(|it| note(it, FileRole::Secret));
    }
    if let ProtocolPlan::Grpc(plan) = protocol {
        plan.protos
            .iter()
            .for_each(|it| note(it, FileRole::Description));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::Suite;

    #[test]
    fn every_file_is_there_with_its_role() {
        let suite = json!({"scenarios": [{
            "name": "all",
            "targets": ["file:targets.txt"],
            "tls": {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "/keys/client.key"},
            "data": {"row": {"file": "users.csv"}},
            "protos": ["protos", "protos/shop.proto"],
            "metadata": {"authorization": {"file": "token.txt"}, "a": {"env": "TOKEN"}, "b": {"env": "OTHER", "default": "x"}},
            "load": {"closed": {"users": 1, "iterations": 1}},
            "elsewhere": {"http": {"targets": ["h:80"], "headers": {"x-key": {"file": "key.txt"}, "x-env": {"env": "KEY"}}}},
            "events": [{"at": "1s", "http": {"post": "http://h/", "headers": {"x": {"file": "event.txt"}}}}],
            "setup": [{"http": {"path": "/", "headers": {"y": {"file": "setup.txt"}}}}],
            "steps": [{"grpc": {"method": "shop.v1.Shop/Find", "metadata": {"z": {"file": "step.txt"}}}}],
        }]});
        let folder = Path::new("in");
        let suite = Suite::parse("s.json", &suite.to_string(), Some(folder), None).unwrap();
        let [scenario] = suite.scenarios() else {
            panic!("one scenario")
        };
        let mut found: Vec<(String, FileRole)> = scenario
            .files()
            .into_iter()
            .map(|it| (it.path.display().to_string(), it.role))
            .collect();
        found.sort();
        let expected = [
            ("/keys/client.key", FileRole::Secret),
            ("in/ca.pem", FileRole::Content),
            ("in/client.pem", FileRole::Content),
            ("in/event.txt", FileRole::Secret),
            ("in/key.txt", FileRole::Secret),
            ("in/protos", FileRole::Description),
            ("in/protos/shop.proto", FileRole::Description),
            ("in/setup.txt", FileRole::Secret),
            ("in/step.txt", FileRole::Secret),
            ("in/targets.txt", FileRole::Content),
            ("in/token.txt", FileRole::Secret),
            ("in/users.csv", FileRole::Content),
        ];
        let expected = expected.map(|(path, role)| (path.to_owned(), role));
        assert_eq!(found, expected);
        // One that may be left out is none that it needs.
        assert_eq!(scenario.variables(), ["KEY", "TOKEN"]);
    }
}
