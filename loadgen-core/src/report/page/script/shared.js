// What charts have in common: axes, lines, marks, and the points of a run over time.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const log = Math.log10;

function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function swatch(paint, shape) {
  const made = element("i", { class: `swatch ${shape ?? ""}` });
  made.style.color = paint;
  return made;
}

// What is shown where the pointer is: a title, and a row for each series that has something there.
function tip(title, rows) {
  const shown = element("div", { class: "tip" }, element("b", { text: title }));
  for (const [paint, name, value] of rows) {
    shown.append(element("div", {}, swatch(paint, "block"), element("span", { text: name }), element("em", { text: value })));
  }
  return shown;
}

// Where figures of time stand on a logarithmic axis: at round ones, three of them or more.
function timeTicks(low, high) {
  const halves = Array.from({ length: 18 }, (_, index) => 1 + index / 2);
  const finer = [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], halves, Array.from({ length: 90 }, (_, index) => 1 + index / 10)];
  const ticksOf = (steps) => {
    const powers = Array.from({ length: Math.floor(high) - Math.floor(low) + 1 }, (_, index) => Math.floor(low) + index);
    const ticks = powers.flatMap((power) => steps.map((step) => power + log(step)));
    return ticks.filter((it) => it >= low && it <= high);
  };
  return finer.map(ticksOf).find((it) => it.length >= 3) ?? [];
}

// The ends of such an axis for these times: some room beyond them, and not so little between them that noise
// would look like something.
function timeRange(times) {
  const [low, high] = [log(Math.min(...times)), log(Math.max(...times))];
  const room = Math.max(0.06, (0.3 - (high - low)) / 2);
  return [low - room, high + room];
}

// So far apart are marks on an axis of so many seconds that has room for so many.
function secondsApart(range, room) {
  const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
  return steps.find((it) => range / it <= room) ?? Math.ceil(range / room / 86_400) * 86_400;
}

// What an axis of seconds has where it shows these, so wide: figures at round times.
function fitSeconds(from, to, width) {
  const interval = secondsApart(to - from, Math.max(2, width / 90));
  const isRound = (value) => Math.abs(value / interval - Math.round(value / interval)) < 1e-6;
  return { interval, axisLabel: { formatter: (value) => (isRound(value) ? seconds(value) : "") } };
}

const axisText = () => ({ color: color("soft"), fontSize: 11, fontFamily: "inherit" });

function titleAt(text, top, left) {
  return { text, top, left, padding: 0, textStyle: { color: color("soft"), fontSize: 11, fontWeight: "normal" } };
}

// An axis of seconds under one part of a chart; figures stand at the lowest only.
function timeAxis(gridIndex, from, to, isLowest) {
  return {
    gridIndex, type: "value", min: from, max: to,
    axisLine: { lineStyle: { color: color("line") } },
    axisTick: { show: isLowest },
    splitLine: { show: false },
    axisPointer: { show: true, label: { show: false }, lineStyle: { color: color("soft"), type: "solid" } },
    axisLabel: { ...axisText(), show: isLowest, hideOverlap: true },
  };
}

function valueAxis(gridIndex, format, more) {
  return {
    gridIndex, type: "value", min: 0, splitNumber: 2,
    axisLabel: { ...axisText(), formatter: format },
    splitLine: { lineStyle: { color: color("faint") } },
    axisLine: { show: false }, axisTick: { show: false },
    axisPointer: { show: false },
    ...more,
  };
}

function logAxis(gridIndex, low, high) {
  const customValues = timeTicks(low, high);
  return {
    gridIndex, type: "value", min: low, max: high,
    axisLine: { show: false }, axisTick: { show: false },
    axisLabel: { ...axisText(), customValues, formatter: (it) => micros(10 ** it) },
    splitLine: { show: false },
    axisPointer: { show: false },
  };
}

// Lines across at the figures of a logarithmic axis, for what draws itself.
function linesAcross(api, from, to, low, high) {
  return timeTicks(low, high).map((tick) => {
    const [x1, y] = api.coord([from, tick]);
    const [x2] = api.coord([to, tick]);
    return { type: "line", shape: { x1, y1: y, x2, y2: y }, style: { stroke: color("line"), lineWidth: 1, opacity: 0.7 }, silent: true };
  });
}

// A dot at each figure where there are no more than so many, and at each that stands alone: it makes no line.
function dots(data, most) {
  const isKnown = (index) => (data[index]?.[1] ?? null) !== null;
  const isAlone = (index) => !isKnown(index - 1) && !isKnown(index + 1);
  return { showSymbol: true, symbol: "circle", symbolSize: (_, { dataIndex }) => (data.length <= most || isAlone(dataIndex) ? 4 : 0) };
}

function line(name, paint, data, more) {
  return {
    name, type: "line", data, color: paint, ...dots(data, 60),
    lineStyle: { width: 1.6 }, emphasis: { disabled: true }, z: 4, ...more,
  };
}

// Areas on top of one another: of each that is shown, the sum of itself and those below it. The lowest is
// drawn last, over the others. Goes by an entry's key: its name may be that of another.
function stacked(entries, moments, selected, valueOf) {
  const sums = moments.map(() => 0);
  return entries.map(({ key, paint }, index) => {
    const isShown = selected[key] ?? true;
    const data = moments.map((moment, at) => {
      const value = valueOf(moment, index);
      if (isShown) sums[at] += value ?? 0;
      return [moment.x, value === null ? null : sums[at]];
    });
    return line(key, paint, data, { ...dots(data, 0), z: 4 - index / 1000, lineStyle: { width: 0 }, areaStyle: { opacity: 1 } });
  });
}

// What was done while the scenario was measured, as lines in every part of a chart. The highest part has their
// numbers; what they are is listed below the chart, and shown where they are pointed at.
function marked(option, marks, from, to) {
  const shown = marks.filter(({ at }) => at >= from && at <= to);
  if (shown.length === 0) return;
  const parts = new Set();
  for (const series of option.series) {
    const part = series.xAxisIndex ?? 0;
    if (parts.has(part) || series.type === "custom") continue;
    parts.add(part);
    series.markLine = {
      silent: true, symbol: "none", animation: false,
      data: shown.map(({ at, number, isReturn }) => ({
        xAxis: at,
        lineStyle: { color: color("ink"), type: isReturn ? "dotted" : "dashed", width: 1 },
        label: { show: part === 0, formatter: String(number), position: "end", color: color("ink"), fontSize: 11, distance: 3 },
      })),
    };
  }
}

// Marks with what is written at each in a part of a chart, so many points wide: those whose numbers would lie over
// one another have one label, at the first of them.
function labelled(marks, from, to, width) {
  const at = (mark) => ((mark.at - from) / (to - from || 1)) * width;
  const groups = [];
  for (const mark of marks.filter((it) => it.at >= from && it.at <= to)) {
    const last = groups.at(-1);
    if (last && at(mark) - at(last[0]) < MARK_ROOM) last.push(mark);
    else groups.push([mark]);
  }
  return new Map(groups.map((of) => [of[0].number, of.length === 1 ? String(of[0].number) : `${of[0].number}–${of.at(-1).number}`]));
}

// As wide as the longest of these labels, and a little.
const MARK_ROOM = 44;

// Where the highest part of a chart begins: below its title, and the numbers of marks.
const topOf = (marks) => (marks.length > 0 ? 40 : 20);

function marksOf(scenario) {
  const marks = (scenario.events ?? []).flatMap((it) => [
    ...(it.done_s === undefined ? [] : [{ at: it.done_s, text: it.event }]),
    ...(it.ready_s === undefined ? [] : [{ at: it.ready_s, text: `${it.backend ?? it.event} ready`, isReturn: true }]),
  ]);
  marks.sort((one, other) => one.at - other.at);
  return marks.map((it, index) => ({ ...it, number: index + 1 }));
}

// The points of a run over time. The last may cover less than it stands for: rates are of what was measured.
function pointsOver(scenario) {
  return scenario.series.map((point) => {
    const end = Math.min(point.t_s + point.seconds, Math.max(scenario.duration_s, point.t_s));
    const covered = end - point.t_s;
    // The rest of a second tells no rate: it would look like a fall.
    const isTold = covered >= 0.5 * point.seconds;
    return {
      ...point, from: point.t_s, to: point.t_s + point.seconds, middle: point.t_s + covered / 2,
      end, weight: Math.max(covered, 0.5 * point.seconds),
      perSecond: (many) => (isTold ? many / covered : null),
      rate: (many) => (isTold ? rate(many / covered) : `${count(many)} in ${seconds(covered)}`),
    };
  });
}

const pointAt = (points, x) => points.findLast((it) => it.from <= x) ?? points[0];
const span = (point) => `${seconds(point.from)} – ${seconds(point.to)}`;
