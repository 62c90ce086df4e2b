// The page of a run that is under way: it is brought what has changed, and in the end the report.

let run = null;
let phase = "opening";

function putChapters(chapters) {
  const main = document.getElementById("main");
  const ids = new Set(chapters.map(({ id }) => id));
  const known = new Map([...main.querySelectorAll(":scope > section.chapter")].map((it) => [it.id, it]));
  // What stays is then moved only where its order has changed.
  for (const [id, old] of known) if (!ids.has(id)) old.remove();
  let at = main.querySelector(":scope > section.chapter");
  for (const { id, html } of chapters) {
    const old = known.get(id);
    const made = html === undefined ? null : parsed(html);
    if (!old) {
      main.insertBefore(made, at);
      continue;
    }
    if (old === at) at = at.nextElementSibling;
    else main.insertBefore(old, at);
    if (made) become(old, made);
  }
  const links = chapters.map(({ id, title }) => element("li", {}, element("a", { href: `#${id}`, text: title })));
  becomeList(document.querySelector("nav ul"), links);
}

// What was known of the scenarios, with what has changed.
function merged(known, told) {
  return told.map(({ fields, from_s, points }, place) => {
    const scenario = Object.assign(known[place] ?? { series: [] }, fields);
    if (from_s !== undefined) scenario.series = [...scenario.series.filter((it) => it.t_s < from_s), ...points];
    return scenario;
  });
}

let turn = Promise.resolve();
let resolveReady;
const ready = new Promise((resolve) => { resolveReady = resolve; });

// The reports of runs whose end was seen here, by run: they are kept when there is another one.
const reports = new Map();

// The runs before this one: their reports, or where those lie whose end was not seen here.
let earlier = "[]";
function showEarlier(runs) {
  if (earlier === (earlier = JSON.stringify(runs))) return;
  const all = document.getElementById("earlier");
  all.replaceChildren(`Earlier runs, ${runs.length} so far: `);
  all.hidden = !runs.length;
  runs.forEach(({ run: name, files }, place) => {
    if (place) all.append(" · ");
    const text = reports.get(name);
    if (text === undefined) {
      all.append(`${name} (${files.join(", ") || "gone: its end was not seen here, and --out asked for no file"})`);
      return;
    }
    const save = element("button", { type: "button", text: `Save the report of ${name}` });
    all.append(save);
    offerToSave(save, "text/html", text, `${name}.html`);
  });
}

function take(message) {
  const isOther = message.run !== run;
  run = message.run;
  phase = message.phase;
  document.title = message.title;
  if (message.header !== undefined) become(document.querySelector("header.verdict"), parsed(message.header));
  putChapters(message.chapters);
  findCharts();
  const known = isOther || !newest ? { scenarios: [] } : newest;
  const scenarios = merged(known.scenarios, message.scenarios);
  const result = message.over?.result ?? { run: { id: run }, scenarios, capacity: message.capacity ?? known.capacity };
  if (message.over) {
    reports.set(run, message.over.report);
    offerToSave(document.getElementById("save-report"), "text/html", message.over.report, `${run}.html`);
    offerToSave(document.getElementById("save"), "application/json", JSON.stringify(result), `${run}.json`);
  } else {
    document.getElementById("save").parentElement.hidden = true;
  }
  newest = result;
  if (!document.hidden || message.over) turn = render(result).then(drawRest);
  turn.then(resolveReady);
  return turn;
}

// How the connection is, in words that stay until they change: whoever listens to a page hears them.
function sayOfLine(line, text) {
  const said = document.getElementById("line");
  said.dataset.line = line;
  if (said.textContent !== text) said.textContent = text;
}

const inPhase = {
  connecting: "Connected: the run has not begun to load.",
  running: "Connected: figures come once a second.",
  over: "The run is over: this page is its report, and needs nothing any more.",
  failed: "The run is over.",
};
const isOver = () => phase === "over" || phase === "failed";

// A browser does not say why there is no connection.
const lost = () => (run === null
  ? "There is no connection to the run: it is over, or as many are looking already as can be served."
  : "The connection to the run is lost: what stands here is from before that.");

// Some five minutes.
const MOST_TRIES = 60;
let tries = 0;
let pause = 500;
function open() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/live`);
  socket.addEventListener("open", () => { tell = (text) => socket.send(text); });
  socket.addEventListener("message", ({ data }) => {
    pause = 500;
    tries = 0;
    const message = JSON.parse(data);
    if (message.standing !== undefined) {
      showEarlier(message.earlier);
      return showStanding(message.standing);
    }
    if (message.id !== undefined) return showAnswer(message);
    take(message);
    if (isOver()) showStanding(null);
    sayOfLine(isOver() ? "over" : "open", inPhase[phase]);
  });
  socket.addEventListener("close", ({ code }) => {
    tell = null;
    showStanding(null);
    // Whoever serves the page has nothing more to say.
    if (code === 1000) {
      if (!isOver()) sayOfLine("over", "The run ended without a result.");
      return;
    }
    tries += 1;
    if (tries > MOST_TRIES) {
      sayOfLine("lost", `${lost()} Load this page again to try once more.`);
      return;
    }
    sayOfLine("lost", `${lost()} Trying again …`);
    setTimeout(open, pause);
    pause = Math.min(pause * 2, 5000);
  });
}

findCharts();
open();
document.addEventListener("visibilitychange", () => { if (!document.hidden && newest) render(newest); });

// For tests.
globalThis.loadgen = { ready, render, drawAll, get charts() { return charts; }, get newest() { return newest; }, get phase() { return phase; } };
