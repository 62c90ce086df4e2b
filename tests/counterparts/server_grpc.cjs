// A gRPC server of npm's `@grpc/grpc-js`, which answers shop.v1.Shop/Find with what it is asked and counts that.
// Connections last half a second at the most. Asked to end, it finishes what is under way and says how many calls
// it has answered: `node server_grpc.cjs [PORT]`.
"use strict";

const grpc = require("@grpc/grpc-js");

const asItIs = (bytes) => bytes;
const Find = {
  path: "/shop.v1.Shop/Find",
  requestStream: false,
  responseStream: false,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
};
const server = new grpc.Server({ "grpc.max_connection_age_ms": 500 });
let answered = 0;
server.addService({ Find }, {
  Find(call, answer) {
    answered += 1;
    answer(null, call.request);
  },
});
const address = `127.0.0.1:${process.argv[2] ?? 0}`;
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (problem, port) => {
  if (problem) throw problem;
  console.log(`listening on 127.0.0.1:${port}`);
});
process.on("SIGTERM", () => {
  server.tryShutdown(() => {
    console.log(`answered ${answered}`);
    process.exit(0);
  });
});
