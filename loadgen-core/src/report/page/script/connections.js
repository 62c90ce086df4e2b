// Connections over time.

function connectionsChart(scenario, width) {
  const points = pointsOver(scenario);
  const [from, to] = [points[0].from, Math.max(scenario.duration_s, points.at(-1).from)];
  const many = (point, kind) => point.connections?.[kind] ?? 0;
  const all = [["opened", "completed"], ["failed", "failed"], ["dropped", "p95"]];
  const kinds = all.filter(([kind]) => points.some((it) => many(it, kind) > 0));
  const words = { opened: "opened", failed: "attempts that failed", dropped: "ended by the other side" };
  const left = width < 600 ? 52 : 64;
  const marks = marksOf(scenario);
  const top = topOf(marks);
  const option = {
    title: [titleAt("connections", 2, left)],
    grid: { top, height: 120, left, right: 16 },
    xAxis: timeAxis(0, from, to, true),
    yAxis: valueAxis(0, rate),
    series: kinds.map(([kind, paint]) => line(words[kind], color(paint), points.map((it) => [it.middle, it.perSecond(many(it, kind))]))),
    tooltip: {
      formatter: (shown) => {
        const point = pointAt(points, shown[0].axisValue);
        return tip(span(point), kinds.map(([kind, paint]) => [color(paint), words[kind], count(many(point, kind))]));
      },
    },
  };
  marked(option, marks, from, to);
  return {
    option, marks, legend: kinds.map(([kind, paint]) => ({ name: words[kind], paint: color(paint) })), height: top + 120 + 62, zooms: true,
    table: {
      headings: ["from", ...kinds.map(([kind]) => words[kind])],
      rows: points.map((it) => [seconds(it.from), ...kinds.map(([kind]) => count(many(it, kind)))]),
    },
  };
}
