//! Generators as processes: what they are asked for, what they used.
//!
//! Owns the scratch folder, the processor a generator runs on, and the table.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use loadgen_benches::{median, on_path};

pub(crate) const ROUNDS: usize = 5;

/// A generator that can be asked for a number of requests or messages, whichever `shape` says.
pub(crate) struct Peer<Shape> {
    pub(crate) name: &'static str,
    /// How much it is asked for in a round: about as long for each peer.
    pub(crate) amount: fn(shape: &Shape) -> u64,
    /// What it says at the end that it did, where it is asked for a time and not for an amount.
    pub(crate) did: Option<fn(printed: &str) -> Option<u64>>,
    /// Its arguments for an address and a shape.
    pub(crate) command: fn(&Scratch, address: &str, shape: &Shape, amount: u64) -> Vec<String>,
}

impl<Shape> Peer<Shape> {
    /// Whether it can be measured: what belongs to us always can.
    pub(crate) fn is_here(&self) -> bool {
        self.name.starts_with("loadgen") || self.name == "bare loop" || on_path(self.name)
    }
}

/// What peers need: files to read, the paths of our own.
pub(crate) struct Scratch {
    folder: PathBuf,
    /// The command line.
    pub(crate) loadgen: PathBuf,
    /// This program, which is the bare loop, too.
    pub(crate) own: PathBuf,
    /// Whether generator and server get a processor each.
    pub(crate) pin: bool,
}

impl Scratch {
    pub(crate) fn new(loadgen: PathBuf) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("loadgen-compare-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            loadgen,
            own: std::env::current_exe()?,
            pin: on_path("taskset"),
        })
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).expect("the scratch folder can be written");
        path.display().to_string()
    }

    /// loadgen's arguments for a suite of this one scenario.
    pub(crate) fn loadgen(&self, scenario: &serde_json::Value) -> Vec<String> {
        let suite = serde_json::json!({ "scenarios": [scenario] });
        let suite = self.write("suite.json", suite.to_string().as_bytes());
        words(&format!(
            "{} run --config {suite} --workers 1 --json",
            self.loadgen.display()
        ))
    }

    /// A command on the generator's processor.
    pub(crate) fn pinned(&self, command: &[String]) -> Vec<String> {
        let mut line = words(if self.pin { "taskset -c 1" } else { "" });
        line.extend_from_slice(command);
        line
    }

    /// The processor of the server.
    pub(crate) fn server_processor(&self) -> Option<usize> {
        self.pin.then_some(0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Processor seconds that a command used, children included, by the shell's own account, and the
/// seconds it took. What it printed is left in this file.
#[expect(
    clippy::disallowed_methods,
    reason = "times a whole process from outside"
)]
pub(crate) fn run(line: &[String], printed: &str) -> (f64, f64) {
    let started = Instant::now();
    let output = Command::new("sh")
        .args([
            "-c",
            "printed=$1; shift; \"$@\" >\"$printed\" 2>&1 || exit 1; times",
            "sh",
            printed,
        ])
        .args(line)
        .stderr(Stdio::inherit())
        .output()
        .expect("a shell");
    let wall = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{line:?} failed");
    let times = String::from_utf8_lossy(&output.stdout).into_owned();
    let children = times.lines().nth(1).expect("`times` prints two lines");
    (children.split_whitespace().map(seconds).sum(), wall)
}

/// `0m1.250s` as seconds.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.split_once('m').expect("minutes and seconds");
    let number = |text: &str| text.trim_end_matches('s').parse::<f64>().expect("a number");
    number(minutes) * 60.0 + number(seconds)
}

/// Measures the peers that are here, in turn, and prints their rows of the table. The first of
/// `peers` is what the others are compared with.
pub(crate) fn compare<Shape>(
    scratch: &Scratch,
    address: &str,
    peers: &[Peer<Shape>],
    shape: &Shape,
    shape_name: &str,
) {
    let baseline = peers.first().map(|peer| peer.name);
    let peers: Vec<&Peer<Shape>> = peers.iter().filter(|peer| peer.is_here()).collect();
    let mut costs = vec![Vec::new(); peers.len()];
    let mut rates = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for (index, peer) in peers.iter().enumerate() {
            let asked = (peer.amount)(shape);
            let command = (peer.command)(scratch, address, shape, asked);
            let printed = scratch.write("printed.txt", b"");
            let (cpu, wall) = run(&scratch.pinned(&command), &printed);
            let printed = std::fs::read_to_string(&printed).unwrap_or_default();
            let amount = peer
                .did
                .map_or(asked, |did| did(&printed).expect("it says how much it did"));
            costs[index].push(cpu / amount as f64 * 1e6);
            rates[index].push(amount as f64 / wall);
        }
    }
    for (index, peer) in peers.iter().enumerate() {
        let ratio = (Some(peers[0].name) == baseline).then(|| {
            let pairs = costs[index].iter().zip(&costs[0]);
            median(&pairs.map(|(own, base)| own / base).collect::<Vec<_>>())
        });
        println!(
            "{:<20} {shape_name:>14} {:>10.2} {:>12.0} {:>8}",
            peer.name,
            median(&costs[index]),
            median(&rates[index]),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        );
    }
}

/// Says which peers the table does not have.
pub(crate) fn name_missing<Shape>(peers: &[Peer<Shape>]) {
    let missing = peers.iter().filter(|peer| !peer.is_here());
    let missing: Vec<_> = missing.map(|peer| peer.name).collect();
    if !missing.is_empty() {
        println!("Not on the PATH, so not measured: {}.", missing.join(", "));
    }
}
