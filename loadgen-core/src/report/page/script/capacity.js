// What a search for a capacity tried: by rate, and by how many were under way at once.

// What came of a trial is told by shape, whatever its colour.
const CROSS = "path://M1,0L4,3L7,0L8,1L5,4L8,7L7,8L4,5L1,8L0,7L3,4L0,1Z";
const RESULTS = {
  held: { shape: "circle", size: 8, paint: "good", word: "held" },
  broke: { shape: CROSS, size: 10, paint: "bad", word: "broke" },
  invalid: { shape: "emptyTriangle", size: 10, paint: "doubtful", word: "invalid" },
};
const SHAPES = "● held  ✕ broke  △ invalid";
// From so many times on figures lie too close together on an axis that is not logarithmic.
const WIDE_RANGE = 10;

// Trials as points: each is a place, a height, and what came of it.
function scattered(name, paint, data, more) {
  const of = ([, , result]) => RESULTS[result] ?? RESULTS.invalid;
  return {
    name, type: "scatter", data, color: paint, z: 5, emphasis: { disabled: true },
    symbol: (point) => of(point).shape, symbolSize: (point) => of(point).size, ...more,
  };
}

// A line through what is in the middle of all trials at one place.
function throughMiddles(points) {
  const places = grouped(points, ([x]) => x);
  const middle = (heights) => heights.sort((one, other) => one - other)[Math.floor((heights.length - 1) / 2)];
  return [...places].map(([x, of]) => [x, middle(of.map(([, y]) => y))]).sort(([one], [other]) => one - other);
}

function grouped(items, keyOf) {
  const groups = new Map();
  for (const it of items) groups.set(keyOf(it), [...(groups.get(keyOf(it)) ?? []), it]);
  return groups;
}

// How values from the least to the most of these lie on an axis, with some room beyond them.
function placing(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isLog = least > 0 && most / least > WIDE_RANGE;
  const [from, to] = isLog ? [log(least), log(most)] : [least, most];
  const room = Math.max((to - from) * 0.06, isLog ? 0.02 : most * 0.01);
  return {
    isLog, at: (value) => (isLog ? log(value) : value), value: (at) => (isLog ? 10 ** at : at),
    min: isLog ? from - room : Math.max(0, from - room), max: to + room,
  };
}

// Its figures stand at round values, whatever part of it is shown.
function placedAxis(gridIndex, place, format, isLowest) {
  const axis = timeAxis(gridIndex, place.min, place.max, isLowest);
  const ticks = fitted(place, place.min, place.max);
  return { ...axis, axisTick: { ...axis.axisTick, ...ticks.axisTick }, axisLabel: { ...axis.axisLabel, ...ticks.axisLabel, formatter: (at) => format(place.value(at)) } };
}

function fitted(place, from, to) {
  if (!place.isLog) return {};
  const customValues = timeTicks(from, to);
  return { axisTick: { customValues }, axisLabel: { customValues } };
}

// Microseconds, or a part.
const UNITS = { ns: 1e-3, us: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, "%": 0.01 };

// The limit of a goal on response time, in microseconds, or on the error rate, as a part; nothing of any other.
function limitOf(expression) {
  const [, name, number, unit] = /^(response_time\.\w+|error_rate)\s*<=?\s*([\d.]+)\s*(\w+|%)$/.exec(expression.trim()) ?? [];
  if (name === undefined || !(Number(number) > 0)) return null;
  return { text: expression, isTime: name !== "error_rate", value: Number(number) * UNITS[unit] };
}

// A percentile of a trial, in microseconds: of one with too few samples to tell it, what a goal on it was held against.
function timeIn(trial, name) {
  const judged = trial.goals.find((it) => it.expression.trim().startsWith(`response_time.${name} `) && it.observed !== undefined);
  return trial.response_time_us[name] ?? (judged && judged.observed * UNITS[judged.unit]);
}

// A round part that leaves some room above this one.
function roundAbove(part) {
  const unit = 10 ** Math.floor(log(part));
  return Math.min(1, [2, 5, 10, 20].map((it) => it * unit).find((it) => it >= part * 1.15));
}

// Lines of a part that are there whatever else is shown: bounds upright, limits across.
function linesIn(part, upright, across) {
  const data = [
    ...upright.map(({ at, text, type, row, isRight }) => ({
      xAxis: at, lineStyle: { color: color("ink"), type, width: 1.2 },
      label: { show: part === 0, formatter: text, position: "end", align: isRight ? "right" : "left", padding: [0, 4, row * 14, 4], color: color("ink"), fontSize: 11, distance: 3 },
    })),
    ...across.map(({ at, text }) => ({
      yAxis: at, lineStyle: { color: color("ink"), type: "dotted", width: 1.2 },
      label: { formatter: text, position: "insideStartTop", color: color("ink"), fontSize: 11 },
    })),
  ];
  return {
    name: "lines", type: "scatter", data: [], xAxisIndex: part, yAxisIndex: part, silent: true, tooltip: { show: false },
    markLine: { silent: true, symbol: "none", animation: false, data },
    ...(upright.length === 2 ? { markArea: { silent: true, itemStyle: { color: color("soft"), opacity: 0.12 }, data: [upright.map(({ at }) => ({ xAxis: at }))] } } : {}),
  };
}

function capacityChart(capacity, width) {
  const trials = capacity.trials.map((it, index) => ({ ...it, nth: index + 1 })).filter((it) => it.rate_per_s !== undefined);
  const bounds = [["holds", capacity.lower_per_s, "solid"], [capacity.end === "generator" ? "not offered:" : "breaks", capacity.upper_per_s, "dashed"]].filter(([, it]) => it !== undefined);
  const place = placing([...trials.map((it) => it.rate_per_s), ...bounds.map(([, it]) => it)]);
  const x = (trial) => place.at(trial.rate_per_s);
  const goals = capacity.goals.map(({ expression }) => limitOf(expression)).filter(Boolean);
  const limits = goals.filter((it) => it.isTime);
  const names = ["p50", "p95", "p99"];
  const timesOf = (name) => trials.filter((it) => timeIn(it, name) > 0).map((it) => [x(it), log(timeIn(it, name)), it.result]);
  const times = [...names.flatMap(timesOf).map(([, y]) => 10 ** y), ...limits.map((it) => it.value)];
  const [low, high] = times.length > 0 ? timeRange(times) : [0, 3];
  const errors = trials.filter((it) => it.error_rate !== undefined).map((it) => [x(it), it.error_rate, it.result]);
  const errorLimits = goals.filter((it) => !it.isTime);
  const most = roundAbove(Math.max(0.01, ...errors.map(([, y]) => y), ...errorLimits.map((it) => it.value)));
  const left = width < 600 ? 52 : 64;
  const tall = width < 600 ? 220 : 300;
  const [top, below] = [52, 52 + tall + 34];
  // What says nothing of the service makes no line.
  const counts = ([, , result]) => result !== "invalid";
  const through = (points, more) => ({ data: throughMiddles(points.filter(counts)), showSymbol: false, lineStyle: { width: 1.2, opacity: 0.6 }, ...more });
  const errorsPart = { xAxisIndex: 1, yAxisIndex: 1 };
  const upright = bounds.map(([word, value, type], index) => ({
    at: place.at(value), text: `${word} ${rate(value)}`, type, row: index,
    isRight: place.at(value) > (place.min + place.max) / 2,
  }));
  const series = [
    ...names.flatMap((name) => [line(name, color(name), [], through(timesOf(name))), scattered(name, color(name), timesOf(name))]),
    line("errors", color("failed"), [], through(errors, errorsPart)),
    scattered("errors", color("failed"), errors, errorsPart),
    linesIn(0, upright, limits.map((it) => ({ at: log(it.value), text: it.text }))),
    linesIn(1, upright, errorLimits.map((it) => ({ at: it.value, text: it.text }))),
  ];
  series.unshift({
    name: "across", type: "custom", silent: true, clip: true, z: 1, data: [[place.min, low]], tooltip: { show: false },
    renderItem: (_, api) => ({ type: "group", children: linesAcross(api, place.min, place.max, low, high) }),
  });
  const nearest = (at) => trials.reduce((best, it) => (Math.abs(x(it) - at) < Math.abs(x(best) - at) ? it : best)).rate_per_s;
  const figuresOf = (it) => [
    ...names.filter((name) => timeIn(it, name) !== undefined).map((name) => `${name} ${micros(timeIn(it, name))}`),
    ...(it.error_rate > 0 ? [`${percent(it.error_rate)} failed`] : []),
  ];
  const option = {
    title: [titleAt("response time, by the rate offered", 2, left), titleAt("errors", below - 16, left)],
    grid: [{ top, height: tall, left, right: 16 }, { top: below, height: 76, left, right: 16 }],
    xAxis: [0, 1].map((index) => placedAxis(index, place, rate, index === 1)),
    yAxis: [logAxis(0, low, high), valueAxis(1, percent, { max: most, interval: most / 2 })],
    series,
    tooltip: {
      formatter: (shown) => {
        const found = nearest(shown[0].axisValue);
        const there = trials.filter((it) => it.rate_per_s === found);
        return tip(rate(found), there.map((it) => [color(RESULTS[it.result].paint), `trial ${it.nth} ${RESULTS[it.result].word}`, figuresOf(it).join(", ") || "no answer"]));
      },
    },
  };
  return {
    option, height: below + 76 + 62, zooms: true, fit: (from, to) => fitted(place, from, to), shapes: SHAPES,
    legend: [...names.map((name) => ({ name, paint: color(name) })), { name: "errors", paint: color("failed") }],
    table: {
      headings: ["trial", "rate", "result", ...names, "errors"],
      rows: trials.map((it) => [
        `${it.nth}`, rate(it.rate_per_s), RESULTS[it.result].word,
        ...names.map((name) => (timeIn(it, name) === undefined ? "" : micros(timeIn(it, name)))),
        it.error_rate === undefined ? "" : percent(it.error_rate),
      ]),
    },
  };
}

// How many were under way at once: users, or by Little's law what a rate that held had. Of one that did not hold the
// number grows for as long as it lasts. Users who were held to a rate were under way for a part of the time.
function concurrencyOf(trial) {
  if (trial.held_to_per_s !== undefined) return null;
  if (trial.users !== undefined) return trial.users;
  const mean = trial.response_time_us.mean;
  return trial.result === "held" && mean !== undefined ? (trial.completed_per_s * mean) / 1e6 : null;
}

function scalabilityChart(capacity, width) {
  const trials = capacity.trials
    .map((it, index) => ({ ...it, nth: index + 1, n: concurrencyOf(it) }))
    .filter((it) => it.n >= 1 && it.result !== "invalid");
  const place = placing(trials.length > 0 ? trials.map((it) => it.n) : [1]);
  const law = capacity.scalability;
  const value = (n) => (law.lambda_per_s * n) / (1 + law.sigma * (n - 1) + law.kappa * n * (n - 1));
  const steps = 100;
  const curve = law ? Array.from({ length: steps + 1 }, (_, step) => {
    const [from, to] = [place.at(law.from_users), place.at(law.to_users)];
    // The last is not to lie beyond by what arithmetic loses.
    const n = step === steps ? law.to_users : place.value(from + ((to - from) * step) / steps);
    return [place.at(n), value(n)];
  }) : [];
  const points = (isRate) => trials.filter((it) => (it.rate_per_s !== undefined) === isRate).map((it) => [place.at(it.n), it.completed_per_s, it.result]);
  const left = width < 600 ? 52 : 64;
  const tall = width < 600 ? 200 : 260;
  const peak = law?.peak_users;
  const nearest = (at) => trials.reduce((best, it) => (Math.abs(place.at(it.n) - at) < Math.abs(place.at(best.n) - at) ? it : best));
  const kinds = [["users", "users", false], ["rates", "completed", true]];
  const option = {
    title: [titleAt("completed, by how many were under way at once", 2, left)],
    grid: { top: 40, height: tall, left, right: 16 },
    xAxis: placedAxis(0, place, significant, true),
    yAxis: valueAxis(0, rate, { splitNumber: 4 }),
    series: [
      line("the law", color("p95"), curve, { showSymbol: false }),
      ...kinds.map(([name, paint, isRate]) => scattered(name, color(paint), points(isRate))),
      linesIn(0, peak === undefined ? [] : [{ at: place.at(peak), text: `most with ${significant(peak)}`, type: "dashed", row: 0, isRight: place.at(peak) > (place.min + place.max) / 2 }], []),
    ],
    tooltip: {
      formatter: (shown) => {
        const it = nearest(shown[0].axisValue);
        const isMeasured = law && it.n >= law.from_users && it.n <= law.to_users;
        return tip(`${significant(it.n)} at once`, [
          [color(RESULTS[it.result].paint), `trial ${it.nth} ${RESULTS[it.result].word}`, rate(it.completed_per_s)],
          ...(isMeasured ? [[color("p95"), "by the law", rate(value(it.n))]] : []),
        ]);
      },
    },
  };
  return {
    option, height: 40 + tall + 36, shapes: SHAPES,
    legend: [...kinds.map(([name, paint]) => ({ name, paint: color(paint) })), { name: "the law", paint: color("p95") }],
    table: {
      headings: ["trial", "at once", "result", "completed", ...(law ? ["by the law"] : [])],
      rows: trials.map((it) => [
        `${it.nth}`, significant(it.n), RESULTS[it.result].word, rate(it.completed_per_s),
        ...(law ? [it.n >= law.from_users && it.n <= law.to_users ? rate(value(it.n)) : ""] : []),
      ]),
    },
  };
}
