//! What events do to those that the run did not start: a request, or a command.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use loadgen_core::scenario::{DeedBody, ExecDeed, HttpDeed, Source};
use loadgen_core::sink::post::Once;
use loadgen_core::units::format_duration;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::moment::now;

/// The most that is read of what a command says.
const MOST_SAID: u64 = 64 * 1024;

/// A request, ready to be sent; what of it stands elsewhere has been read.
#[derive(Debug, Clone)]
pub(super) struct Request {
    once: Once,
    timeout: Duration,
}

impl Request {
    /// # Errors
    /// What of it cannot be read.
    pub(super) fn of(deed: &HttpDeed) -> Result<Self, String> {
        let mut once = Once::new(&deed.method, &deed.url);
        let mut content_type = None;
        match &deed.body {
            Some(DeedBody::Json(value)) => {
                once.body = value.to_string().into_bytes();
                content_type = Some("application/json");
            }
            Some(DeedBody::Text(text)) => {
                once.body = text.clone().into_bytes();
                content_type = Some("text/plain; charset=utf-8");
            }
            _ => {}
        }
        for (name, source) in &deed.headers {
            if name.eq_ignore_ascii_case("content-type") {
                content_type = None;
            }
            once.headers.push((name.clone(), value(source)?));
        }
        let content_type = content_type.map(|it| ("content-type".to_owned(), it.to_owned()));
        once.headers.extend(content_type);
        Ok(Self {
            once,
            timeout: deed.timeout,
        })
    }

    /// Sends it; returns when it was answered, which must be before the load `is_over`.
    ///
    /// # Errors
    /// Why it was not, or not well.
    pub(super) fn send(&self, is_over: impl Fn() -> bool) -> Result<Instant, String> {
        let (answered, answers) = mpsc::channel();
        let Self { once, timeout } = self.clone();
        thread::Builder::new()
            .name("request".to_owned())
            .spawn(move || {
                let answer = once.send(timeout);
                let _ = answered.send(answer.map(|()| now()));
            })
            .map_err(|error| format!("cannot send it: {error}"))?;
        loop {
            match answers.recv_timeout(GLANCE) {
                Ok(Ok(when)) => return Ok(when),
                Ok(Err(why)) => return Err(why),
                Err(RecvTimeoutError::Timeout) if !is_over() => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err("it had not been answered when the load was over".to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("whoever sent it is gone".to_owned());
                }
            }
        }
    }
}

/// A header's value, from where it stands.
fn value(source: &Source) -> Result<String, String> {
    match source {
        Source::Env {
            variable,
            default,
            prefix,
        } => {
            let found = std::env::var(variable).ok().filter(|it| !it.is_empty());
            let found = found.or_else(|| default.clone());
            let value = found.ok_or_else(|| {
                format!("the environment variable `{variable}` is not set; set it, or give a `default` beside `env`")
            })?;
            Ok(format!("{prefix}{value}"))
        }
        Source::File { path, prefix } => {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|error| format!("{}: {error}", path.display()))?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(format!(
                "{prefix}{}",
                text.strip_suffix('\r').unwrap_or(text)
            ))
        }
        other => Ok(other.literal().unwrap_or_default().to_owned()),
    }
}

/// The process groups of commands that are under way: they are no part of this process's own.
static COMMANDS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Kills what commands are under way, with all that they started. Waits for nobody.
pub(crate) fn kill_commands() {
    // Nobody holds it while something takes time.
    let commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
    for group in commands.iter() {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// A command that is under way, until it is dropped.
struct UnderWay(Pid);

impl UnderWay {
    fn new(group: Pid) -> Self {
        let mut commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push(group);
        Self(group)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
        commands.retain(|it| *it != self.0);
    }
}

/// How often an answer, or a command's end, is looked for beside the run's end.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs a command to its end; returns when that was. It must end with 0, in time, and before the load `is_over`:
/// else all of its process group is killed.
///
/// # Errors
/// Why it did not.
pub(super) fn exec(deed: &ExecDeed, is_over: impl Fn() -> bool) -> Result<Instant, String> {
    let [program, args @ ..] = deed.command.as_slice() else {
        return Err("there is no command".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    // No pipe: what it leaves running would hold that open.
    let mut complaints = tempfile::tempfile().map_err(|error| error.to_string())?;
    let writes = complaints.try_clone().map_err(|error| error.to_string())?;
    command.stderr(Stdio::from(writes));
    // Its own group: it is ended with all that it started, and Ctrl-C is for the load.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let group = Pid::from_child(&child);
    let _under_way = UnderWay::new(group);
    let (ended, ends) = mpsc::channel();
    let waits = thread::Builder::new()
        .name("command".to_owned())
        .spawn(move || {
            let _ = ended.send(child.wait().map(|status| (status, now())));
        });
    if let Err(error) = waits {
        let _ = kill_process_group(group, Signal::KILL);
        return Err(format!("cannot wait for `{program}`: {error}"));
    }
    let until = now() + deed.timeout;
    loop {
        match ends.recv_timeout(GLANCE) {
            Ok(Ok((status, when))) if status.success() => return Ok(when),
            Ok(Ok((status, _))) => {
                let said = last_line(&mut complaints);
                let colon = if said.is_empty() { "" } else { ": " };
                return Err(format!("it ended with {status}{colon}{said}"));
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let why = if is_over() {
            "it had not ended when the load was over, and was killed".to_owned()
        } else if now() >= until {
            let limit = format_duration(deed.timeout);
            format!("it had not ended after {limit}, and was killed")
        } else {
            continue;
        };
        let _ = kill_process_group(group, Signal::KILL);
        return Err(why);
    }
}

/// The last thing that a command complained of.
fn last_line(complaints: &mut File) -> String {
    let mut said = Vec::new();
    let read = complaints
        .rewind()
        .and_then(|()| complaints.take(MOST_SAID).read_to_end(&mut said));
    if read.is_err() {
        return String::new();
    }
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().rev().find(|it| !it.trim().is_empty());
    loadgen_core::text::line(line.unwrap_or_default())
        .chars()
        .take(200)
        .collect()
}
