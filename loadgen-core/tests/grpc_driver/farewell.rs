//! What a good-bye does to each stream.

use std::rc::Rc;
use std::time::Duration;

use loadgen_core::record::FarewellCount;
use loadgen_core::scenario::{ConnectionPer, GrpcStreamEnd, ScenarioPlan};
use loadgen_core::schedule::Limit;

use crate::common::whole::{closed, whole};
use crate::support::server::{Control, Exchange, Server, Settings, status};
use crate::support::{grpc, plan, run, the_call};

/// Three users with a stream each for half a second.
fn lasting(server: &Server) -> ScenarioPlan {
    let mut plan = plan(&[server.address], "Chat");
    plan.load = closed(3, Limit::Duration(Duration::from_millis(500)));
    grpc(&mut plan).connection_per = Some(ConnectionPer::User);
    let call = the_call(&mut plan);
    (call.repeat, call.every) = (1_000_000, Some(Duration::from_millis(20)));
    call.stream = Some(GrpcStreamEnd::Load);
    plan
}

async fn echo(mut exchange: Exchange) {
    let mut answer = exchange.begin();
    let body = exchange.request.body_mut();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return };
        let flow = body.flow_control();
        flow.release_capacity(piece.len()).expect("it was received");
        if answer.send_data(piece, false).is_err() {
            return;
        }
    }
    answer.send_trailers(status("0")).expect("open");
}

/// Says good-bye a fifth of a second after the first stream, and cuts what is left a while later if told to.
fn say_good_bye(control: &Rc<Control>, cuts: bool) {
    let control = Rc::clone(control);
    tokio::task::spawn_local(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        control.goaway.notify_waiters();
        if cuts {
            tokio::time::sleep(Duration::from_millis(100)).await;
            control.cut.notify_waiters();
        }
    });
}

async fn told(cuts: bool) -> FarewellCount {
    let server = Server::start(move |exchange: Exchange| async move {
        if exchange.nth == 0 {
            say_good_bye(&exchange.control, cuts);
        }
        echo(exchange).await;
    })
    .await;
    let record = whole(lasting(&server)).await;
    let told = record.farewells.between(Duration::ZERO, None);
    told.expect("a good-bye was said")
}

#[test]
fn streams_that_go_on_after_a_good_bye_finish() {
    run(async {
        let told = told(false).await;
        assert_eq!((told.connections, told.open), (3, 3));
        assert_eq!((told.finished, told.refused, told.broken), (3, 0, 0));
    });
}

#[test]
fn streams_that_are_cut_after_a_good_bye_have_broken() {
    run(async {
        let told = told(true).await;
        assert_eq!((told.connections, told.open), (3, 3));
        assert_eq!((told.finished, told.refused, told.broken), (0, 0, 3));
    });
}

/// A server that looks at so many requests on each connection: what comes behind them on the way is sent again.
#[test]
fn what_is_refused_is_sent_again() {
    run(async {
        let settings = Settings {
            goaway_after: Some(10),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |exchange: Exchange| {
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = closed(8, Limit::Iterations(400));
        let record = whole(plan).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (400, 0));
        let told = record.farewells.between(Duration::ZERO, None);
        let told = told.expect("a good-bye was said");
        assert!(told.connections >= 10, "{told:?}");
        assert_eq!(
            (told.refused, told.broken),
            (told.sent_again, 0),
            "{told:?}"
        );
    });
}
