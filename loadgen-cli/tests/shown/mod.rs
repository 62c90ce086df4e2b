//! A run that is shown, and those who look at it: a browser's part, spoken by hand.

#![expect(
    dead_code,
    reason = "each test file is a program of its own and uses a part of this"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};
use socket2::{Domain, Socket, Type};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, client};

use crate::common::{Guard, loadgen};

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A run with `--ui` on a free port.
pub(crate) struct Shown {
    run: Guard,
    stderr: BufReader<ChildStderr>,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Shown {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_as("run", flags)
    }

    /// The same with another command.
    pub(crate) fn start_as(command: &str, flags: &[&str]) -> Self {
        let mut command = loadgen(&[command, "--ui=0"]);
        let child = command
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = child.spawn().expect("loadgen starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let run = Guard(child);
        let mut line = String::new();
        // Servers of its own come up before.
        while !line.starts_with("the run is shown") {
            line.clear();
            let read = stderr.read_line(&mut line).expect("it says where it is");
            assert!(read > 0, "it ended without saying where it is");
        }
        let url = line.trim_end().strip_prefix("the run is shown at http://");
        let (address, token) = url
            .and_then(|it| it.split_once("/?token="))
            .unwrap_or_else(|| panic!("{line}"));
        Self {
            address: address.to_owned(),
            token: token.to_owned(),
            run,
            stderr,
        }
    }

    /// Waits for its end: the exit code, and what else it said on stderr.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("UTF-8");
        let status = self.child().wait().expect("it ends");
        assert!(!said.contains("panicked"), "{said}");
        (status.code(), said)
    }

    fn child(&mut self) -> &mut Child {
        &mut self.run.0
    }

    /// Asks for a path with these fields beside `host`.
    pub(crate) fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let host = ("host", &*self.address);
        self.ask("GET", path, &[&[host], fields].concat(), "")
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let fields = fields.iter();
        let fields: String = fields
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let mut stream = self.connect();
        let request = format!("{method} {path} HTTP/1.1\r\n{fields}\r\n{body}");
        // What is refused may be refused before it was read.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer(String::from_utf8(answer).expect("UTF-8"))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream
    }

    /// The cookie that the token is exchanged for.
    pub(crate) fn cookie(&self) -> String {
        let answer = self.get(&format!("/?token={}", self.token), &[]);
        let cookie = answer.field("set-cookie").expect("a cookie");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn look(&self) -> Viewer {
        self.open(&[("cookie", &self.cookie())])
            .expect("it may look")
    }

    /// One who takes in no more than a few kilobytes until they read on.
    pub(crate) fn look_narrowly(&self) -> Viewer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a size");
        let address: SocketAddr = self.address.parse().expect("an address");
        socket.connect(&address.into()).expect("it listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let viewer = self.open_on(stream, &[("cookie", &self.cookie())]);
        viewer.expect("it may look")
    }

    /// Opens a WebSocket with these fields.
    pub(crate) fn open(&self, fields: &[(&str, &str)]) -> Result<Viewer, u16> {
        self.open_on(self.connect(), fields)
    }

    fn open_on(&self, stream: TcpStream, fields: &[(&str, &str)]) -> Result<Viewer, u16> {
        let mut request = http::Request::get(format!("ws://{}/live", self.address))
            .header("host", &self.address)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        match client(request, stream) {
            Ok((socket, _)) => Ok(Viewer::new(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1).and_then(|it| it.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        let mut fields = head.lines().skip(1).filter_map(|it| it.split_once(": "));
        fields
            .find(|it| it.0.eq_ignore_ascii_case(name))
            .map(|it| it.1)
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |it| it.1)
    }
}

/// One who looks: what they know, as the page's script keeps it.
pub(crate) struct Viewer {
    pub(crate) socket: WebSocket<TcpStream>,
    /// The last message but for its figures.
    pub(crate) last: Value,
    pub(crate) header: String,
    pub(crate) chapters: Map<String, Value>,
    pub(crate) scenarios: Vec<Value>,
    /// What is known of a capacity that is looked for.
    pub(crate) capacity: Value,
    pub(crate) standing: Value,
    /// The runs before.
    pub(crate) earlier: Value,
    pub(crate) answers: Vec<Value>,
    /// The runs that were heard of.
    pub(crate) runs: Vec<String>,
}

impl Viewer {
    fn new(socket: WebSocket<TcpStream>) -> Self {
        Self {
            socket,
            last: Value::Null,
            header: String::new(),
            chapters: Map::new(),
            scenarios: Vec::new(),
            capacity: Value::Null,
            standing: Value::Null,
            earlier: Value::Null,
            answers: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes the next message. The code of a good-bye, where it is one.
    pub(crate) fn take(&mut self) -> Option<u16> {
        match self.socket.read().expect("a message") {
            Message::Text(text) => {
                self.keep(serde_json::from_str(&text).expect("JSON"));
                None
            }
            Message::Close(frame) => Some(frame.expect("a code").code.into()),
            _ => None,
        }
    }

    fn keep(&mut self, message: Value) {
        if let Some(standing) = message.get("standing") {
            self.standing = standing.clone();
            self.earlier = message["earlier"].clone();
            return;
        }
        if message.get("id").is_some() {
            self.answers.push(message);
            return;
        }
        let run = message["run"].as_str().expect("a run").to_owned();
        if self.runs.last() != Some(&run) {
            self.runs.push(run);
            self.scenarios.clear();
        }
        if let Some(header) = message["header"].as_str() {
            self.header = header.to_owned();
        }
        let mut chapters = Map::new();
        for chapter in message["chapters"].as_array().expect("chapters") {
            let id = chapter["id"].as_str().expect("an id");
            let known = self.chapters.remove(id);
            let html = chapter.get("html").cloned().or(known);
            chapters.insert(id.to_owned(), html.expect("a chapter is told once"));
        }
        self.chapters = chapters;
        if let Some(capacity) = message.get("capacity") {
            self.capacity = capacity.clone();
        }
        let told = message["scenarios"].as_array().expect("scenarios");
        self.scenarios.resize(told.len(), json!({"series": []}));
        for (scenario, told) in self.scenarios.iter_mut().zip(told) {
            for (name, value) in told["fields"].as_object().expect("fields") {
                scenario[name] = value.clone();
            }
            let Some(from) = told["from_s"].as_u64() else {
                continue;
            };
            let series = scenario["series"].as_array_mut().expect("points");
            series.retain(|it| it["t_s"].as_u64() < Some(from));
            series.extend(told["points"].as_array().expect("points").iter().cloned());
        }
        self.last = message;
    }

    /// Takes messages until this holds.
    pub(crate) fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let closed = self.take();
            assert_eq!(closed, None, "{}", self.last);
        }
    }

    pub(crate) fn phase(&self) -> &str {
        self.last["phase"].as_str().unwrap_or_default()
    }

    /// The points of the first scenario.
    pub(crate) fn points(&self) -> &[Value] {
        let series = self
            .scenarios
            .first()
            .and_then(|it| it["series"].as_array());
        series.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).expect("it is taken");
    }

    /// Asks for a change and waits for the answer to it.
    pub(crate) fn change(&mut self, change: &Value) -> Value {
        self.change_as(self.answers.len() + 1, change)
    }

    /// The same, under this number.
    pub(crate) fn change_as(&mut self, id: usize, change: &Value) -> Value {
        self.send(json!({"id": id, "change": change}).to_string());
        let answered = |it: &Self| it.answers.iter().position(|it| it["id"] == id);
        self.until(|it| answered(it).is_some());
        self.answers[answered(self).expect("there is one")].clone()
    }
}
