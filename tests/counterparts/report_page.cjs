// A report, opened in Chromium as a person does it: read, charts pointed at, a series taken away, zoomed.
//
// In: the report's path; a folder for pictures of it.
// Out: JSON with `opened_ms` (until what is in sight was drawn), `text` (what the page says), `charts` (each
// with its kind, its scenario, its series as the library has them, and its table), `pointed` (what is shown at
// the pointer), `hidden` and `zoomed` (whether these did something), `wide` (parts that are wider than the
// page, on a phone and on a desk), `asked` (addresses that were asked for beside the file), `errors` (what the
// browser complained about), and `harmed` (whether something in the document could run).
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const WIDE = { width: 1400, height: 900 };
const PHONE = { width: 390, height: 844 };

async function opened(browser, file, viewport, colorScheme) {
  const page = await browser.newPage({ viewport, colorScheme });
  page.setDefaultTimeout(60_000);
  const asked = [];
  const errors = [];
  const url = pathToFileURL(file).href;
  page.on("request", (it) => {
    if (it.url().split("#")[0] !== url) asked.push(it.url());
  });
  page.on("pageerror", (it) => errors.push(String(it)));
  page.on("console", (it) => {
    if (it.type() === "error" || it.type() === "warning") errors.push(it.text());
  });
  const from = Date.now();
  await page.goto(url);
  await page.evaluate(async () => {
    await loadgen.ready;
    // What is in sight is found after the next picture.
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    await Promise.all(loadgen.charts.map((it) => it.turn));
  });
  const openedMs = Date.now() - from;
  await page.evaluate(async () => {
    document.querySelectorAll("details").forEach((it) => (it.open = true));
    await loadgen.drawAll();
  });
  return { page, asked, errors, openedMs };
}

// What is drawn, as the library has it, and the table below it.
const drawn = () =>
  loadgen.charts.map(({ kind, scenario, instance, data }) => ({
    kind,
    scenario,
    series: instance.getOption().series.map((it) => ({ name: it.name, data: it.data, marks: it.markLine?.data.map((mark) => mark.xAxis) })),
    table: [...data.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
  }));

// Parts that stick out of the page: none may, wide tables are moved within their own frame.
const tooWide = () =>
  [...document.querySelectorAll("body *")]
    .filter((it) => !it.closest(".grid, pre, .unseen, .skip") && it.getBoundingClientRect().right > innerWidth + 1)
    .map((it) => `${it.tagName}.${it.className}`);

async function used(page) {
  const chart = page.locator("figure[data-chart]").first();
  if ((await chart.count()) === 0) return {};
  const canvas = chart.locator(".canvas");
  await canvas.scrollIntoViewIfNeeded();
  const { width } = await canvas.boundingBox();
  await canvas.hover({ position: { x: width / 2, y: 120 } });
  const pointed = await chart.locator(".tip").innerText();
  const button = chart.locator(".legend button").first();
  await button.click();
  const name = await button.innerText();
  const hidden = await page.evaluate((name) => loadgen.charts[0].instance.getOption().legend[0].selected[name] === false, name);
  await button.click();
  await canvas.focus();
  await page.keyboard.press("+");
  const zoomed = await page.evaluate(() => loadgen.charts[0].instance.getOption().dataZoom?.[0]?.end < 100);
  await page.keyboard.press("0");
  return { pointed, hidden, zoomed };
}

async function main() {
  const [file, folder] = process.argv.slice(2);
  // As root, in a container, Chromium has no sandbox of its own.
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  const asked = [];
  const errors = [];
  const wide = [];
  let found;
  try {
    for (const [name, viewport, scheme] of [["wide-light", WIDE, "light"], ["wide-dark", WIDE, "dark"], ["phone-light", PHONE, "light"], ["phone-dark", PHONE, "dark"]]) {
      const shown = await opened(browser, file, viewport, scheme);
      const { page } = shown;
      await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
      wide.push(...(await page.evaluate(tooWide)));
      found ??= {
        opened_ms: shown.openedMs,
        text: await page.locator("body").innerText(),
        charts: await page.evaluate(drawn),
        harmed: await page.evaluate(() => globalThis.harmed === true),
        ...(await used(page)),
      };
      asked.push(...shown.asked);
      errors.push(...shown.errors);
      await page.close();
    }
    console.log(JSON.stringify({ ...found, wide, asked, errors }));
  } finally {
    await browser.close();
  }
}

main();
