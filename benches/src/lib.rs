//! What the benchmark programs share: processor time, memory, medians, servers of their own.
//!
//! Every program here uses `loadgen-core` as a user's own crate would, prints its table on stdout,
//! and judges nothing: the figures to reach stand in `docs/src/performance.md`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadgen_backends::{
    RunningServer, ServeError, ServerConfig, start_grpc, start_http, start_websocket,
};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Processor time of this process so far, all threads together.
#[must_use]
pub fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Whether there is a program of this name on the PATH.
#[must_use]
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// Lets this process open as many files as it may at all: each connection is one.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where the system refuses, the connections that do not fit say so themselves.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// The median of some figures; the upper one of an even number.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Evenly spaced arrivals at `rate` a second, which wait when all users are busy.
#[must_use]
pub fn open(rate: f64, seconds: u64, max_users: u32) -> Load {
    Load::open(Rate::new(rate).expect("a rate"))
        .for_(Duration::from_secs(seconds))
        .max_users(max_users)
        .into()
}

/// A server in a process of its own: this program again, in another role. Ends when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl ServerProcess {
    /// Starts this program with `role` as its argument, on one processor where told, and waits for
    /// the line in which it says its address.
    ///
    /// # Panics
    /// When that cannot be: a benchmark has nothing else to do then.
    #[must_use]
    pub fn spawn(role: &str, processor: Option<usize>) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = match processor {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &processor.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped above"))
            .read_line(&mut address)
            .expect("the child says one line");
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A reference server, in the process that calls this: what [`ServerProcess`] is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The gRPC backend.
    Grpc,
    /// The WebSocket backend.
    Websocket,
    /// The HTTP backend.
    Http,
}

impl Server {
    /// The role that this argument of a benchmark program stands for, if it is a server's.
    #[must_use]
    pub fn of_role(role: &str) -> Option<Self> {
        [Self::Grpc, Self::Websocket, Self::Http]
            .into_iter()
            .find(|server| server.role() == role)
    }

    /// The argument with which a benchmark program becomes this server.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Grpc => "serve-grpc",
            Self::Websocket => "serve-websocket",
            Self::Http => "serve-http",
        }
    }

    /// Serves on a free port with one thread, says the address, and ends when its input does.
    ///
    /// # Errors
    /// [`ServeError`] when there is no port or no thread to be had.
    pub fn serve(self) -> Result<(), ServeError> {
        raise_open_files();
        let address = ([127, 0, 0, 1], 0).into();
        let config = ServerConfig {
            threads: Some(1),
            ..ServerConfig::new(address)
        };
        let server = match self {
            Self::Grpc => start_grpc(config),
            Self::Websocket => start_websocket(config),
            Self::Http => start_http(config),
        }?;
        serve_until_input_ends(&server);
        Ok(())
    }
}

/// The body of a child that is a server: says its address, ends when its input does.
pub fn serve_until_input_ends(server: &RunningServer) {
    println!("{}", server.local_addr());
    let _ = std::io::stdin().read_line(&mut String::new());
}
