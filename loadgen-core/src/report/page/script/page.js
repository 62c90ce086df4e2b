// The page: which charts there are, and when they are drawn.

let newest = null;
let charts = [];
const drawSeen = () => Promise.all(charts.filter((it) => it.isSeen || it.result).map((it) => it.draw()));
const drawAll = () => Promise.all(charts.map((it) => it.draw()));

// Charts are drawn when they come into sight, and the others when there is nothing else to do: those of a long
// report would keep it from opening.
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const chart = charts.find((it) => it.canvas === target);
    if (isIntersecting && newest && chart && !chart.isSeen) chart.draw();
  }
}, { rootMargin: "300px" });

// Takes up the charts that the page has now, and lets go of those that it has no longer.
function findCharts() {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  for (const gone of charts.filter((it) => !figures.includes(it.figure))) gone.letGo();
  charts = figures.map((figure) => charts.find((it) => it.figure === figure) ?? new Chart(figure));
  for (const it of charts) sight.observe(it.canvas);
}

// Draws this document, or the newest that came since. May be called again with a newer one.
function render(result) {
  newest = result;
  return drawSeen();
}

// Has a button save a text in a file.
function offerToSave(button, type, text, name) {
  button.parentElement.hidden = false;
  button.onclick = () => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  };
}

// Not every browser has it.
const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 200));
const drawRest = () => whenIdle(() => charts.filter((it) => !it.isSeen).forEach((it) => it.draw()), { timeout: 3000 });

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSeen);

// What was folded before it was printed.
let folded = [];

// What is folded could not be opened on paper; the figures of charts are not printed.
function print(isBegun) {
  document.documentElement.toggleAttribute("data-paper", isBegun);
  if (isBegun) folded.push(...document.querySelectorAll("details:not(.data):not([open])"));
  for (const it of folded) it.open = isBegun;
  if (!isBegun) folded = [];
  for (const chart of charts) isBegun ? chart.toPaper() : chart.fromPaper();
}
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));
