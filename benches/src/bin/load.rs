//! What it takes until a run can begin: files of test data, trees of `.proto` files.
//!
//! Each file is loaded by a process of its own, as a run loads it before anything is sent: the scenario
//! parsed, the files read and held against it, the messages encoded.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use loadgen_benches::median;
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::scenario::{Plan, Suite};
use serde_json::{Value, json};

/// As loadgen's own binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type BoxError = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 5;
/// The first argument of a process that loads.
const ROLE: &str = "load-one";
const MB: f64 = 1e6;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [role, suite] if role == ROLE => load_one(Path::new(suite)),
        [] => measure(),
        _ => Err("it takes no arguments".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Loads a suite and says how many seconds that took and how many bytes this process held at most.
#[expect(
    clippy::disallowed_methods,
    reason = "times what happens before a run has a clock"
)]
fn load_one(suite: &Path) -> Result<(), BoxError> {
    let begun = Instant::now();
    let text = std::fs::read_to_string(suite)?;
    let name = suite.display().to_string();
    let suite = Suite::parse(&name, &text, suite.parent(), None)?;
    let plan = Plan::new(suite.scenarios().to_vec());
    let run = assemble(&plan, Options::default().workers(1))?;
    let took = begun.elapsed().as_secs_f64();
    drop(run);
    println!("{took} {}", most_held()?);
    Ok(())
}

/// The most memory that this process ever held, in bytes.
fn most_held() -> Result<u64, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("the kernel does not say how much memory was held")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// What loading a suite took: seconds, and the most bytes that were held.
struct Figures {
    seconds: Vec<f64>,
    held: f64,
}

fn figures(suite: &Path) -> Result<Figures, BoxError> {
    let own = std::env::current_exe()?;
    let mut seconds = Vec::new();
    let mut held = Vec::new();
    for _ in 0..ROUNDS {
        let output = Command::new(&own).arg(ROLE).arg(suite).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let said = String::from_utf8(output.stdout)?;
        let (took, most) = said.trim().split_once(' ').ok_or("two figures")?;
        seconds.push(took.parse()?);
        held.push(most.parse()?);
    }
    Ok(Figures {
        seconds,
        held: median(&held),
    })
}

/// A folder that goes when it is let go.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("loadgen-load-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Writes a suite of one scenario.
    fn suite(&self, name: &str, fields: Value) -> std::io::Result<PathBuf> {
        let mut scenario = json!({
            "name": "loaded",
            "targets": ["127.0.0.1:50051"],
            "load": { "closed": { "users": 1, "iterations": 1 } },
        });
        if let (Some(all), Value::Object(fields)) = (scenario.as_object_mut(), fields) {
            all.extend(fields);
        }
        let path = self.path.join(format!("{name}.suite.json"));
        std::fs::write(&path, json!({ "scenarios": [scenario] }).to_string())?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in a temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Rows as a test's data has them: names, numbers, quotes, some of what is not ASCII.
fn csv(rows: u64) -> String {
    let mut text = "id,name,email,amount,note\n".to_owned();
    for row in 0..rows {
        let _ = writeln!(
            text,
            "{row},Zoë {row},user-{row}@example.com,{}.50,\"said \"\"{row}\"\", and left\"",
            row % 1000
        );
    }
    text
}

/// The same rows, one object a line.
fn json_lines(rows: u64) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let _ = writeln!(
            text,
            "{{\"id\":{row},\"name\":\"Zoë {row}\",\"email\":\"user-{row}@example.com\",\"amount\":{}.5}}",
            row % 1000
        );
    }
    text
}

/// A tree of `.proto` files that import one another, of so many bytes at least. How many files, and their
/// bytes.
fn protos(folder: &Path, least: usize) -> std::io::Result<(usize, usize)> {
    let (mut files, mut bytes) = (0, 0);
    while bytes < least {
        let text = proto(files);
        let package = folder.join(format!("p{files}"));
        std::fs::create_dir_all(&package)?;
        std::fs::write(package.join("api.proto"), &text)?;
        bytes += text.len();
        files += 1;
    }
    Ok((files, bytes))
}

/// One of them. It imports the one before it, and one far from it: up to twenty in a row.
fn proto(number: usize) -> String {
    let mut text = format!(
        "// Part {number} of an API.\nsyntax = \"proto3\";\n\npackage p{number};\n\n\
         import \"google/protobuf/timestamp.proto\";\n"
    );
    let mut imported = Vec::new();
    if !number.is_multiple_of(10) {
        imported.push(number - 1);
    }
    if number >= 10 {
        imported.push(number / 10);
    }
    imported.dedup();
    for other in &imported {
        let _ = writeln!(text, "import \"p{other}/api.proto\";");
    }
    text += "\noption java_multiple_files = true;\n\nenum State {\n  STATE_UNSPECIFIED = 0;\n  STATE_READY = 1;\n}\n";
    for message in 0..10 {
        let _ = write!(
            text,
            "\n// What is asked of part {number}, in its form {message}.\nmessage Request{message} {{\n  \
             // Who asks.\n  string name = 1;\n  int64 id = 2;\n  repeated double amounts = 3;\n  \
             map<string, int32> counts = 4;\n  google.protobuf.Timestamp since = 5;\n  State state = 6 \
             [deprecated = true];\n  oneof contact {{\n    string email = 7;\n    bytes key = 8;\n  }}\n  \
             reserved 100 to 199;\n"
        );
        for (index, other) in imported.iter().enumerate() {
            let field = index + 9;
            let _ = writeln!(text, "  p{other}.Request{message} part_{field} = {field};");
        }
        text += "}\n";
    }
    text += "\nservice Api {\n";
    for method in 0..10 {
        let _ = writeln!(
            text,
            "  // Answers in kind.\n  rpc Ask{method}(Request{method}) returns (stream Request{method});"
        );
    }
    text + "}\n"
}

fn measure() -> Result<(), BoxError> {
    println!(
        "Loading before a run, in a process of its own each: median (least to most) of {ROUNDS} rounds."
    );
    println!("Memory is the most that was held, less that of a scenario without files.\n");
    let scratch = Scratch::new()?;
    let hello = |name: &str| json!([{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "name": name } } }]);
    let nothing = scratch.suite("nothing", json!({ "steps": hello("world") }))?;
    let nothing = figures(&nothing)?;
    print("nothing", None, &nothing, 0.0);
    type Rows = fn(u64) -> String;
    for (rows, extension, text) in [
        (10_000, "csv", csv as Rows),
        (10_000, "jsonl", json_lines),
        (1_000_000, "csv", csv),
        (1_000_000, "jsonl", json_lines),
    ] {
        let file = format!("{rows}.{extension}");
        let text = text(rows);
        std::fs::write(scratch.path.join(&file), &text)?;
        let size = text.len();
        drop(text);
        let steps = hello("{{ row.name }} of {{ row.email }}");
        let fields = json!({ "data": { "rows": { "file": file } }, "steps": steps });
        let suite = scratch.suite(&file, fields)?;
        let name = format!("{rows} rows, .{extension}");
        print(&name, Some(size), &figures(&suite)?, nothing.held);
    }
    for least in [1_000_000, 10_000_000] {
        let folder = scratch.path.join(format!("protos-{least}"));
        let (files, size) = protos(&folder, least)?;
        let mut protos = vec![json!(folder)];
        protos.extend((0..files).map(|number| json!(folder.join(format!("p{number}/api.proto")))));
        let method = format!("p{}.Api/Ask7", files - 1);
        let message = json!({ "name": "x", "amounts": [0.5], "counts": { "a": 1 } });
        let step = json!([{ "grpc": { "method": method, "message": message } }]);
        let suite = scratch.suite(
            &least.to_string(),
            json!({ "protos": protos, "steps": step }),
        )?;
        let name = format!("{files} .proto files");
        print(&name, Some(size), &figures(&suite)?, nothing.held);
    }
    Ok(())
}

fn print(name: &str, size: Option<usize>, figures: &Figures, besides: f64) {
    let ms = |seconds: f64| seconds * 1e3;
    let least = figures
        .seconds
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let most = figures.seconds.iter().copied().fold(0.0, f64::max);
    let held = (figures.held - besides) / MB;
    let (size, times) = match size {
        None => (String::new(), String::new()),
        Some(bytes) => {
            let size = bytes as f64 / MB;
            (format!("{size:.2} MB"), format!("{:.2} x", held / size))
        }
    };
    println!(
        "{name:<24} {size:>10} {:>8.1} ms ({:.1} to {:.1}) {held:>7.1} MB {times}",
        ms(median(&figures.seconds)),
        ms(least),
        ms(most),
    );
}
