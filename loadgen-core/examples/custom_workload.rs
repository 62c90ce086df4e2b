//! A workload of one's own: anything that can be asked and answers can be loaded.
//!
//! Here it is a TCP echo server, started below so that the example runs by itself.

use std::time::Duration;

use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::report::{Context, build};
use loadgen_core::schedule::Load;
use loadgen_core::workload::{Iteration, UserId, Workload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Echo(std::net::SocketAddr);

impl Workload for Echo {
    type Session = TcpStream;

    async fn open(&self, _: UserId) -> Result<TcpStream, Failure> {
        TcpStream::connect(self.0)
            .await
            .map_err(|_| Failure::Connect)
    }

    async fn iterate(&self, stream: &mut TcpStream, _: &Iteration<'_>) -> Outcome {
        let mut reply = [0; 4];
        let asked = async {
            stream.write_all(b"ping").await?;
            stream.read_exact(&mut reply).await
        };
        match asked.await {
            Ok(_) if reply == *b"ping" => Outcome::Ok,
            Ok(_) => Failure::Check.into(),
            Err(_) => Failure::Connection.into(),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    let load = Load::closed(4).for_(Duration::from_secs(1));
    let run = Run::new(Options::default())
        .scenario(ScenarioSpec::new("echo", load), move |_| Echo(address));
    let record = run.execute()?;
    println!("{}", build(&record, Context::new()));
    Ok(())
}
