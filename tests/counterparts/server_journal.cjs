// Servers on Node's own HTTP/1.1, HTTP/2 and TCP that keep a journal of what they are asked: what a balancer and
// its clients say of them can be held against it, also after a kill.
//
//   node server_journal.cjs KIND NAME JOURNAL [PORT [HOST [BACKLOG]]]     KIND: http, h2 or tcp
//
// A line of the journal is JSON: when, what and of which request (`id` in the query; over TCP the line that was
// sent). `begun` is written as soon as the request is read, `answering` before the first byte of its answer and
// `ending` before the last is handed to the system, `answered` and `ended` after these, `gone` where the client did
// not wait for it. Over TCP `closed` is that the client has ended its side. `broke` is a connection that was asked on.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");
const net = require("node:net");
const { WebSocketServer } = require("ws");

const [kind, name, journal, port = "0", host = "127.0.0.1", backlog = "511"] = process.argv.slice(2);
const file = fs.openSync(journal, "a");
// The ports of those who have asked for something other than how it is.
const asked = new Set();

// Written at once, by itself: a kill loses nothing that was written.
function note(what, id, more = {}) {
  fs.writeSync(file, JSON.stringify({ at_s: Date.now() / 1000, what, id, ...more }) + "\n");
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function answer(request, response) {
  const url = new URL(request.url, "http://here");
  const number = (key, otherwise) => Number(url.searchParams.get(key) ?? otherwise);
  if (url.pathname === "/health") {
    response.end("ok");
    return;
  }
  const id = url.searchParams.get("id") ?? "";
  asked.add(request.socket.remotePort);
  note("begun", id, { method: request.method });
  let handed = false;
  response.on("finish", () => {
    handed = true;
    note("ended", id);
  });
  response.on("close", () => handed || note("gone", id));
  request.on("error", () => {});
  response.on("error", () => {});
  response.setHeader("x-loadgen-backend", name);
  const body = [];
  if (url.pathname === "/echo") {
    for await (const piece of request) {
      body.push(piece);
    }
  }
  await wait(number("delay_ms", 0));
  note("answering", id);
  if (url.pathname === "/stream") {
    response.setHeader("content-type", "text/event-stream");
    for (let left = number("count", 4); left > 1; left -= 1) {
      await new Promise((resolve) => response.write(`data: ${left}\n\n`, resolve));
      note("answered", id);
      await wait(number("every_ms", 50));
    }
    note("ending", id);
    response.end("data: 1\n\n");
    return;
  }
  note("ending", id);
  response.end(url.pathname === "/echo" ? Buffer.concat(body) : `{"from":"${name}"}`);
}

function ask(request, response) {
  // A client that goes while it sends.
  answer(request, response).catch(() => response.destroy());
}

function sockets(server) {
  const all = new WebSocketServer({ server });
  all.on("headers", (headers) => headers.push(`x-loadgen-backend: ${name}`));
  all.on("connection", (socket, request) => {
    asked.add(request.socket.remotePort);
    note("opened", "websocket");
    socket.on("error", () => {});
    socket.on("close", (code) => note("closed", "websocket", { code }));
    socket.on("message", (data, isBinary) => {
      note("message", "websocket");
      socket.send(data, { binary: isBinary });
    });
  });
}

// What one side sends as a line comes back, after a moment. Of who says nothing, such as a check, nothing is written.
function lines(socket) {
  let rest = "";
  const peer = socket.remotePort;
  socket.setNoDelay(true);
  // Written before it ends its own side, too.
  socket.on("end", () => socket.bytesRead > 0 && note("closed", "", { peer }));
  socket.on("data", async (data) => {
    const all = (rest + data).split("\n");
    rest = all.pop();
    for (const id of all) {
      asked.add(peer);
      note("begun", id, { peer });
      await wait(100);
      note("ending", id, { peer });
      socket.write(`${id} ${name}\n`, (error) => error || note("ended", id, { peer }));
    }
  });
}

const make = {
  http: () => http.createServer({ keepAliveTimeout: 60_000 }, ask),
  h2: () => http2.createServer(ask),
  tcp: () => net.createServer(lines),
};
const server = make[kind]();
if (kind === "http") {
  sockets(server);
}
server.on("connection", (socket) => {
  const peer = socket.remotePort;
  asked.delete(peer);
  socket.on("error", (error) => asked.has(peer) && note("broke", "", { peer, code: error.code }));
});
// Whoever asks for the end gets it in good order.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections?.();
});
server.listen(Number(port), host, Number(backlog), () => {
  console.log(`${kind} listening on ${host}:${server.address().port} id=${name}`);
});
