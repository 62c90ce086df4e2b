// Reads panels as Grafana does: what a figure says, what each line is called and measured in.
//
// In: JSON, a list of { panel, answers: [{ refId, series }] }, where `series` is Graphite's answer.
// Out: for each a list of { name, text, color, unit, axis, frame }.
const { JSDOM } = require("jsdom");

// Grafana's library is made for browsers.
const { window } = new JSDOM("", { url: "http://localhost" });
const languages = { language: "en-US", languages: ["en-US"] };
Object.assign(globalThis, { window, document: window.document, localStorage: window.localStorage });
Object.defineProperty(globalThis, "navigator", { value: languages, configurable: true });

const grafana = require("@grafana/data");
const { lastValueFrom } = require("rxjs");

// What Grafana itself registers when it starts; editors are not needed to read.
const editor = () => null;
const named = (id) => ({ id, name: id, editor });
grafana.standardEditorsRegistry.setInit(() => ["text"].map(named));
grafana.standardTransformersRegistry.setInit(() => {
  const { joinByFieldTransformer: transformation } = grafana.standardTransformers;
  return [{ ...named(transformation.id), transformation }];
});
const keep = (value) => value;
const options = ["unit", "min", "max", "decimals", "noValue", "color", "thresholds", "mappings"];
grafana.standardFieldConfigEditorRegistry.setInit(() =>
  options.map((id) => ({ ...named(id), path: id, override: editor, process: keep, shouldApply: () => true, settings: {} })),
);
const plugin = new grafana.PanelPlugin(editor).useFieldConfig({
  useCustomConfig: (builder) =>
    ["axisPlacement", "axisLabel"].forEach((path) => builder.addTextInput({ path, name: path })),
});
const theme = grafana.createTheme({ colors: { mode: "dark" } });

function frame(refId, { target, tags, datapoints }) {
  const inMilliseconds = datapoints.map(([value, seconds]) => [value, seconds * 1000]);
  return Object.assign(grafana.toDataFrame({ target, title: target, tags, datapoints: inMilliseconds }), { refId });
}

async function read({ panel, answers }) {
  const { fieldConfig, transformations } = panel;
  let data = answers.flatMap(({ refId, series }) => series.map((it) => frame(refId, it)));
  if (transformations) data = await lastValueFrom(grafana.transformDataFrame(transformations, data));
  const how = { fieldConfig, theme, timeZone: "utc", replaceVariables: keep };
  data = grafana.applyFieldOverrides({ ...how, data, fieldConfigRegistry: plugin.fieldConfigRegistry });
  if (panel.type === "stat") {
    const figures = grafana.getFieldDisplayValues({ ...how, data, reduceOptions: panel.options.reduceOptions });
    return figures.map(({ display }) => ({
      text: grafana.formattedValueToString(display),
      color: display.color,
    }));
  }
  return data.flatMap((it, index) =>
    it.fields
      .filter(({ type }) => type === grafana.FieldType.number)
      .map((field) => ({
        name: grafana.getFieldDisplayName(field, it, data),
        text: grafana.formattedValueToString(field.display(grafana.reduceField({ field, reducers: ["max"] }).max)),
        unit: field.config.unit,
        color: field.config.color?.fixedColor,
        axis: field.config.custom?.axisPlacement,
        frame: index,
      })),
  );
}

async function main() {
  const input = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const output = [];
  for (const it of input) output.push(await read(it));
  // Libraries that are loaded print of their own accord.
  require("node:fs").writeFileSync(process.argv[2], JSON.stringify(output));
}

main();
