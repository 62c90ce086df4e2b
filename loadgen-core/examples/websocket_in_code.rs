//! A WebSocket scenario built in code, run, and judged: several messages in flight on each user's
//! own connection.

use std::time::Duration;

use loadgen_backends::{ServerConfig, start_websocket};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::report::{Context, build};
use loadgen_core::scenario::{Payload, Plan, ScenarioPlan, Step, WebsocketExchange, WebsocketPlan};
use loadgen_core::schedule::Load;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = start_websocket(ServerConfig::new("127.0.0.1:0".parse()?))?;

    let load = Load::closed(20).for_(Duration::from_secs(2));
    let mut ask = WebsocketExchange::send("/echo", Payload::Text("hello".to_owned()));
    ask.repeat = 10;
    ask.in_flight = 5;
    let alive = Step::new("alive", WebsocketExchange::ping("/echo"));
    let websocket = WebsocketPlan::new([Step::new("ask", ask), alive]);
    let mut scenario = ScenarioPlan::new("ask", websocket, load);
    scenario.targets = vec![server.local_addr().to_string().parse()?];
    scenario.thresholds.push("round_trip.p99 < 1s".parse()?);

    let plan = Plan::new(vec![scenario]);
    let record = assemble(&plan, Options::default())?.execute()?;
    println!("{}", build(&record, Context::of(&plan)));
    Ok(())
}
