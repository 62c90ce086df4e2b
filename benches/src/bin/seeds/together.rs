//! Two protocols in one run against each of them in a run of its own.

use loadgen_benches::{Server, ServerProcess, median, on_path};
use loadgen_core::scenario::{GrpcCall, GrpcPlan, ScenarioPlan};
use loadgen_core::schedule::Load;
use serde_json::json;

use super::run;
use super::websocket::echo;

const ROUNDS: usize = 5;
const USERS: u32 = 50;
/// Of each protocol: about as long for one as for the other.
const REQUESTS: u64 = 400_000;
const MESSAGES: u64 = 250_000;

fn iterations(iterations: u64) -> Load {
    Load::closed(USERS).iterations(iterations).into()
}

pub(crate) fn figures() {
    // Both on one processor, away from the generator as far as the system lets it be.
    let processor = on_path("taskset").then_some(0);
    let grpc_server = ServerProcess::spawn(Server::Grpc.role(), processor);
    let websocket_server = ServerProcess::spawn(Server::Websocket.role(), processor);
    let grpc = || {
        let load = iterations(REQUESTS);
        let message = json!({ "name": "world" });
        let hello = GrpcCall::new("loadgen.v1.Greeter/Hello", message);
        let mut grpc = GrpcPlan::new([hello.into()]);
        grpc.connections = Some(4);
        let mut plan = ScenarioPlan::new("hello", grpc, load);
        plan.targets = vec![grpc_server.address.parse().expect("an address of our own")];
        plan
    };
    let websocket = || echo(&websocket_server.address, iterations(MESSAGES), 1, 1);

    println!(
        "Both protocols in one run: {REQUESTS} hellos, {MESSAGES} echoes, {USERS} users each, one \
         generator thread"
    );
    let mut costs = [const { Vec::new() }; 3];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let round =
            [vec![grpc()], vec![websocket()], vec![grpc(), websocket()]].map(|plan| run(plan).1);
        for (costs, cost) in costs.iter_mut().zip(round) {
            costs.push(cost);
        }
        ratios.push(round[2] / (round[0] + round[1]));
    }
    let [grpc, websocket, both] = costs.map(|costs| median(&costs));
    println!(
        "  gRPC {grpc:.2} s, WebSocket {websocket:.2} s, both {both:.2} s of processor time; both / \
         sum, round by round {:.2}   (figure: <= 1.05, median of {ROUNDS})",
        median(&ratios)
    );
}
