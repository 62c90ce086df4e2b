//! The management of services over real sockets, with somebody in the place of the balancer who remembers what
//! it was told.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

mod access;
#[path = "../common/certificate.rs"]
mod certificate;
mod changes;
mod described;
mod killed;
mod properties;
mod refused;
mod tls;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_backends::balance::http::HttpSettings;
use loadgen_backends::balance::http::manage::{
    Live, ManagementSettings, RunningManagement, Store, start_management,
};
use loadgen_backends::balance::{ConfigError, ReloadError};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Serves nobody, and remembers by what it would.
#[derive(Debug)]
struct Balancer {
    served: Mutex<HttpSettings>,
    refuses: AtomicBool,
}

impl Live for Balancer {
    fn read(&self, source_name: &str, text: &str) -> Result<HttpSettings, ConfigError> {
        HttpSettings::parse(source_name, text)
    }

    fn replace(&self, settings: HttpSettings) -> Result<(), ReloadError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(ReloadError { field: "listen" });
        }
        *self.served.lock().unwrap() = settings;
        Ok(())
    }

    fn status(&self, service: &str) -> Option<Value> {
        let served = self.served.lock().unwrap();
        let service = served.services.service(service)?;
        Some(json!({ "backends": service.pool.backends.len() }))
    }
}

/// What is managed, by whom, and where.
struct Managed {
    folder: TempDir,
    file: PathBuf,
    balancer: Arc<Balancer>,
    store: Arc<Store>,
    management: RunningManagement,
}

const WEB: &str = r#"{
  "services": [
    { "name": "web", "routes": [{ "path": "/**" }], "backends": [{ "address": "a:1", "weight": 2 }], "health": "off" }
  ],
  "default_service": "web"
}"#;

/// Starts to manage a file's services.
fn started(
    file: &Path,
    text: &str,
    change: impl FnOnce(&mut ManagementSettings),
) -> (Arc<Balancer>, Arc<Store>, RunningManagement) {
    let served = HttpSettings::parse("lb.json", text).unwrap();
    let balancer = Arc::new(Balancer {
        served: Mutex::new(served),
        refuses: AtomicBool::new(false),
    });
    let store = Store::open(file.to_owned(), Arc::clone(&balancer) as _).unwrap();
    let store = Arc::new(store);
    let mut settings = ManagementSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        ..ManagementSettings::default()
    };
    change(&mut settings);
    let management = start_management(&settings, Arc::clone(&store)).unwrap();
    (balancer, store, management)
}

/// The text of a request after which there is no other.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request += "host: localhost\r\n";
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request + &format!("content-length: {}\r\n\r\n{body}", body.len())
}

/// One request on a connection of its own; `None` where nobody answers any more.
fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    raw(address, request(method, path, headers, body).as_bytes())
}

fn raw(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    // It may well be answered, and closed, before all of it is sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let is_answer = answer.windows(4).any(|it| it == b"\r\n\r\n");
    is_answer.then(|| Answer::of(&answer))
}

impl Managed {
    const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

    fn new() -> Self {
        Self::with(WEB, |_| {})
    }

    fn with(text: &str, change: impl FnOnce(&mut ManagementSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lb.json");
        fs::write(&file, text).unwrap();
        let (balancer, store, management) = started(&file, text, change);
        Self {
            folder,
            file,
            balancer,
            store,
            management,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// Holds that the file, what is served by and what GET says are the same.
    fn agrees(&self) {
        self.agrees_with(&[]);
    }

    fn agrees_with(&self, headers: &[(&str, &str)]) {
        let document = self.document();
        let read = HttpSettings::parse("lb.json", &self.text()).unwrap();
        assert_eq!(read, *self.balancer.served.lock().unwrap());
        let listed = self.ask("GET", "/services", headers, "").json();
        assert_eq!(listed["services"], document["services"]);
        assert_eq!(
            listed.get("default_service"),
            document.get("default_service")
        );
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(request(method, path, headers, body).as_bytes())
    }

    /// The same with a body of JSON.
    fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &Self::JSON, body)
    }

    fn raw(&self, request: &[u8]) -> Answer {
        raw(self.management.local_addr(), request).unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    fn tag(&self) -> &str {
        self.header("etag").unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The status and the detail of a problem, which is said in the form for that.
    fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], "about:blank");
        (self.status, problem["detail"].as_str().unwrap().to_owned())
    }

    /// What is wrong with the document that was sent, a line each.
    fn problems(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{self:?}");
        let problem = self.json();
        let line = |it: &Value| {
            let part = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
            let help = it
                .get("help")
                .map(|help| format!("; {}", help.as_str().unwrap()));
            let (path, found, expected) = (part("path"), part("found"), part("expected"));
            format!(
                "{path}: found {found}, expected {expected}{}",
                help.unwrap_or_default()
            )
        };
        problem["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(line)
            .collect()
    }
}
