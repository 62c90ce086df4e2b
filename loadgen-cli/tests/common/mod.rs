//! What the tests of the command line share: the program without the caller's environment, and a
//! server of its own for tests that need one.

#![expect(
    dead_code,
    reason = "each test file is a program of its own and uses a part of this"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `loadgen` with these arguments, and nothing of the environment that would change what it does.
pub(crate) fn loadgen(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    for variable in [
        "GRPC_HOST",
        "GRPC_PORT",
        "GRPC_SERVER_IP",
        "GRPC_SERVER_PORT",
        "GRPC_SERVICE_TYPE",
        "GRPC_CERT_PATH",
        "GRPC_KEY_PATH",
        "WEBSOCKET_HOST",
        "WEBSOCKET_PORT",
        "STATSD_HOST",
        "STATSD_PORT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "GRAPHITE_URL",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "JOB_COMPLETION_INDEX",
        "LOADGEN_SHARDS",
        "SLURM_PROCID",
        "SLURM_NTASKS",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "PMI_RANK",
        "PMI_SIZE",
    ] {
        command.env_remove(variable);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// What `loadgen` said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code; `None` when a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self:?}"))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("loadgen speaks UTF-8");
        let said = Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!said.stderr.contains("panicked"), "{said:?}");
        said
    }
}

/// Runs to the end.
pub(crate) fn say(args: &[&str]) -> Said {
    loadgen(args).output().expect("loadgen starts").into()
}

/// A named pipe in this folder.
pub(crate) fn pipe_in(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("there is mkfifo").success());
    path
}

/// A child that is killed when the test is over, whatever its end.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `loadgen serve` on free ports.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Guard,
    /// Of the first server.
    pub(crate) address: String,
    pub(crate) line: String,
    /// What else it says, line by line.
    pub(crate) stdout: BufReader<ChildStdout>,
}

impl Server {
    /// A gRPC server.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::serve("grpc", &[&["--address", "127.0.0.1:0"], flags].concat())
    }

    /// What `loadgen serve` is told to start.
    pub(crate) fn serve(what: &str, flags: &[&str]) -> Self {
        let mut child = loadgen(&["serve", what, "--threads", "1"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("loadgen starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let process = Guard(child);
        let (line, address) = listening(&mut stdout);
        Self {
            process,
            address,
            line,
            stdout,
        }
    }
}

/// The next line that says where a server listens, and where that is.
pub(crate) fn listening(stdout: &mut impl BufRead) -> (String, String) {
    let mut line = String::new();
    stdout
        .read_line(&mut line)
        .expect("the server says where it listens");
    let address = line
        .split_whitespace()
        .nth(3)
        .unwrap_or_else(|| panic!("unexpected line `{line}`"))
        .to_owned();
    (line, address)
}

/// Sends a signal to a process that was started here.
pub(crate) fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).expect("the process is there");
}

/// The ledger's two equations, for every scenario of a document.
pub(crate) fn assert_balances(document: &Value) {
    let scenarios = document["scenarios"].as_array().expect("scenarios");
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        let ledger = |key: &str| scenario["ledger"][key].as_u64().expect(key);
        assert_eq!(
            ledger("planned"),
            ledger("started") + ledger("dropped"),
            "{scenario}"
        );
        assert_eq!(
            ledger("started"),
            ledger("completed") + ledger("failed") + ledger("interrupted"),
            "{scenario}"
        );
        let outcomes = scenario["outcomes"].as_object().expect("outcomes");
        let counted: u64 = outcomes.values().filter_map(Value::as_u64).sum();
        assert_eq!(
            counted,
            ledger("completed") + ledger("failed"),
            "{scenario}"
        );
    }
}

/// Waits for the end and fails the test when it does not come in time.
pub(crate) fn finish(child: Child, within: Duration) -> Said {
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(within) {
        Ok(output) => output.expect("loadgen ends").into(),
        Err(_) => {
            let _ = kill_process(pid, Signal::KILL);
            panic!("loadgen did not end within {within:?}");
        }
    }
}

/// Stands between loadgen and a server, and knows when requests are under way.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: String,
    /// Bytes that loadgen has sent; 0 when a connection has ended.
    seen: Receiver<usize>,
}

impl Proxy {
    /// Forwards connections to `upstream` until the test is over.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::turning_away(0, upstream)
    }

    /// The same, but for so many that come first: it closes those.
    pub(crate) fn turning_away(first: usize, upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, seen) = mpsc::channel();
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok).skip(first) {
                let Ok(server) = TcpStream::connect(&upstream) else {
                    continue;
                };
                let (from_client, from_server) = (client.try_clone(), server.try_clone());
                let sender = sender.clone();
                thread::spawn(move || {
                    let forwarded = forward(from_client?, server, |bytes| {
                        let _ = sender.send(bytes);
                    });
                    let _ = sender.send(0);
                    forwarded
                });
                thread::spawn(move || forward(from_server?, client, |_| {}));
            }
        });
        Self { address, seen }
    }

    /// Waits until loadgen has sent more than opening its connections takes.
    pub(crate) fn wait_for_requests(&self) {
        let mut bytes = 0;
        while bytes < 400 {
            bytes += self
                .seen
                .recv_timeout(Duration::from_secs(20))
                .expect("requests come");
        }
    }

    /// Whether loadgen ends a connection before it has sent nothing for so long.
    pub(crate) fn sees_an_end(&self, within: Duration) -> bool {
        std::iter::from_fn(|| self.seen.recv_timeout(within).ok()).any(|bytes| bytes == 0)
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(usize)) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = to.shutdown(Shutdown::Both);
                return Ok(());
            }
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                seen(count);
            }
        }
    }
}
