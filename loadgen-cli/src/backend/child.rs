//! A server in a process of its own: this program again.
//!
//! Its own process, so that it never shares the generator's threads, memory or clock, and its own process
//! group, so that Ctrl-C stops the load first. It ends when its standard input does.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::listening::Listening;

/// The longest it may take to end once it is told to.
const END: Duration = Duration::from_secs(2);
/// The most lines that are kept of what it complains of.
const MOST_COMPLAINTS: usize = 20;

/// Is told what a server says beside where it listens, line by line, on a thread that waits for it.
pub(super) type Hears = Box<dyn Fn(&str) + Send>;

/// How such a process is started.
#[derive(Default)]
pub(super) struct Start {
    /// The arguments of this program.
    pub(super) args: Vec<String>,
    /// What its environment has beside ours.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Whether what it says on standard error is kept; otherwise it goes where ours does.
    pub(super) keeps_complaints: bool,
    /// Who hears what it says on standard output beside where it listens; it is kept where nobody does.
    pub(super) hears: Option<Hears>,
}

/// Such a process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct ServerChild {
    child: Child,
    /// Kept only to be closed.
    stdin: Option<ChildStdin>,
    /// Ends when the child's standard output does.
    lines: Receiver<String>,
    complaints: Option<Complaints>,
}

/// What a child says on standard error, read while it lives.
#[derive(Debug)]
struct Complaints {
    last: Arc<Mutex<VecDeque<String>>>,
    reads: Option<JoinHandle<()>>,
}

impl ServerChild {
    /// Starts this program; it is to end with its standard input.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn start(start: Start) -> io::Result<Self> {
        let Start {
            args,
            variables,
            keeps_complaints,
            hears,
        } = start;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(args)
            .envs(variables)
            .arg("--until-stdin-closes")
            // The run has settled what these say against its flags.
            .env_remove("STATSD_HOST")
            .env_remove("STATSD_PORT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if keeps_complaints {
            command.stderr(Stdio::piped());
        }
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (sender, lines) = mpsc::channel();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on dropping it ends the child.
        let mut this = Self {
            child,
            stdin,
            lines,
            complaints: None,
        };
        read_lines(stdout, move |line| match &hears {
            Some(hears) if Listening::parse(&line).is_none() => hears(&line),
            // Read on when nobody listens any more: a full pipe would stop the server.
            _ => drop(sender.send(line)),
        })?;
        if stderr.is_some() {
            let last = Arc::new(Mutex::new(VecDeque::new()));
            let keeps = Arc::clone(&last);
            let reads = read_lines(stderr, move |line| {
                let mut last = keeps.lock().unwrap_or_else(PoisonError::into_inner);
                if last.len() == MOST_COMPLAINTS {
                    last.pop_front();
                }
                last.push_back(line);
            })?;
            this.complaints = Some(Complaints {
                last,
                reads: Some(reads),
            });
        }
        Ok(this)
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says on standard output.
    pub(super) fn line(&self, within: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.recv_timeout(within)
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Lets it know that it is to end, without waiting for it.
    pub(super) fn let_go(&mut self) {
        drop(self.stdin.take());
    }

    /// Lets it end, and returns what it says then.
    pub(super) fn close(&mut self) -> Vec<String> {
        self.let_go();
        std::iter::from_fn(|| self.lines.recv_timeout(END).ok()).collect()
    }

    /// The last thing that it complained of; waits for all of it, so only of one that has ended.
    pub(super) fn last_complaint(&mut self) -> Option<String> {
        let complaints = self.complaints.as_mut()?;
        if let Some(reads) = complaints.reads.take() {
            let _ = reads.join();
        }
        let last = complaints
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let line = last.iter().rev().find(|it| !it.trim().is_empty())?;
        Some(line.trim_start_matches("error: ").to_owned())
    }
}

fn read_lines(
    from: Option<impl Read + Send + 'static>,
    mut take: impl FnMut(String) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("server".to_owned())
        .spawn(move || {
            let lines = from.map(|it| BufReader::new(it).lines());
            for line in lines.into_iter().flatten().map_while(Result::ok) {
                take(line);
            }
        })
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        self.close();
        // Gone by itself in all but the worst case; then killing fails and changes nothing.
        let _ = self.kill();
    }
}
