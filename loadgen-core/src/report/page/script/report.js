// A report: the page draws the document that it carries.

const ready = carriedJson().then(async (json) => {
  findCharts();
  await render(JSON.parse(json));
  offerToSave(document.getElementById("save"), "application/json", json, `${newest.run.id}.json`);
  drawRest();
});

// For tests.
globalThis.loadgen = { ready, render, drawAll, get charts() { return charts; }, get newest() { return newest; } };
