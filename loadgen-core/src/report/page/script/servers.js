// Who answered: over the run, and by tenths of a second around events.

const MOST_SERVERS = 12;

// The servers that have a colour of their own, those with most requests, and all others as one.
function serversOf(scenario) {
  const known = scenario.backends.filter((it) => it.requests > 0 || it.completed > 0).map((it) => it.id);
  const byRequests = [...scenario.backends].sort((one, other) => other.requests - one.requests).map((it) => it.id);
  const named = known.length <= MOST_SERVERS ? known : known.filter((it) => byRequests.indexOf(it) < MOST_SERVERS - 1);
  const servers = named.map((id, index) => ({ key: `server ${id}`, name: id, ids: [id], paint: color(`server-${index + 1}`) }));
  const others = known.filter((it) => !named.includes(it));
  if (others.length > 0) servers.push({ key: "others", name: `${others.length} others`, ids: others, paint: color(`server-${MOST_SERVERS}`) });
  return servers;
}

const answered = (of, server, what) => server.ids.reduce((sum, id) => sum + (Object.hasOwn(of, id) ? what(of[id]) : 0), 0);
const ended = (it) => it.completed + it.failed;

function backendsChart(scenario, width, selected) {
  const points = pointsOver(scenario);
  const told = points.filter((it) => it.backends);
  const servers = serversOf(scenario);
  const [from, to] = [scenario.series[0].t_s, Math.max(scenario.duration_s, points.at(-1).from)];
  const all = (point) => servers.reduce((sum, it) => sum + answered(point.backends ?? {}, it, ended), 0);
  const share = (point, server) => answered(point.backends, server, ended) / all(point);
  const marks = marksOf(scenario);
  const top = topOf(marks);
  const left = width < 600 ? 52 : 64;
  const option = {
    title: [titleAt("share of the requests that ended", 2, left)],
    grid: { top, height: 200, left, right: 16 },
    xAxis: timeAxis(0, from, to, true),
    yAxis: valueAxis(0, percent, { max: 1, interval: 0.25 }),
    series: stacked(servers, points.map((it) => ({ ...it, x: it.middle })), selected, (it, index) => (all(it) > 0 ? share(it, servers[index]) : null)),
    tooltip: {
      formatter: (shown) => {
        const point = pointAt(points, shown[0].axisValue);
        if (all(point) === 0) return tip(span(point), []);
        return tip(span(point), servers.map((server) => [server.paint, server.name, `${percent(share(point, server))}, ${count(answered(point.backends, server, ended))}`]));
      },
    },
  };
  marked(option, marks, from, to);
  return {
    option, marks, legend: servers.map(({ key, name, paint }) => ({ key, name, paint, shape: "block" })), height: top + 200 + 62, zooms: true, stacks: true,
    table: {
      headings: ["from", ...servers.map((it) => it.name)],
      rows: told.map((point) => [seconds(point.from), ...servers.map((it) => count(answered(point.backends, it, ended)))]),
    },
  };
}

// The tenths of a second near events: each with a request, and of those without one the first of each stretch,
// with nothing where it is not near an event.
function momentsOf(scenario) {
  const near = (scenario.events ?? [])
    .filter((it) => it.done_s !== undefined)
    .map((it) => [Math.ceil((it.done_s - 5) * 10), Math.floor(((it.ready_s ?? it.done_s) + 60) * 10)]);
  const isNear = (at) => near.some(([from, to]) => at >= from && at <= to);
  const tenth = (t) => Math.round(t * 10);
  const known = new Map(scenario.timeline.map((it) => [tenth(it.t_s), it.backends]));
  const [first, last] = [tenth(scenario.timeline[0].t_s), tenth(scenario.timeline.at(-1).t_s)];
  const turns = new Set([...known.keys()].flatMap((at) => [at, at + 1]));
  for (const [from, to] of near) turns.add(from).add(to + 1);
  const within = [...turns].filter((at) => at >= first && at <= last + 1).sort((one, other) => one - other);
  return within.map((at) => ({ t: at / 10, backends: known.get(at) ?? (at > last || isNear(at) ? {} : null) }));
}

function timelineChart(scenario, width, selected) {
  const servers = serversOf(scenario);
  const moments = momentsOf(scenario);
  const [from, to] = [moments[0].t, moments.at(-1).t];
  const marks = marksOf(scenario);
  const left = width < 600 ? 52 : 64;
  const failedIn = (it) => it.backends && Object.values(it.backends).reduce((sum, { failed }) => sum + failed, 0);
  const completedIn = (it, server) => it.backends && answered(it.backends, server, ({ completed }) => completed);
  const failures = moments.some(failedIn) ? [{ key: "failed", name: "failed", paint: color("failed") }] : [];
  const parts = [
    { text: "ok in a tenth of a second", titleTop: 2, top: topOf(marks), height: 190 },
    ...failures.map(() => ({ text: "failed", titleTop: 264, top: 280, height: 70 })),
  ];
  const stepped = { step: "end", showSymbol: false };
  const ok = stacked(servers, moments.map((it) => ({ ...it, x: it.t })), selected, (it, index) => completedIn(it, servers[index]));
  const option = {
    title: parts.map(({ text, titleTop }) => titleAt(text, titleTop, left)),
    grid: parts.map(({ top, height }) => ({ top, height, left, right: 16 })),
    xAxis: parts.map((_, index) => timeAxis(index, from, to, index === parts.length - 1)),
    yAxis: parts.map((_, index) => valueAxis(index, count, { minInterval: 1 })),
    series: [
      ...ok.map((it) => ({ ...it, ...stepped })),
      ...failures.map(({ key, paint }) => line(key, paint, moments.map((it) => [it.t, failedIn(it)]), {
        ...stepped, xAxisIndex: 1, yAxisIndex: 1, lineStyle: { width: 1 }, areaStyle: { opacity: 0.5 },
      })),
    ],
    tooltip: {
      formatter: (shown) => {
        const at = moments.findLast((it) => it.t <= shown[0].axisValue + 1e-9) ?? moments[0];
        if (!at.backends) return tip(`${at.t.toFixed(1)} s`, []);
        return tip(`${at.t.toFixed(1)} s`, [
          ...servers.map((server) => [server.paint, server.name, count(completedIn(at, server))]),
          [color("failed"), "failed", count(failedIn(at))],
        ]);
      },
    },
  };
  marked(option, marks, from, to);
  const told = moments.filter((it) => it.backends);
  return {
    option, marks, height: parts.at(-1).top + parts.at(-1).height + 62, zooms: true, stacks: true,
    legend: [...servers, ...failures].map(({ key, name, paint }) => ({ key, name, paint, shape: "block" })),
    table: {
      headings: ["from", ...servers.map((it) => it.name), "failed"],
      rows: told.map((it) => [`${it.t.toFixed(1)} s`, ...servers.map((server) => count(completedIn(it, server))), count(failedIn(it))]),
    },
  };
}
