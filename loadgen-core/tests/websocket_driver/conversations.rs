//! Steps of one connection that each take their own messages and leave the rest to the others.

use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{
    Answer, MessageStream, Payload, ReplyMark, Step, WebsocketExchange, WebsocketMessages,
};
use loadgen_core::workload::{MessageFault, SampleKind};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::common::run;
use crate::server::{Peer, next, say, serve};
use crate::support::{Driver, numbered, plan, stream_of, websocket};

/// What others say while a message is on its way.
const SAID: u64 = 4;
const APART: Duration = Duration::from_millis(10);

/// A room: `joined` answers to `join`, and `ready` follows; `posted` answers to `post` once others have
/// said something. What nobody knows comes in between.
async fn room(peer: Peer) {
    let mut socket = peer.accept().await;
    let mut said = 0;
    while let Some(message) = next(&mut socket).await {
        let message: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
        if message["type"] == "join" {
            say(&mut socket, json!({ "type": "noise" }).to_string()).await;
            say(&mut socket, json!({ "type": "ready" }).to_string()).await;
            say(&mut socket, json!({ "type": "joined" }).to_string()).await;
            continue;
        }
        for _ in 0..SAID {
            say(
                &mut socket,
                json!({ "type": "said", "n": said }).to_string(),
            )
            .await;
            said += 1;
            sleep(APART).await;
        }
        let posted = json!({ "type": "posted", "id": message["id"] });
        say(&mut socket, posted.to_string()).await;
    }
}

fn mark(equals: &str) -> ReplyMark {
    ReplyMark::new("type", equals.into())
}

fn ask(kind: &str, reply: &str, match_id: Option<&str>) -> WebsocketExchange {
    let messages = WebsocketMessages::Send {
        payload: Payload::Json(json!({ "type": kind })),
        answer: Answer::Marked {
            mark: mark(reply),
            match_id: match_id.map(str::to_owned),
        },
    };
    WebsocketExchange::new("/room", messages)
}

fn listen(to: &str, stream: MessageStream) -> WebsocketExchange {
    let mut stream = stream;
    stream.mark = Some(mark(to));
    WebsocketExchange::new("/room", WebsocketMessages::Listen(stream))
}

#[test]
fn each_step_takes_what_is_its_own() {
    run(async {
        let server = serve(room).await;
        let mut join = ask("join", "joined", None);
        join.pushes = true;
        let mut plan = plan(&[server.address], join);
        let all = u32::try_from(SAID).expect("few");
        let steps = [
            Step::new("post", ask("post", "posted", Some("id"))),
            Step::new("hear", listen("said", stream_of(all, true))),
            // What came before all others is still there.
            Step::new("ready", listen("ready", stream_of(1, false))),
        ];
        websocket(&mut plan).steps.extend(steps);
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        // `noise` is counted with the rest.
        assert_eq!(seen.messages, (2 * 2, 2 * (3 + SAID + 1)));
        drop(seen);
        // The moments of what came while another step was under way are known.
        let gaps = driver.recorder.samples(SampleKind::MessageGap);
        assert_eq!(gaps.len(), 2 * (SAID as usize - 1));
        let least = APART.as_nanos() as u64 / 2;
        assert!(gaps.iter().all(|gap| *gap >= least), "{gaps:?}");
        assert!(driver.recorder.samples(SampleKind::FirstMessage).is_empty());
    });
}

/// Without `pushes`, what no step listens for is nobody's.
#[test]
fn what_nobody_listens_for_is_unexpected() {
    run(async {
        let server = serve(room).await;
        let mut plan = plan(&[server.address], ask("join", "joined", None));
        let ready = Step::new("ready", listen("ready", stream_of(1, false)));
        websocket(&mut plan).steps.push(ready);
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 1);
    });
}

/// A step that is cut off by its own limit leaves the connection to the next.
#[test]
fn a_step_has_a_limit_of_its_own() {
    run(async {
        let server = serve(|peer| async move {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {}
        })
        .await;
        let mut waiting = numbered(1, 1);
        waiting.timeout = Some(Duration::from_millis(30));
        let driver = Driver::open(&plan(&[server.address], waiting)).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Timeout.into());
        }
        let expected = "cut off while waiting for replies; 0 came to 1 of 1 messages";
        assert_eq!(driver.recorder.explanation(), expected);
        assert_eq!(driver.recorder.0.borrow().opened, 1);
    });
}
