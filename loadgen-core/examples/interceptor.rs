//! Changing what is sent, and seeing what became of it: `cargo run --example interceptor`.

use std::error::Error;
use std::sync::{Arc, Mutex};

use loadgen_backends::{ServerConfig, start_websocket};
use loadgen_core::assemble_intercepted;
use loadgen_core::driver::{Content, Draft, Exchange, Interceptor, Request};
use loadgen_core::engine::Options;
use loadgen_core::scenario::{Payload, Plan, ScenarioPlan, WebsocketExchange};
use loadgen_core::schedule::Load;

/// Says who sends, numbers what is sent, and keeps what failed.
#[derive(Debug, Default)]
struct Signed {
    failed: Mutex<Vec<String>>,
}

impl Interceptor for Signed {
    fn request(&self, request: &mut Request) {
        let user = request.user().0.to_string();
        request
            .set_field("x-signed-by", &user)
            .expect("digits can be sent");
    }

    fn message(&self, request: &Request, message: &mut Draft<'_>) {
        if let Content::Text(text) = message.content() {
            let signed = format!("{text}, signed by {}", request.user().0);
            message.set(Content::Text(signed)).expect("a text");
        }
    }

    fn exchange(&self, exchange: &Exchange<'_>) {
        if !exchange.outcome().is_ok() {
            let why = exchange.detail().unwrap_or_default();
            let line = format!(
                "{}: {}: {why}",
                exchange.request().what(),
                exchange.outcome()
            );
            let mut failed = self.failed.lock().expect("nobody panics with it");
            failed.push(line);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // A service to put load on; yours has an address already.
    let server = start_websocket(ServerConfig::new("127.0.0.1:0".parse()?))?;
    let hello = WebsocketExchange::send("/echo", Payload::Text("hello".to_owned()));
    let mut scenario = ScenarioPlan::websocket("signed", hello, Load::closed(2).iterations(100));
    scenario.targets = vec![server.local_addr().to_string().parse()?];
    let plan = Plan::new(vec![scenario]);
    let signed = Arc::new(Signed::default());
    let run = assemble_intercepted(&plan, Options::default(), signed.clone())?;
    let record = run.execute()?;
    println!("{:?}", record.scenarios[0].ledger);
    for line in &*signed.failed.lock().expect("the run is over") {
        println!("{line}");
    }
    Ok(())
}
