//! What a coordinator says on the wire, to shards that are none: of another version, silent, or very many.

use std::fs;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use self::proto::coordinator_client::CoordinatorClient;
use self::proto::from_coordinator::Said as Told;
use self::proto::from_shard::Said;
use self::proto::{FromCoordinator, FromShard, Hello, Over, Probe, Ready, Tick};
use crate::support::Stage;

mod proto {
    #![expect(
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated, as in the program itself"
    )]

    tonic::include_proto!("loadgen.coordinate.v1");
}

/// A shard that makes no load.
struct Shard {
    says: UnboundedSender<FromShard>,
    hears: Streaming<FromCoordinator>,
}

impl Shard {
    async fn join(address: &str, hello: Hello) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint
            .tcp_nodelay(true)
            .connect()
            .await
            .expect("it listens");
        let (says, said) = unbounded_channel();
        let shard = |hears| Self {
            says: says.clone(),
            hears,
        };
        says.send(FromShard {
            said: Some(Said::Hello(hello)),
        })
        .expect("it is there");
        let answer = CoordinatorClient::new(channel)
            .join(UnboundedReceiverStream::new(said))
            .await;
        shard(answer.expect("it answers").into_inner())
    }

    fn say(&self, said: Said) {
        self.says
            .send(FromShard { said: Some(said) })
            .expect("it is there");
    }

    async fn hear(&mut self) -> Option<Told> {
        let message = self.hears.message().await.ok()??;
        message.said
    }
}

fn hello(index: u32, count: u32) -> Hello {
    Hello {
        index,
        count,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: "{}".to_owned(),
        ..Hello::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn another_version_is_refused_by_name() {
    let mut stage = Stage::new(1);
    let _coordinator = stage.coordinate(2, &[]);
    let told = block_on(async {
        let old = Hello {
            version: "0.0.1".to_owned(),
            ..hello(0, 2)
        };
        Shard::join(&stage.coordinator, old).await.hear().await
    });
    let Some(Told::Refused(refused)) = told else {
        panic!("{told:?}");
    };
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(
        refused.why,
        format!(
            "shard 0 of 2 is loadgen 0.0.1, and the coordinator {own}; use one version for all"
        )
    );
}

/// One whose machine stands still keeps its connection, and is lost all the same.
#[test]
fn one_that_falls_silent_is_lost() {
    let mut stage = Stage::new(1);
    let coordinator = stage.coordinate(1, &[]);
    // It is kept open until the coordinator has had enough.
    let _shard = block_on(async {
        let mut shard = Shard::join(&stage.coordinator, hello(0, 1)).await;
        assert!(matches!(shard.hear().await, Some(Told::Welcome(_))));
        shard.say(Said::Ready(Ready { notice: 0 }));
        assert!(matches!(shard.hear().await, Some(Told::Start(_))));
        while !coordinator.has_said("shard 0 of 1 was lost: the others go on") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        shard
    });
    assert_eq!(coordinator.end().code, Some(103));
}

/// Processor time that a process has taken, in seconds.
fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|it| it.parse::<u64>().expect("a number"))
        .sum();
    ticks as f64 / 100.0
}

/// A shard from its coming to its end, which ticks once a second, as one with some thousand requests a second does.
async fn live(address: String, index: u32, count: u32, seconds: u64) {
    let mut shard = Shard::join(&address, hello(index, count)).await;
    assert!(matches!(shard.hear().await, Some(Told::Welcome(_))));
    for _ in 0..16 {
        shard.say(Said::Probe(Probe { sent: 1 }));
        assert!(matches!(shard.hear().await, Some(Told::Echo(_))));
    }
    shard.say(Said::Ready(Ready { notice: 20_000_000 }));
    let beat = || Tick {
        users: 10,
        rate: 5_000,
        completed: 100_000,
        buckets: (600..760).collect(),
        counts: vec![31; 160],
        ..Tick::default()
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut left = None;
    while left != Some(0) {
        tokio::select! {
            _ = ticks.tick() => {
                shard.say(Said::Tick(beat()));
                left = left.map(|it: u64| it - 1);
            }
            told = shard.hear() => {
                if let Told::Start(_) = told.expect("it is not refused") {
                    left = Some(seconds);
                }
            }
        }
    }
    shard.say(Said::Over(Over {}));
    while !matches!(shard.hear().await, Some(Told::Farewell(_)) | None) {}
}

/// `just bench-coordinator`: what a coordinator takes of a core.
#[test]
#[ignore = "it measures, and takes a minute"]
fn a_coordinator_takes_little() {
    const SECONDS: u64 = 20;
    for count in [64_u32, 1_000] {
        let mut stage = Stage::new(1);
        let coordinator = stage.coordinate(count, &[]);
        let pid = coordinator.process().id();
        let (joining, ticking) = block_on(async {
            let shards =
                (0..count).map(|it| live(stage.coordinator.clone(), it, count, SECONDS + 4));
            let shards: Vec<_> = shards.map(tokio::spawn).collect();
            while !coordinator.has_said("begins in") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let joined = processor_time(pid);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = processor_time(pid);
            tokio::time::sleep(Duration::from_secs(SECONDS)).await;
            let taken = processor_time(pid) - before;
            for shard in shards {
                shard.await.expect("it ends well");
            }
            (joined, taken / SECONDS as f64)
        });
        println!(
            "{count} shards: {:.2} % of a core while they tick, {joining:.2} s of it until all had begun",
            100.0 * ticking
        );
        assert_eq!(coordinator.end().code, Some(0));
        // What is not optimised says nothing of it.
        if count == 64 && !cfg!(debug_assertions) {
            assert!(ticking <= 0.01, "more than 1 % of a core");
        }
    }
}
