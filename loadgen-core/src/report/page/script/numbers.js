// Numbers as people read them, as the library writes them in the rest of the page.

// Three significant digits below a thousand.
function significant(value) {
  const size = Math.abs(value);
  const text = value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const count = (value) => Math.round(value).toLocaleString("en-US");
const rate = (perSecond) => `${perSecond >= 100 ? count(perSecond) : significant(perSecond)}/s`;
const percent = (part) => `${significant(part * 100)} %`;

function micros(us) {
  if (us < 1) return `${significant(us * 1e3)} ns`;
  if (us < 999.5) return `${significant(us)} µs`;
  if (us < 999_500) return `${significant(us / 1e3)} ms`;
  return seconds(us / 1e6);
}

// A moment or a span: `250 ms`, `90 s`, `5 min`, `1 h 30 min`.
function seconds(s) {
  if (s !== 0 && s < 1) return `${significant(s * 1e3)} ms`;
  if (s < 120) return `${significant(s)} s`;
  const whole = Math.round(s);
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`).join(" ");
}
