// Response times over time, and what happened when.

const MOST_ACROSS = 8192;

// A picture of how many took how long: a column for each point, a row for each stretch of times.
function heatPicture(columns, from, to, low, high) {
  const rows = 64;
  // All have the same width, but for the last.
  const unit = columns[0].to - columns[0].from;
  const wide = Math.max(1, Math.ceil((to - from) / unit));
  const cells = columns.map((column) => {
    const counts = new Float64Array(rows);
    for (const [least, most, many] of column.buckets) {
      const at = (log(Math.max((least + most) / 2, 1e-3)) - low) / (high - low);
      counts[Math.min(rows - 1, Math.max(0, Math.floor(at * rows)))] += many / column.weight;
    }
    return counts;
  });
  const most = Math.max(...cells.map((it) => Math.max(...it)));
  // Large enough that nothing is blurred when it is drawn, and no larger than a browser has room for.
  const across = Math.min(MOST_ACROSS, wide * Math.ceil(2400 / wide));
  const up = 8;
  const canvas = element("canvas", { width: across, height: rows * up });
  const context = canvas.getContext("2d");
  const paints = shades();
  columns.forEach((column, index) => {
    const [x, end] = [column.from, column.end].map((s) => Math.round(((s - from) / (wide * unit)) * across));
    const width = Math.max(1, end - x);
    cells[index].forEach((many, row) => {
      if (many === 0) return;
      const shade = Math.round((log(1 + many) / log(1 + most)) * (paints.length - 1));
      context.fillStyle = paints[shade];
      context.fillRect(x, (rows - 1 - row) * up, width, up);
    });
  });
  return { canvas, most, to: from + wide * unit };
}

function shades() {
  const parts = (name) => color(name).match(/\w\w/g).map((it) => parseInt(it, 16));
  const [low, high] = [parts("heat-low"), parts("heat-high")];
  const mixed = (part) => low.map((it, index) => Math.round(it + (high[index] - it) * part));
  return Array.from({ length: 32 }, (_, index) => `rgb(${mixed(index / 31).join()})`);
}

function timeChart(scenario, width) {
  const points = pointsOver(scenario);
  const marks = marksOf(scenario);
  const [from, to] = [points[0].from, Math.max(scenario.duration_s, points.at(-1).from)];
  const timed = points.filter((it) => it.response_time_us);
  const columns = timed.map((it) => ({ ...it, buckets: bucketsIn(it.response_time_us) })).filter((it) => it.buckets);
  const times = timed.flatMap(({ response_time_us: it }) => [it.p50, it.max]).filter((it) => it > 0);
  const least = columns.flatMap((it) => (it.buckets.length > 0 ? [it.buckets[0][0]] : [])).filter((it) => it > 0);
  const [low, high] = timeRange([...times, ...least]);
  const hasFailures = points.some((it) => it.failed > 0);
  const left = width < 600 ? 52 : 64;
  const tall = width < 600 ? 220 : 300;
  const parts = ["rate", ...(hasFailures ? ["failed"] : []), "users"];
  const top = topOf(marks);
  const tops = [top, ...parts.map((_, index) => top + tall + 34 + index * 108)];
  const heights = [tall, ...parts.map(() => 76)];
  const part = (name) => parts.indexOf(name) + 1;
  const within = (name) => ({ xAxisIndex: part(name), yAxisIndex: part(name) });
  // Where nothing is known there is no line.
  const own = (name) => points.map(({ middle, response_time_us: it }) => [middle, it?.[name] > 0 ? log(it[name]) : null]);
  const halo = { shadowColor: color("paper"), shadowBlur: 3 };
  const percentile = (name) => line(name, color(name), own(name), { lineStyle: { width: 1.8, ...halo } });
  const series = [
    percentile("p50"), percentile("p95"), percentile("p99"),
    line("max", color("soft"), own("max"), { ...dots(own("max"), 0), lineStyle: { width: 1, type: "dotted", ...halo } }),
    line("started", color("started"), points.map((it) => [it.middle, it.perSecond(it.started)]), { ...within("rate"), lineStyle: { width: 1.2, type: "dashed" } }),
    line("completed", color("completed"), points.map((it) => [it.middle, it.perSecond(it.completed)]), within("rate")),
    line("users", color("users"), points.map((it) => [it.middle, it.users]), { ...within("users"), areaStyle: { opacity: 0.12 } }),
  ];
  if (hasFailures) {
    series.push(line("failed", color("failed"), points.map((it) => [it.middle, it.perSecond(it.failed)]), { ...within("failed"), areaStyle: { opacity: 0.2 } }));
  }
  const legend = [
    ...["p50", "p95", "p99"].map((name) => ({ name, paint: color(name) })),
    { name: "max", paint: color("soft"), isOff: columns.length > 0 },
    { name: "started", paint: color("started") },
    { name: "completed", paint: color("completed") },
    ...(hasFailures ? [{ name: "failed", paint: color("failed") }] : []),
    { name: "users", paint: color("users") },
  ];
  let scale;
  const picture = columns.length > 0 ? heatPicture(columns, from, to, low, high) : null;
  series.unshift({
    name: "heat", type: "custom", silent: true, clip: true, z: 1, data: [[from, low]], tooltip: { show: false },
    renderItem: (_, api) => {
      const children = linesAcross(api, from, to, low, high);
      if (picture) {
        const [x, y] = api.coord([from, high]);
        const [right, bottom] = api.coord([picture.to, low]);
        children.unshift({ type: "image", style: { image: picture.canvas, x, y, width: right - x, height: bottom - y } });
      }
      return { type: "group", children };
    },
  });
  if (picture) scale = `the more requests the stronger, up to ${rate(picture.most)} a cell`;
  const option = {
    title: ["response time", ...parts.map((it) => ({ rate: "rate", failed: "failed", users: "users busy" })[it])]
      .map((text, index) => titleAt(text, index === 0 ? 2 : tops[index] - 16, left)),
    grid: tops.map((it, index) => ({ top: it, height: heights[index], left, right: 16 })),
    xAxis: tops.map((_, index) => timeAxis(index, from, to, index === tops.length - 1)),
    yAxis: [
      logAxis(0, low, high),
      ...parts.map((name, index) => valueAxis(index + 1, name === "users" ? count : rate, name === "users" ? { minInterval: 1 } : {})),
    ],
    series,
    tooltip: {
      formatter: (shown) => {
        const point = pointAt(points, shown[0].axisValue);
        const times = point.response_time_us ?? {};
        const timesOf = (name) => {
          const over = times[`${name}_over_s`];
          return [color(name === "max" ? "soft" : name), over ? `${name} (of ${over} s)` : name, times[name] === undefined ? "too few" : micros(times[name])];
        };
        const rateOf = (name) => [color(name), name, point.rate(point[name])];
        return tip(span(point), [
          ...(point.response_time_us ? ["max", "p99", "p95", "p50"].map(timesOf) : []),
          ...["started", "completed", "failed"].map(rateOf),
          [color("users"), "users busy", count(point.users)],
        ]);
      },
    },
  };
  marked(option, marks, from, to);
  return {
    option, marks, legend, scale, height: tops.at(-1) + heights.at(-1) + 62, zooms: true,
    table: {
      headings: ["from", "p50", "p95", "p99", "max", "started", "completed", "failed", "users"],
      rows: points.map((it) => [
        seconds(it.from),
        ...["p50", "p95", "p99", "max"].map((name) => (it.response_time_us?.[name] === undefined ? "" : micros(it.response_time_us[name]))),
        ...["started", "completed", "failed"].map((name) => it.rate(it[name])),
        count(it.users),
      ]),
    },
  };
}
