// Percentiles of response time beside service time.

function percentilesChart(scenario, width) {
  const tail = (part) => -log(1 - part);
  const curves = [];
  for (const [name, of, paint] of [["response time", scenario.response_time_us, "completed"], ["service time", scenario.service_time_us, "p95"]]) {
    const buckets = bucketsIn(of);
    const points = buckets ? curveOf(buckets) : pointsOf(of);
    const drawn = points.filter(([, us]) => us > 0);
    if (drawn.length > 0) curves.push({ name, paint: color(paint), points: drawn, isWhole: Boolean(buckets) });
  }
  const [low, high] = timeRange(curves.flatMap((it) => it.points.map(([, us]) => us)));
  const end = Math.max(...curves.map((it) => tail(it.points.at(-1)[0])), 1);
  const known = [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].filter((it) => tail(it) <= end + 1e-9);
  const words = (part) => `${+(part * 100).toFixed(6)} %`;
  const series = curves.map(({ name, paint, points, isWhole }) => line(name, paint, points.map(([part, us]) => [tail(part), log(us)]), { showSymbol: points.length < 10, ...(isWhole ? { step: "start" } : {}) }));
  const atLeast = scenario.response_time_us.at_least_from;
  if (atLeast !== undefined && atLeast < 100 && series.length > 0) {
    series[0].markLine = {
      silent: true, symbol: "none", animation: false,
      data: [{ xAxis: tail(atLeast / 100), lineStyle: { color: color("doubtful"), type: "dashed" }, label: { formatter: "from here on at least", position: "insideEndTop", color: color("doubtful"), fontSize: 11 } }],
    };
  }
  series.unshift({
    name: "lines", type: "custom", silent: true, z: 1, data: [[0, low]], tooltip: { show: false },
    renderItem: (_, api) => ({ type: "group", children: linesAcross(api, 0, end, low, high) }),
  });
  const at = (points, part) => points.find((it) => it[0] >= part - 1e-9);
  return {
    option: {
      grid: { top: 16, height: width < 600 ? 220 : 280, left: width < 600 ? 52 : 64, right: 24 },
      xAxis: {
        type: "value", min: 0, max: end,
        axisLine: { lineStyle: { color: color("line") } },
        axisTick: { customValues: known.map(tail) },
        axisLabel: { ...axisText(), customValues: known.map(tail), formatter: (it) => words(1 - 10 ** -it) },
        splitLine: { show: false },
        axisPointer: { show: true, label: { show: false }, lineStyle: { color: color("soft"), type: "solid" } },
      },
      yAxis: logAxis(0, low, high),
      series,
      tooltip: {
        formatter: (shown) => {
          const part = 1 - 10 ** -shown[0].axisValue;
          const rows = curves.map(({ name, paint, points }) => {
            const found = at(points, part);
            return [paint, name, found ? micros(found[1]) : "too few samples"];
          });
          return tip(`${(part * 100).toPrecision(part > 0.99 ? 6 : 3)} % took no longer than`, rows);
        },
      },
    },
    legend: curves.map(({ name, paint }) => ({ name, paint })),
    height: (width < 600 ? 220 : 280) + 48,
    table: {
      headings: ["percentage", ...curves.map((it) => it.name)],
      rows: [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999]
        .map((part) => [words(part), ...curves.map(({ points }) => at(points, part))])
        .filter(([, ...found]) => found.some(Boolean))
        .map(([part, ...found]) => [part, ...found.map((it) => (it ? micros(it[1]) : ""))]),
    },
  };
}
