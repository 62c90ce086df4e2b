// Changing the run while it is under way.

// Sends a text to the run; nothing while there is no connection.
let tell = null;
let asked = 0;
const whenAnswered = new Map();

// What is to be done when it is done, and when it is refused.
function ask(change, then = {}) {
  asked += 1;
  whenAnswered.set(asked, then);
  sayAnswer("", "");
  tell?.(JSON.stringify({ id: asked, change }));
}

function sayAnswer(kind, text) {
  const answer = document.getElementById("answer");
  answer.dataset.kind = kind;
  answer.textContent = text;
}

// Words are of the last that was asked for; what is to be done then is of each.
function showAnswer({ id, done, refused }) {
  const then = whenAnswered.get(id);
  whenAnswered.delete(id);
  if (refused === undefined) then?.done?.();
  else then?.refused?.();
  if (id !== asked) return;
  if (refused === undefined) sayAnswer("done", `Done: ${done}.`);
  else sayAnswer("refused", `Not done: ${refused}.`);
}

const button = (text, act, more) => {
  const made = element("button", { type: "button", text, ...more });
  made.addEventListener("click", act);
  return made;
};

// A field with a button: what is written there is sent with either.
function field(label, attributes, word, act) {
  const input = element("input", { autocomplete: "off", ...attributes });
  const form = element("form", {}, element("label", {}, element("span", { text: label }), input), element("button", { type: "submit", text: word }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(input);
  });
  return { form, input };
}

// What is shown of somebody's field follows the run, but for what they are just writing.
function follow(input, value) {
  if (document.activeElement !== input && value !== input.dataset.told) input.value = value;
  input.dataset.told = value;
}

// What was refused does not stand there as if it held; what is being written by now does.
function putBack(input) {
  const asked = input.value;
  return { refused: () => { if (input.value === asked) input.value = input.dataset.told; } };
}

const rateText = (perSecond) => `${significant(perSecond)}/s`;

// What one scenario can be told.
class Scene {
  constructor({ scenario, most_users, targets }) {
    const of = { scenario };
    this.pause = button("Pause", () => ask({ change: this.isPaused ? "resume" : "pause", ...of }));
    this.rate = field("rate", { size: 9, inputmode: "text", "aria-label": `Rate of ${scenario}` }, "Set", (input) => {
      const plain = input.value.trim();
      ask({ change: "rate", ...of, rate: /^[0-9.]+$/.test(plain) ? `${plain}/s` : plain }, putBack(input));
    });
    this.users = field(`users, ${count(most_users)} at most`, { type: "number", min: 1, max: most_users, "aria-label": `Users of ${scenario}` }, "Set", (input) => ask({ change: "users", ...of, users: Number(input.value) }, putBack(input)));
    this.targets = targets.map(({ target }) => {
      const box = element("input", { type: "checkbox", "aria-label": `Send ${scenario} to ${target}` });
      box.addEventListener("change", () => {
        ask({ change: "target", ...of, target, on: box.checked });
        // It stands as the run says it stands.
        box.checked = !box.checked;
      });
      return { box, label: element("label", { class: "target" }, box, element("span", { text: target })) };
    });
    this.state = element("small", {});
    const all = element("div", { class: "targets" }, ...this.targets.map(({ label }) => label));
    this.element = element("div", { class: "scene", role: "group", "aria-label": scenario }, element("b", {}, element("span", { text: scenario }), this.state), this.pause, this.rate.form, this.users.form, all);
    this.all = all;
  }

  show(standing, isOnly) {
    const takes = (name) => standing.takes.includes(name);
    this.isPaused = standing.paused;
    this.pause.hidden = isOnly || !(takes("pause") || takes("resume"));
    this.pause.textContent = standing.paused ? "Resume" : "Pause";
    this.rate.form.hidden = !takes("rate");
    if (standing.rate !== null) follow(this.rate.input, rateText(standing.rate));
    this.users.form.hidden = !takes("users");
    if (standing.users !== null) follow(this.users.input, String(standing.users));
    this.all.hidden = standing.targets.length < 2 || !takes("target");
    standing.targets.forEach(({ on }, place) => { this.targets[place].box.checked = on; });
    this.state.textContent = standing.is_over ? "over" : standing.paused ? "paused" : "";
    this.element.hidden = [this.pause, this.rate.form, this.users.form, this.all].every((it) => it.hidden) && !this.state.textContent;
  }
}

let scenes = [];
let shape = null;
let pauseAll, note;

function buildAll() {
  const isPaused = () => pauseAll.dataset.paused === "true";
  pauseAll = button("Pause", () => ask({ change: isPaused() ? "resume" : "pause" }));
  note = field("note", { maxlength: 200, placeholder: "what happens now", "aria-label": "Note" }, "Add", (input) => {
    const text = input.value;
    ask({ change: "note", text }, { done: () => { if (input.value === text) input.value = ""; } });
  });
  const stop = button("Stop …", askHow, { class: "stop", "aria-haspopup": "dialog" });
  document.querySelector(".steer-all").replaceChildren(pauseAll, stop, note.form);
}

// A search for a capacity can be stopped, and told nothing else.
let isSearch = false;
function askHow() {
  const dialog = document.getElementById("stop");
  document.getElementById("stop-title").textContent = isSearch ? "Stop the search?" : "Stop the run?";
  for (const it of dialog.querySelectorAll(".of-search")) it.hidden = !isSearch;
  for (const it of dialog.querySelectorAll(".of-run")) it.hidden = isSearch;
  dialog.showModal();
}

// How the run stands, and so what it can be told; `null` where it takes nothing. Of a search no scenario can be told
// anything.
function showStanding(standing) {
  const steer = document.getElementById("steer");
  steer.hidden = standing === null;
  if (standing === null) {
    if (document.getElementById("stop").open) document.getElementById("stop").close();
    return;
  }
  if (!pauseAll) buildAll();
  const shapeNow = JSON.stringify(standing.map(({ scenario, most_users, targets }) => [scenario, most_users, targets.map(({ target }) => target)]));
  if (shapeNow !== shape) {
    shape = shapeNow;
    scenes = standing.map((it) => new Scene(it));
    const each = document.querySelector(".steer-each");
    each.lastElementChild.replaceChildren(...scenes.map((it) => it.element));
    // What is little is seen at once.
    each.open = scenes.length === 1 && standing[0].targets.length <= 8;
  }
  standing.forEach((it, place) => scenes[place].show(it, scenes.length === 1));
  const can = (name) => standing.some((it) => it.takes.includes(name));
  const isPaused = standing.length > 0 && !can("pause") && can("resume");
  pauseAll.dataset.paused = isPaused;
  pauseAll.textContent = isPaused ? "Resume" : "Pause";
  isSearch = standing.length === 0;
  pauseAll.hidden = isSearch;
  pauseAll.disabled = !can("pause") && !can("resume");
  note.form.hidden = !can("note");
  document.querySelector(".steer-each").hidden = scenes.every((it) => it.element.hidden);
}

for (const it of document.querySelectorAll("#stop button")) {
  it.addEventListener("click", () => {
    document.getElementById("stop").close();
    if (it.value !== "no") ask({ change: "stop", at_once: it.value === "at_once" });
  });
}
