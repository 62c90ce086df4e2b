// A run under way, looked at in Chromium as people do it: opened twice, read, reloaded, steered, and read again when
// it is over.
//
// In: the address that loadgen printed, with its token; a folder for pictures.
// Out: JSON with `address` (what stands in the address bar), `cookie` (what a script sees of the cookie), `running` and
// `over` (of each viewer: the title, what the page says, its charts as in report_page.cjs), `before` and `reloaded` (the
// points before and after a reload), `kept` (whether what was open, focused and scrolled to stayed so), `answers` (what
// was said to what was asked for), `steerable` (whether the bar is there while the run is under way, and after),
// `saved` (the report that the page gave in the end), `wide`, `errors` and `asked` as in report_page.cjs.
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const VIEWS = [
  ["wide-light", { width: 1400, height: 900 }, "light"],
  ["wide-dark", { width: 1400, height: 900 }, "dark"],
  ["phone-light", { width: 390, height: 844 }, "light"],
  ["phone-dark", { width: 390, height: 844 }, "dark"],
];

async function opened(browser, url, [name, viewport, colorScheme], said) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const own = new URL(url).host;
  page.on("request", (it) => {
    const { protocol, host } = new URL(it.url());
    if (host !== own && !["data:", "blob:"].includes(protocol)) said.asked.push(it.url());
  });
  page.on("pageerror", (it) => said.errors.push(`${name}: ${it}`));
  page.on("console", (it) => {
    if (it.type() === "error" || it.type() === "warning") said.errors.push(`${name}: ${it.text()}`);
  });
  await page.goto(url);
  return { name, page };
}

const points = (page) => page.evaluate(() => loadgen.newest?.scenarios[0]?.series ?? []);

// Until something holds in the page.
const until = (page, holds) => page.waitForFunction(holds, null, { polling: 100, timeout: 60_000 });

async function seen(page) {
  await page.evaluate(() => loadgen.drawAll());
  return page.evaluate(() => ({
    title: document.title,
    text: document.body.innerText,
    charts: loadgen.charts.filter((it) => it.instance).map(({ kind, scenario, instance }) => ({
      kind,
      scenario,
      series: instance.getOption().series.map((it) => ({ name: it.name, data: it.data, marks: it.markLine?.data.map((mark) => mark.xAxis) })),
    })),
  }));
}

// Parts that stick out of the page.
const tooWide = () =>
  [...document.querySelectorAll("body *")]
    .filter((it) => !it.closest(".grid, pre, .unseen, .skip") && it.getBoundingClientRect().right > innerWidth + 1)
    .map((it) => `${it.tagName}.${it.className}#${it.id}`);

// What is asked for, and what is answered.
async function asked(page, ask) {
  await ask();
  await until(page, () => document.getElementById("answer").textContent !== "");
  return page.locator("#answer").innerText();
}

async function steered(page) {
  const rate = page.getByLabel("Rate of steady");
  const answers = {};
  answers.rate = await asked(page, async () => {
    await rate.fill("50");
    await rate.press("Enter");
  });
  answers.nonsense = await asked(page, async () => {
    await rate.fill("fast");
    await rate.press("Enter");
  });
  answers.putBack = await rate.inputValue();
  answers.note = await asked(page, async () => {
    await page.getByLabel("Note").fill("<b>a deploy</b>");
    await page.getByLabel("Note").press("Enter");
  });
  answers.pause = await asked(page, () => page.getByRole("button", { name: "Pause" }).click());
  await until(page, () => document.querySelector("h1").textContent.includes("PAUSED"));
  answers.resume = await asked(page, () => page.getByRole("button", { name: "Resume" }).click());
  return answers;
}

async function main() {
  const [url, folder] = process.argv.slice(2);
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  const said = { asked: [], errors: [], wide: [] };
  try {
    const viewers = [];
    for (const view of VIEWS) viewers.push(await opened(browser, url, view, said));
    const [{ page: first }, { page: second }] = viewers;
    const address = first.url();
    const cookie = await first.evaluate(() => document.cookie);
    for (const { page } of viewers) await until(page, () => loadgen.newest?.scenarios[0]?.series.length >= 3);
    const running = [await seen(first), await seen(second)];
    const steerable = [await first.locator("#steer").isVisible()];
    for (const { name, page } of viewers) {
      await page.screenshot({ path: path.join(folder, `${name}-running.png`), fullPage: true });
      said.wide.push(...(await page.evaluate(tooWide)));
    }

    const before = await points(first);
    await first.reload();
    await until(first, () => loadgen.newest?.scenarios[0]?.series.length >= 3);
    const reloaded = await points(first);

    // What a reader has done to the page outlives what comes.
    await second.locator("details.data summary").first().click();
    await second.locator(".legend button").nth(1).click();
    await second.evaluate(() => scrollTo(0, 700));
    const state = () => ({
      isOpen: document.querySelector("details.data").open,
      focused: document.activeElement.textContent,
      isHidden: document.activeElement.getAttribute("aria-pressed") === "false",
      top: document.querySelector("figure").getBoundingClientRect().top,
      untitled: (globalThis.untitled ??= document.querySelector("#generator .part")) === document.querySelector("#generator .part"),
      figure: (globalThis.figure ??= document.querySelector("figure")) === document.querySelector("figure"),
    });
    const kept = [await second.evaluate(state)];
    const many = (await points(second)).length;
    await second.waitForFunction((many) => loadgen.newest.scenarios[0].series.length >= many + 2, many);
    kept.push(await second.evaluate(state));

    const answers = await steered(first);
    await first.screenshot({ path: path.join(folder, "steered.png") });
    await first.locator(".stop").click();
    await first.screenshot({ path: path.join(folder, "stop.png") });
    await viewers[3].page.evaluate(() => scrollTo(0, 0));
    await viewers[3].page.screenshot({ path: path.join(folder, "steered-phone.png") });
    await first.getByRole("button", { name: "Stop gently" }).click();
    for (const { page } of viewers) await until(page, () => loadgen.phase === "over");
    // It needs nobody any more.
    await first.waitForTimeout(1000);
    const over = [await seen(first), await seen(second)];
    steerable.push(await first.locator("#steer").isVisible());
    for (const { name, page } of viewers) {
      await page.screenshot({ path: path.join(folder, `${name}-over.png`), fullPage: true });
      said.wide.push(...(await page.evaluate(tooWide)));
    }
    const [download] = await Promise.all([first.waitForEvent("download"), first.locator("#save-report").click()]);
    const saved = fs.readFileSync(await download.path(), "utf8");
    console.log(JSON.stringify({ address, cookie, running, over, before, reloaded, kept, answers, steerable, saved, ...said }));
  } finally {
    await browser.close();
  }
}

module.exports = { VIEWS, opened, tooWide, until };
if (require.main === module) main();
