//! loadgen as a process: started, held up on purpose, and its result document read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::BoxError;
use super::case::Fault;
use super::clock::{self, Nanos, SECOND};
use super::quota::Quota;

/// The longest that a run may take; its load is over after ten seconds at most.
const LONGEST: Nanos = 60 * SECOND;
/// When a generator is stopped first, after its start: the load is under way.
const STOPPED_AFTER: Nanos = 2 * SECOND;

/// The argument with which this program is a busy neighbour.
pub(super) const SPIN: &str = "spin";

/// Where loadgen is, and a folder for files.
pub(super) struct Generator {
    loadgen: PathBuf,
    folder: PathBuf,
}

impl Generator {
    pub(super) fn new() -> Result<Self, BoxError> {
        let loadgen =
            std::env::var_os("LOADGEN").map_or("target/release/loadgen".into(), PathBuf::from);
        if !loadgen.is_file() {
            let loadgen = loadgen.display();
            return Err(format!("no {loadgen}: build it with `cargo build --release`").into());
        }
        let folder = std::env::temp_dir().join(format!("loadgen-witness-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { loadgen, folder })
    }

    /// Writes a file for a generator to read.
    pub(super) fn file(&self, name: &str, content: &str) -> std::io::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// Reads a file that a generator wrote.
    pub(super) fn read(&self, name: &str) -> Result<String, BoxError> {
        read(&self.folder.join(name))
    }

    /// Runs a suite with one worker and has the result document. `Err` inside is why the fault
    /// cannot be had on this machine.
    pub(super) fn run(
        &self,
        suite: &Value,
        fault: Fault,
    ) -> Result<Result<Value, String>, BoxError> {
        let suite = self.file("suite.json", &suite.to_string())?;
        let quota = match fault {
            Fault::Quota => match Quota::new() {
                Ok(quota) => Some(quota),
                Err(why) => return Ok(Err(why)),
            },
            _ => None,
        };
        let _neighbours = match fault {
            Fault::Neighbours => Neighbours::start()?,
            _ => Neighbours(Vec::new()),
        };
        let mut command = match &quota {
            // The shell puts itself into the group, and loadgen takes its place.
            Some(quota) => {
                let mut command = Command::new("sh");
                let script = "echo $$ > \"$0\" && exec \"$@\"";
                command
                    .args(["-c", script])
                    .arg(quota.members())
                    .arg(&self.loadgen);
                command
            }
            None => Command::new(&self.loadgen),
        };
        command.arg("run").arg("--config").arg(&suite);
        command.args(["--workers", "1", "--json"]);
        let said = self.folder.join("result.json");
        let complained = self.folder.join("stderr.txt");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(&said)?)
            .stderr(File::create(&complained)?)
            .spawn()
            .map_err(|error| not_started(&command, &error))?;
        attend(&mut child, fault)?;
        let document = read(&said)?;
        let document = serde_json::from_str(&document).map_err(|error| {
            let complained = read(&complained).unwrap_or_default();
            format!("loadgen printed no result document ({error}): {complained}")
        })?;
        Ok(Ok(document))
    }

    /// Runs another generator to its end and has what it printed on both streams.
    pub(super) fn peer(&self, line: &[String]) -> Result<String, BoxError> {
        let said = self.folder.join("peer.txt");
        let into = File::create(&said)?;
        let mut command = Command::new(&line[0]);
        let mut child = command
            .args(&line[1..])
            .stdin(Stdio::null())
            .stdout(into.try_clone()?)
            .stderr(into)
            .spawn()
            .map_err(|error| not_started(&command, &error))?;
        attend(&mut child, Fault::Nothing)?;
        read(&said)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().display();
    format!("{program} could not be started: {error}")
}

fn read(path: &Path) -> Result<String, BoxError> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of a benchmark that does nothing but wait"
)]
fn rest(time: Duration) {
    std::thread::sleep(time);
}

/// Waits for the end of a process, and stops it now and then where that is its lot.
fn attend(child: &mut Child, fault: Fault) -> Result<(), BoxError> {
    const LOOK: Duration = Duration::from_millis(5);
    let begun = clock::now();
    let mut stop_at = match fault {
        Fault::Stopped { .. } => Some(begun + STOPPED_AFTER),
        _ => None,
    };
    let pid = Pid::from_child(child);
    // Whether it has ended is looked at before each signal, so that none goes to another process.
    while child.try_wait()?.is_none() {
        let now = clock::now();
        if now > begun + LONGEST {
            child.kill()?;
            child.wait()?;
            return Err("the generator did not end within a minute".into());
        }
        match (fault, stop_at) {
            (Fault::Stopped { length, again }, Some(at)) if at <= now => {
                kill_process(pid, Signal::STOP)?;
                rest(length);
                kill_process(pid, Signal::CONT)?;
                let pause = length.max(Duration::from_millis(80)) * 4;
                stop_at = again.then(|| clock::now() + pause.as_nanos() as Nanos);
            }
            _ => rest(LOOK),
        }
    }
    Ok(())
}

/// Processes that never rest, one for each processor. They end when this is dropped.
struct Neighbours(Vec<Child>);

impl Neighbours {
    fn start() -> Result<Self, BoxError> {
        let processors = std::thread::available_parallelism()?.get();
        let mut neighbours = Self(Vec::new());
        for _ in 0..processors {
            let mut command = Command::new(std::env::current_exe()?);
            let neighbour = command
                .arg(SPIN)
                .stdin(Stdio::piped())
                .spawn()
                .map_err(|error| not_started(&command, &error))?;
            neighbours.0.push(neighbour);
        }
        Ok(neighbours)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for neighbour in &mut self.0 {
            drop(neighbour.stdin.take());
            let _ = neighbour.wait();
        }
    }
}

/// The body of a busy neighbour: never rests, until its input ends.
pub(super) fn spin() {
    let rests = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    while !rests.is_finished() {
        std::hint::spin_loop();
    }
}
