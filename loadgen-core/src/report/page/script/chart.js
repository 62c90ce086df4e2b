// One chart in the page: drawing it, zooming it, and what is in its legend.

// By its name in the page: what makes a chart of a scenario, or of what it is `of` else, for so much width, and the
// statistics whose histograms it needs; and whether the page carries what it shows, where it may not.
const KINDS = {
  time: { make: timeChart, statistics: (it) => it.series.map((point) => point.response_time_us) },
  percentiles: { make: percentilesChart, statistics: (it) => [it.response_time_us, it.service_time_us] },
  backends: { make: backendsChart, statistics: () => [], isCarried: (it) => it.series.some((point) => point.backends) },
  timeline: { make: timelineChart, statistics: () => [], isCarried: (it) => it.timeline?.length > 0 },
  connections: { make: connectionsChart, statistics: () => [] },
  capacity: { make: capacityChart, of: (result) => result.capacity, statistics: () => [] },
  scalability: { make: scalabilityChart, of: (result) => result.capacity, statistics: () => [] },
};

// So many marks are listed below a chart, and shown where several lie near one another.
const MOST_MARKS = 24;
const MOST_POINTED = 8;

// A sheet of A4 has so many of a browser's points within its margins.
const PAPER = 690;

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.kind = figure.dataset.chart;
    this.scenario = Number(figure.dataset.scenario);
    this.canvas = figure.querySelector(".canvas");
    this.legend = figure.querySelector(".legend");
    this.data = figure.querySelector(".data");
    this.marks = figure.querySelector(".marks");
    this.zoom = [0, 100];
    this.selected = {};
    this.isSeen = false;
    this.turn = Promise.resolve();
    this.data.addEventListener("toggle", () => this.fillTable());
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    // Where something is pointed at, which goes on when it is drawn anew.
    this.canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => { this.pointed = [offsetX, offsetY]; });
    this.canvas.addEventListener("pointerleave", () => { this.pointed = null; });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.canvas);
  }

  // The page has it no longer.
  letGo() {
    this.observer.disconnect();
    this.instance?.dispose();
  }

  // What of a result it shows.
  subject(result) {
    const { of } = KINDS[this.kind];
    return of ? of(result) : result.scenarios[this.scenario];
  }

  // Draws what is newest, after what is being drawn.
  draw() {
    this.turn = this.turn.then(() => this.drawNow()).catch((error) => {
      this.canvas.textContent = "This chart could not be drawn.";
      console.error(error);
    });
    return this.turn;
  }

  async drawNow() {
    const result = newest;
    const subject = result && this.subject(result);
    if (!subject) return;
    const { isCarried } = KINDS[this.kind];
    if (isCarried && !isCarried(subject)) {
      this.canvas.textContent = "The page would be too large with what this chart shows.";
      return;
    }
    // What is folded is made ready all the same: for a printer.
    this.isSeen ||= this.canvas.clientWidth > 0;
    this.library = await withLibrary();
    await readAll(KINDS[this.kind].statistics(subject));
    this.result = result;
    if (this.canvas.clientWidth > 0) this.paint(this.canvas.clientWidth);
  }

  // Paints what was read. Does not wait for anything: a printer does not either.
  paint(width) {
    this.made = KINDS[this.kind].make(this.subject(this.result), width, this.selected);
    this.width = width;
    this.keepZoom();
    this.canvas.style.height = `${this.made.height}px`;
    if (!this.instance) {
      this.instance = this.library.init(this.canvas, null, { width, height: this.made.height });
      this.instance.on("datazoom", () => this.zoomed());
      // What lies on one axis of time is zoomed and pointed at together.
      if (this.made.zooms && this.kind !== "timeline" && this.kind !== "capacity") {
        this.instance.group = `scenario-${this.scenario}`;
        this.library.connect(this.instance.group);
      }
    } else {
      this.instance.resize({ width, height: this.made.height });
    }
    // What has nothing to be drawn of it is nothing to choose.
    const isDrawn = ({ key }) => this.made.option.series.some((it) => it.name === key && it.data.some(([, y]) => y !== null));
    this.made.legend = this.made.legend.map((it) => ({ key: it.name, ...it })).filter(isDrawn);
    for (const { key, isOff } of this.made.legend) this.selected[key] ??= !isOff;
    this.instance.setOption(this.option(), { notMerge: true });
    this.fitAxes();
    this.fillLegend();
    this.fillScale();
    this.fillMarks();
    this.fillTable();
    if (this.pointed) this.instance.dispatchAction({ type: "showTip", x: this.pointed[0], y: this.pointed[1] });
  }

  // A part that is looked at stays the same when the run gets longer; one up to the end goes on with it.
  keepZoom() {
    if (!this.made.zooms) return;
    const [{ min, max }] = [this.made.option.xAxis].flat();
    const before = this.range ?? [min, max];
    this.range = [min, max];
    if (this.zoom[0] === 0 && this.zoom[1] === 100) return;
    const moved = this.zoom.map((it) => {
      const at = before[0] + ((before[1] - before[0]) * it) / 100;
      return Math.min(100, Math.max(0, ((at - min) / (max - min || 1)) * 100));
    });
    if (this.zoom[1] === 100) moved[1] = 100;
    this.zoom = moved;
  }

  option() {
    const { option, zooms, height } = this.made;
    const all = [option.xAxis].flat().map((_, index) => index);
    const zoom = { xAxisIndex: all, start: this.zoom[0], end: this.zoom[1], filterMode: "none" };
    const isFine = matchMedia("(pointer: fine)").matches;
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      axisPointer: { link: [{ xAxisIndex: "all" }] },
      legend: { show: false, selected: this.selected },
      ...(zooms ? {
        dataZoom: [
          { ...zoom, type: "slider", top: height - 24, height: 14, left: [option.grid].flat()[0].left, right: 16, showDetail: false, brushSelect: false, borderColor: color("line"), fillerColor: "rgba(120,140,180,.18)", handleSize: "120%", handleStyle: { color: color("paper"), borderColor: color("soft") }, moveHandleSize: 0, dataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } }, selectedDataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } } },
          // On a phone a finger that moves over a chart means the page.
          ...(isFine ? [{ ...zoom, type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false }] : []),
        ],
      } : {}),
      ...option,
      tooltip: {
        trigger: "axis", confine: true, transitionDuration: 0, padding: [6, 10],
        backgroundColor: color("paper"), borderColor: color("line"), extraCssText: "box-shadow: 0 2px 10px rgba(0,0,0,.18)",
        ...option.tooltip,
        ...(this.shownMarks().length > 0 ? { formatter: (shown) => this.withMarks(option.tooltip.formatter(shown), shown[0].axisValue) } : {}),
      },
    };
  }

  // The marks that lie where the chart does.
  shownMarks() {
    const [{ min, max }] = [this.made.option.xAxis].flat();
    return (this.made.marks ?? []).filter(({ at }) => at >= min && at <= max);
  }

  // From when to when it shows, and how wide that is.
  shownRange() {
    const [{ min, max }] = [this.made.option.xAxis].flat();
    const [from, to] = this.zoom.map((it) => min + ((max - min) * it) / 100);
    const [{ left, right }] = [this.made.option.grid].flat();
    return { from, to, width: this.width - left - right };
  }

  // What is pointed at, with the whole text of each mark that is near.
  withMarks(made, x) {
    const { from, to, width } = this.shownRange();
    // The library takes for pointed at the point that is nearest: so are its marks.
    const points = this.made.option.series.find((it) => it.type !== "custom").data.map(([at]) => at);
    const nearest = (at) => points.reduce((best, it) => (Math.abs(it - at) < Math.abs(best - at) ? it : best), Infinity);
    const isNear = ({ at }) => (Math.abs(at - x) / (to - from || 1)) * width <= 8 || nearest(at) === x;
    const near = this.shownMarks().filter(isNear);
    for (const { number, at, text } of near.slice(0, MOST_POINTED)) {
      made.append(element("div", { class: "mark" }, element("b", { text: `${number}` }), element("span", { text: `${seconds(at)}: ${text}` })));
    }
    if (near.length > MOST_POINTED) made.append(element("div", { class: "mark", text: `and ${count(near.length - MOST_POINTED)} more` }));
    return made;
  }

  // Figures stand at round places, whatever part is shown.
  fitAxes() {
    if (!this.made.zooms) return;
    const axes = [this.made.option.xAxis].flat();
    const { from, to } = this.shownRange();
    const fit = this.made.fit ?? fitSeconds;
    this.instance.setOption({ xAxis: axes.map(() => fit(from, to, this.width)), ...this.fitMarks() });
  }

  // Numbers of marks lie over one another nowhere, whatever part is shown.
  fitMarks() {
    const marks = this.shownMarks();
    if (marks.length === 0) return {};
    const { from, to, width } = this.shownRange();
    const labels = labelled(marks, from, to, width);
    const labelOf = ({ number }) => ({ show: labels.has(number), formatter: labels.get(number) ?? "" });
    const highest = this.made.option.series.find((it) => it.markLine && (it.xAxisIndex ?? 0) === 0);
    const data = highest.markLine.data.map((it, index) => ({ ...it, label: { ...it.label, ...labelOf(marks[index]) } }));
    return { series: [{ name: highest.name, markLine: { data } }] };
  }

  zoomed() {
    const { start, end } = this.instance.getOption().dataZoom[0];
    if (start === this.zoom[0] && end === this.zoom[1]) return;
    this.zoom = [start, end];
    this.fitAxes();
  }

  press(event) {
    if (!this.made?.zooms || event.ctrlKey || event.metaKey || event.altKey) return;
    const [start, end] = this.zoom;
    const [wide, middle] = [end - start, (start + end) / 2];
    const around = (size) => [middle - size / 2, middle + size / 2];
    const moved = {
      "+": around(wide / 2), "=": around(wide / 2), "-": around(wide * 2), 0: [0, 100],
      ArrowLeft: [start - wide / 4, end - wide / 4], ArrowRight: [start + wide / 4, end + wide / 4],
    }[event.key];
    if (!moved) return;
    event.preventDefault();
    const size = Math.min(100, Math.max(0.2, moved[1] - moved[0]));
    const from = Math.min(100 - size, Math.max(0, moved[0]));
    this.instance.dispatchAction({ type: "dataZoom", start: from, end: from + size });
  }

  fillLegend() {
    // What is as it was stays: whoever is at one of the buttons is not to lose it.
    const shown = JSON.stringify(this.made.legend);
    if (shown === this.legendShown) return;
    this.legendShown = shown;
    const entries = this.made.legend.map(({ key, name, paint, shape }) => {
      const button = element("button", { type: "button", "aria-pressed": this.selected[key] }, swatch(paint, shape), name);
      button.addEventListener("click", () => {
        this.selected[key] = !this.selected[key];
        button.setAttribute("aria-pressed", this.selected[key]);
        if (this.made.stacks) this.draw();
        else this.instance.dispatchAction({ type: "legendToggleSelect", name: key });
      });
      return button;
    });
    const caption = this.figure.querySelector("figcaption");
    if (this.made.zooms && caption.children.length === 1) caption.append(element("small", { text: "zoom: ctrl + wheel, or + − ← → 0" }));
    this.legend.replaceChildren(...entries);
  }

  // What the numbers at marks stand for; of very many the first.
  fillMarks() {
    const marks = this.shownMarks();
    this.marks.hidden = marks.length === 0;
    const told = marks.slice(0, MOST_MARKS).map(({ number, at, text }) => element("li", {}, element("b", { text: `${number}` }), ` ${seconds(at)}: ${text}`));
    const more = marks.length - told.length;
    if (more > 0) told.push(element("li", { text: `and ${count(more)} more, listed below with the events` }));
    this.marks.replaceChildren(...told);
  }

  // It changes more often than what it stands beside.
  fillScale() {
    this.legend.querySelector(".scale")?.remove();
    this.legend.querySelector(".shapes")?.remove();
    if (this.made.shapes) this.legend.append(element("span", { class: "shapes", text: this.made.shapes }));
    if (this.made.scale) this.legend.append(element("span", { class: "scale" }, element("i"), this.made.scale));
  }

  // What is drawn, in figures: made when it is asked for.
  fillTable() {
    if (!this.data.open || !this.made) return;
    const { headings, rows } = this.made.table;
    const cells = (row) => row.map((text, index) => (index === 0 ? element("th", { scope: "row", text }) : element("td", { text })));
    const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col", text })));
    this.data.querySelector(".grid").replaceChildren(element("table", {},
      element("caption", { text: this.figure.querySelector("figcaption span").textContent }),
      element("thead", {}, head),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
    ));
  }

  resized() {
    if (this.isSeen && !this.isOnPaper && this.canvas.clientWidth !== this.width) this.draw();
  }

  // As it is to be printed: in light colours, as wide as the paper.
  toPaper() {
    this.isOnPaper = true;
    if (this.result) this.paint(PAPER);
  }

  fromPaper() {
    this.isOnPaper = false;
    if (this.result && this.canvas.clientWidth > 0) this.paint(this.canvas.clientWidth);
  }
}
