// The page of a run that is under way: it is brought what has changed, and in the end the report.

// Puts into the page what a new HTML of it says, and leaves all else as it is: charts, what is open, where the
// reader is.
function become(old, made) {
  if (old.matches("figure[data-chart]")) {
    // What is within is the chart's own.
    old.querySelector("figcaption span").textContent = made.querySelector("figcaption span").textContent;
    old.querySelector(".canvas").setAttribute("aria-label", made.querySelector(".canvas").getAttribute("aria-label"));
    return;
  }
  for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  if (made.children.length === 0) {
    if (old.textContent !== made.textContent) old.textContent = made.textContent;
    return;
  }
  becomeList(old, [...made.childNodes]);
}

// What stays itself though others come before it.
const keyOf = (node) => {
  if (node.nodeType !== Node.ELEMENT_NODE) return `${node.nodeType}`;
  const own = node.id || node.dataset.chart || (node.matches(".part, tr, dl div") ? node.firstElementChild?.textContent : "") || node.querySelector(":scope > table > caption, :scope > summary")?.textContent;
  return `${node.localName} ${own ?? ""}`;
};

function becomeList(parent, made) {
  const left = [...parent.childNodes];
  let at = parent.firstChild;
  for (const node of made) {
    const key = keyOf(node);
    const index = left.findIndex((it) => keyOf(it) === key);
    const [known] = index < 0 ? [] : left.splice(index, 1);
    if (!known) {
      parent.insertBefore(node, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else parent.insertBefore(known, at);
    if (known.nodeType === Node.ELEMENT_NODE) become(known, node);
    else if (known.data !== node.data) known.data = node.data;
  }
  for (const it of left) it.remove();
}

// The one element of a HTML.
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

let run = null;
let phase = "opening";

function putChapters(chapters) {
  const main = document.getElementById("main");
  const known = new Map([...main.querySelectorAll(":scope > section.chapter")].map((it) => [it.id, it]));
  let at = main.querySelector(":scope > section.chapter");
  for (const { id, html } of chapters) {
    const old = known.get(id);
    known.delete(id);
    const made = html === undefined ? null : parsed(html);
    if (!old) {
      main.insertBefore(made, at);
      continue;
    }
    if (old === at) at = at.nextElementSibling;
    else main.insertBefore(old, at);
    if (made) become(old, made);
  }
  for (const gone of known.values()) gone.remove();
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

function take(message) {
  const isOther = message.run !== run;
  run = message.run;
  phase = message.phase;
  document.title = message.title;
  if (message.header !== undefined) become(document.querySelector("header.verdict"), parsed(message.header));
  putChapters(message.chapters);
  findCharts();
  const known = isOther || !newest ? [] : newest.scenarios;
  const result = message.over?.result ?? { run: { id: run }, scenarios: merged(known, message.scenarios) };
  if (message.over) {
    offerToSave("save-report", "text/html", message.over.report, `${run}.html`);
    offerToSave("save", "application/json", JSON.stringify(result), `${run}.json`);
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

let pause = 500;
function open() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/live`);
  socket.addEventListener("message", ({ data }) => {
    pause = 500;
    const message = JSON.parse(data);
    take(message);
    sayOfLine(isOver() ? "over" : "open", inPhase[phase]);
  });
  socket.addEventListener("close", ({ code }) => {
    // Whoever serves the page has nothing more to say.
    if (code === 1000) {
      if (!isOver()) sayOfLine("over", "The run ended without a result.");
      return;
    }
    sayOfLine("lost", "The connection to the run is lost: what stands here is from before that. Trying again …");
    setTimeout(open, pause);
    pause = Math.min(pause * 2, 5000);
  });
}

findCharts();
open();
document.addEventListener("visibilitychange", () => { if (!document.hidden && newest) render(newest); });

// For tests.
globalThis.loadgen = { ready, render, drawAll, get charts() { return charts; }, get newest() { return newest; }, get phase() { return phase; } };
