// One operation of an OpenAPI page, done in Chromium as a person does it: unfold, type, press "Execute", read.
//
// In: the page's address; JSON with `operation` (its id), `name`, and if wanted `body` and `token`.
// Out: JSON with `status`, as the page shows it, what it shows as the answer (`answer`), what was asked of
// others than the page's own server (`foreign`), and what the browser complained about (`errors`).
const { chromium } = require("playwright-core");

async function act(page, { operation, name, body, token }) {
  if (token) {
    await page.locator(".auth-wrapper .authorize").first().click();
    const dialog = page.locator(".dialog-ux");
    await dialog.locator("input").fill(token);
    await dialog.locator("button.authorize").click();
    await dialog.locator("button.btn-done").click();
  }
  const block = page.locator(`#operations-services-${operation}`);
  await block.locator(".opblock-summary-control").click();
  if (name) await block.locator('tr[data-param-name="name"] input').fill(name);
  if (body) await block.locator("textarea.body-param__text").fill(JSON.stringify(body));
  await block.locator("button.execute").click();
  const live = block.locator(".live-responses-table .response").first();
  const status = await live.locator(".response-col_status").innerText();
  const answer = await live.locator(".response-col_description").innerText();
  return { status: parseInt(status, 10), answer };
}

async function main() {
  const [url, work] = process.argv.slice(2);
  // As root, in a container, Chromium has no sandbox of its own.
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    const foreign = [];
    const errors = [];
    page.on("request", (it) => {
      if (!/^(data|blob):/.test(it.url()) && new URL(it.url()).origin !== new URL(url).origin) foreign.push(it.url());
    });
    page.on("pageerror", (it) => errors.push(String(it)));
    page.on("console", (it) => {
      // An answer that refuses is no fault of the page.
      if (it.type() === "error" && !it.text().startsWith("Failed to load resource")) errors.push(it.text());
    });
    await page.goto(url);
    await page.locator(".opblock").first().waitFor();
    const done = await act(page, JSON.parse(work));
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
    console.log(JSON.stringify({ ...done, foreign, errors }));
  } finally {
    await browser.close();
  }
}

main();
