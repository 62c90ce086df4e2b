// A search for a capacity under way, looked at in Chromium, and stopped there.
//
// In: the address that loadgen printed, with its token; a folder for pictures.
// Out: JSON with `running` and `over` (the title and what the page says), `dialog` (what it asks before it stops),
// `trials` (how many were known at two moments), `wide`, `errors` and `asked` as in live_page.cjs.
const path = require("node:path");
const { chromium } = require("playwright-core");
const { VIEWS, opened, tooWide, until } = require("./live_page.cjs");

const said = { asked: [], errors: [], wide: [] };
const seen = (page) => page.evaluate(() => ({ title: document.title, text: document.body.innerText }));
const known = (page) => page.evaluate(() => loadgen.newest?.capacity?.trials.length ?? 0);

async function main() {
  const [url, folder] = process.argv.slice(2);
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  try {
    const viewers = [];
    for (const view of VIEWS) viewers.push(await opened(browser, url, view, said));
    const [{ page: first }] = viewers;
    for (const { page } of viewers) await until(page, () => loadgen.newest?.capacity?.trials.length >= 5);
    const trials = [await known(first)];
    const running = await seen(first);
    for (const { name, page } of viewers) {
      await page.screenshot({ path: path.join(folder, `search-${name}-running.png`), fullPage: true });
      said.wide.push(...(await page.evaluate(tooWide)));
    }
    await until(first, () => loadgen.newest.capacity.trials.length >= 7);
    trials.push(await known(first));
    await first.locator(".stop").click();
    const dialog = await first.locator("#stop").innerText();
    await first.screenshot({ path: path.join(folder, "search-stop.png") });
    await first.getByRole("button", { name: "Stop the search" }).click();
    for (const { page } of viewers) await until(page, () => loadgen.phase === "over");
    const over = await seen(first);
    for (const { name, page } of viewers) {
      await page.screenshot({ path: path.join(folder, `search-${name}-over.png`), fullPage: true });
      said.wide.push(...(await page.evaluate(tooWide)));
    }
    console.log(JSON.stringify({ running, over, dialog, trials, ...said }));
  } finally {
    await browser.close();
  }
}

main();
