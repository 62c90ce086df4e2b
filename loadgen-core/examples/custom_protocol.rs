//! A protocol of one's own, on the public API alone: lines of text over TCP, each answered by one.
//!
//! Beside what every workload does it tells of its connections and bytes, and who answered, so that
//! the record has all of it as for the protocols that are built in. The server is started below.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::clock::Clock;
use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::schedule::Load;
use loadgen_core::workload::{
    ConnectionEvent, Iteration, Observer, TargetIndex, UserId, WorkerContext, Workload,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"hello\n";

struct Lines {
    address: SocketAddr,
    target: TargetIndex,
    clock: Clock,
    observer: Rc<dyn Observer>,
}

impl Lines {
    fn new(address: SocketAddr, target: TargetIndex, context: &WorkerContext) -> Self {
        Self {
            address,
            target,
            clock: context.clock,
            observer: Rc::clone(&context.observer),
        }
    }
}

impl Workload for Lines {
    type Session = BufReader<TcpStream>;

    async fn open(&self, _: UserId) -> Result<Self::Session, Failure> {
        let from = self.clock.now();
        let connected = TcpStream::connect(self.address).await;
        let event = match &connected {
            Ok(_) => ConnectionEvent::Opened {
                connect_time: self.clock.now() - from,
                tls_time: None,
                reconnected: false,
            },
            Err(_) => ConnectionEvent::Failed,
        };
        self.observer.connection(self.target, event);
        connected.map(BufReader::new).map_err(|_| Failure::Connect)
    }

    async fn iterate(&self, stream: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome {
        let mut reply = String::new();
        let asked = async {
            stream.write_all(REQUEST).await?;
            stream.read_line(&mut reply).await
        };
        let Ok(received @ 1..) = asked.await else {
            return Failure::Connection.into();
        };
        self.observer.bytes(REQUEST.len() as u64, received as u64);
        if reply.as_bytes() != REQUEST {
            return Failure::Check.into();
        }
        iteration.answered_by(b"echo");
        Outcome::Ok
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
    let load = Load::open("500/s".parse()?).for_(Duration::from_secs(1));
    let mut spec = ScenarioSpec::new("lines", load);
    spec.protocol = "lines".to_owned();
    let target = spec.target(address.to_string());
    let record = Run::new(Options::default())
        .scenario(spec, move |context| Lines::new(address, target, context))
        .execute()?;
    let lines = &record.scenarios[0];
    println!("{:?}", lines.ledger);
    println!("{:?}", lines.connections.counts);
    Ok(())
}
