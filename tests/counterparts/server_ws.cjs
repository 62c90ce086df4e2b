// A WebSocket server that is not ours: that of npm's `ws`.
//
// It counts what it sees and tells it by HTTP, at /books. By itself: `node server_ws.cjs [PORT]`.
// COUNTERPART_DEFLATE are the options of its compression, as JSON; with COUNTERPART_LOGIN, who has no
// cookie is sent to /login for one.
"use strict";

const http = require("node:http");
const { WebSocket, WebSocketServer } = require("ws");

const LATE_MS = 20;

const books = { opened: 0, open: 0, received: 0, sent: 0, text: 0, binary: 0, pings: 0, closes: {}, extensions: [], logins: 0, cookies: {} };
let number = 0;

function letIn({ req: request }, answer) {
  const cookie = request.headers.cookie ?? "";
  if (request.url === "/login") {
    books.logins += 1;
    const headers = { "Set-Cookie": `sid=${books.logins}; Path=/`, Location: "/echo" };
    answer(false, 303, "See Other", headers);
  } else if (!cookie.includes("sid=")) {
    answer(false, 302, "Found", { Location: `http://${request.headers.host}/login` });
  } else {
    books.cookies[cookie] = (books.cookies[cookie] ?? 0) + 1;
    answer(true);
  }
}

const server = http.createServer((request, response) => {
  if (request.url === "/books") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...books, number }));
    return;
  }
  // What `ws` itself answers to a request that is no upgrade.
  response.writeHead(426, { "content-type": "text/plain" });
  response.end("Upgrade Required");
});

// With compression allowed: nobody is to ask for it.
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: JSON.parse(process.env.COUNTERPART_DEFLATE ?? "true"),
  verifyClient: process.env.COUNTERPART_LOGIN === undefined ? undefined : letIn,
  backlog: 1024,
});
const listeners = new Set();
// Whose each token is, of those who asked at /login.
const tokens = new Map();

function say(socket, message, options) {
  socket.send(message, options);
  books.sent += 1;
}

sockets.on("headers", (headers) => headers.push("x-loadgen-backend: ws-1"));

sockets.on("connection", (socket, request) => {
  books.opened += 1;
  books.open += 1;
  if (socket.extensions !== "") {
    books.extensions.push(socket.extensions);
  }
  socket.on("error", () => {});
  socket.on("ping", () => (books.pings += 1));
  socket.on("close", (code) => {
    books.open -= 1;
    books.closes[code] = (books.closes[code] ?? 0) + 1;
    listeners.delete(socket);
  });
  socket.on("message", (data, isBinary) => {
    books.received += 1;
    books[isBinary ? "binary" : "text"] += 1;
    if (request.url === "/echo") {
      say(socket, data, { binary: isBinary });
    } else if (request.url === "/fragments") {
      const middle = data.length >> 1;
      socket.send(data.subarray(0, middle), { binary: isBinary, fin: false });
      socket.ping();
      say(socket, data.subarray(middle), { binary: isBinary, fin: true });
    } else if (request.url === "/late" || request.url === "/events") {
      // The answer takes its time; that the question has come is told at once.
      if (request.url === "/events") {
        say(socket, JSON.stringify({ event: "seen" }));
      }
      setTimeout(() => socket.readyState === WebSocket.OPEN && say(socket, data, { binary: isBinary }), LATE_MS);
    } else if (request.url === "/login") {
      // A token for a name, after something else.
      const token = `token-${tokens.size}`;
      tokens.set(token, JSON.parse(data).name);
      say(socket, JSON.stringify({ type: "busy", token: "none" }));
      say(socket, JSON.stringify({ type: "welcome", token }));
    } else if (request.url.startsWith("/vault?")) {
      // Three pieces of news before each answer, the third of them urgent.
      const token = new URLSearchParams(request.url.slice("/vault".length)).get("token");
      const message = JSON.parse(data);
      for (const n of [0, 1, 2]) {
        say(socket, JSON.stringify({ type: "news", n, urgent: n === 2 }));
      }
      const known = tokens.has(token) && message.token === token;
      say(socket, JSON.stringify({ type: "answer", ...(known ? { of: tokens.get(token), n: message.n } : {}) }));
    } else if (request.url === "/terminate") {
      socket.terminate();
    }
  });
  if (request.url === "/late") {
    setTimeout(() => say(socket, "welcome"), LATE_MS / 4);
  }
  if (request.url === "/feed") {
    listeners.add(socket);
  }
});

// One feed for all who listen.
setInterval(() => {
  number += 1;
  for (const socket of listeners) {
    say(socket, JSON.stringify({ n: number, at: Date.now() }));
  }
}, 10);

server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
