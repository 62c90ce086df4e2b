//! A suite on a server, and shards of its run.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Said, Server, finish, loadgen};

/// However busy the machine is, a run of seconds is over by then.
pub(crate) const WITHIN: Duration = Duration::from_secs(90);

/// A folder with a suite, a server for it, and where its shards meet.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    /// Until it is dropped.
    _server: Server,
    pub(crate) coordinator: String,
}

impl Stage {
    /// A load of so many seconds.
    pub(crate) fn new(seconds: u64) -> Self {
        Self::of(|target| {
            let hello = json!([{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}]);
            json!({"scenarios": [{
                "name": "arrive", "targets": [target], "steps": hello, "connections": 4,
                "load": {"open": {"rate": "100/s", "duration": format!("{seconds}s")}},
                "thresholds": ["error_rate < 1%"],
            }]})
        })
    }

    pub(crate) fn of(suite: impl FnOnce(&str) -> Value) -> Self {
        let server = Server::start(&["--id", "one"]);
        let folder = tempfile::tempdir().expect("a folder");
        let suite = suite(&server.address).to_string();
        fs::write(folder.path().join("suite.json"), suite).expect("it is written");
        Self {
            folder,
            _server: server,
            coordinator: free_address(),
        }
    }

    /// `loadgen run` of a shard of so many, with its result in `INDEX.json`.
    pub(crate) fn shard(&self, index: u32, count: u32, more: &[&str]) -> Command {
        self.shard_at(&self.coordinator, index, count, more)
    }

    pub(crate) fn shard_at(&self, at: &str, index: u32, count: u32, more: &[&str]) -> Command {
        let (shard, out) = (format!("{index}/{count}"), format!("json={index}.json"));
        let mut command = loadgen(&["run", "suite.json", "--workers", "1", "--shard", &shard]);
        command
            .args(["--coordinator", at, "--out", &out])
            .args(more);
        self.here(&mut command);
        command
    }

    pub(crate) fn loadgen(&self, args: &[&str]) -> Said {
        let mut command = loadgen(args);
        self.here(&mut command);
        command.output().expect("loadgen starts").into()
    }

    /// `loadgen coordinate` at a free address.
    pub(crate) fn coordinate(&mut self, count: u32, more: &[&str]) -> Running {
        let count = count.to_string();
        let mut command = loadgen(&["coordinate", "--listen", "127.0.0.1:0", "--shards", &count]);
        self.here(command.args(more));
        let running = Running::start(&mut command);
        let line = running.says("listens on");
        self.coordinator = line
            .split_whitespace()
            .nth(3)
            .expect("an address")
            .to_owned();
        running
    }

    fn here(&self, command: &mut Command) {
        command.current_dir(self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    pub(crate) fn document(&self, name: &str) -> Value {
        document(&self.folder.path().join(name))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

pub(crate) fn document(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the file");
    serde_json::from_str(&text).expect("a document")
}

/// Where nobody listens, but for whoever is quicker.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// A process whose words are heard as they come.
pub(crate) struct Running {
    pub(crate) child: Option<Child>,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("loadgen starts");
        let stderr = child.stderr.take().expect("it is a pipe");
        let (sender, lines) = channel();
        let said = Arc::new(Mutex::new(String::new()));
        let all = Arc::clone(&said);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                all.lock()
                    .expect("nobody panics")
                    .push_str(&format!("{line}\n"));
                let _ = sender.send(line);
            }
        });
        Self {
            child: Some(child),
            lines,
            said,
        }
    }

    /// Waits for a line that has this in it.
    pub(crate) fn says(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(WITHIN);
            let line = line.unwrap_or_else(|_| panic!("`{what}` is not said: {}", self.so_far()));
            if line.contains(what) {
                return line;
            }
        }
    }

    pub(crate) fn has_said(&self, what: &str) -> bool {
        self.so_far().contains(what)
    }

    fn so_far(&self) -> String {
        self.said.lock().expect("nobody panics").clone()
    }

    pub(crate) fn process(&self) -> &Child {
        self.child.as_ref().expect("it has not ended")
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it has not ended");
        child.kill().expect("it is there");
        child.wait().expect("it ends");
    }

    /// Its end, and all that it said.
    pub(crate) fn end(mut self) -> Said {
        let mut said = finish(self.child.take().expect("it has not ended"), WITHIN);
        // The thread that reads has what there was, as soon as the other end is closed.
        while self.lines.recv_timeout(Duration::from_secs(5)).is_ok() {}
        said.stderr = self.so_far();
        assert!(!said.stderr.contains("panicked"), "{said:?}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Passes connections on until it is cut.
pub(crate) struct Relay {
    pub(crate) address: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub(crate) fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let open = Arc::new(Mutex::new(Vec::new()));
        let (kept, upstream) = (Arc::clone(&open), upstream.to_owned());
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect(&upstream) else {
                    continue;
                };
                let copy = |it: &TcpStream| it.try_clone().expect("a descriptor");
                kept.lock()
                    .expect("nobody panics")
                    .extend([copy(&here), copy(&there)]);
                for (mut from, mut to) in [(copy(&here), copy(&there)), (there, here)] {
                    thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
            }
        });
        Self { address, open }
    }

    pub(crate) fn cut(&self) {
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// An HTTP server that answers each request with how many there were before at `/setup`, and keeps what it was asked.
pub(crate) struct Counting {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Counting {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || Self::serve(stream, &all));
            }
        });
        Self { address, asked }
    }

    fn serve(stream: TcpStream, all: &Mutex<Vec<String>>) -> std::io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut length = 0;
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let token = {
                let mut all = all.lock().expect("nobody panics");
                let before = all.iter().filter(|it| *it == "/setup").count();
                all.push(path);
                format!("{{\"token\":\"t0k3n-{before}\"}}")
            };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
            write!(
                answers,
                "{head}content-length: {}\r\n\r\n{token}",
                token.len()
            )?;
        }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics").clone()
    }
}
