// Histograms: what is in one, and the curve of its percentiles.

// The buckets of a histogram (HdrHistogram's encoding V2, deflated, base64): from, to, how many. In
// microseconds; it is kept in nanoseconds.
async function bucketsOf(base64) {
  const bytes = bytesOf(base64);
  const length = new DataView(bytes.buffer).getInt32(4);
  const payload = await inflated(bytes.subarray(8, 8 + length));
  const view = new DataView(payload.buffer);
  const end = 40 + view.getInt32(4);
  const digits = view.getInt32(12);
  const unit = Math.floor(Math.log2(Number(view.getBigInt64(16))));
  const half = 2 ** (Math.ceil(Math.log2(2 * 10 ** digits)) - 1);
  const buckets = [];
  let at = 40;
  for (let index = 0; at < end; ) {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = payload[at++];
      const isLast = shift === 56 || byte < 128;
      value += (isLast ? byte : byte - 128) * 2 ** shift;
      if (isLast) break;
    }
    if (value % 2 === 1) {
      // So many in a row are empty.
      index += (value + 1) / 2;
      continue;
    }
    if (value > 0) {
      const doubled = Math.max(Math.floor(index / half) - 1, 0);
      const within = index < half ? index : (index % half) + half;
      const width = 2 ** (doubled + unit);
      buckets.push([(within * width) / 1e3, ((within + 1) * width) / 1e3, value / 2]);
    }
    index += 1;
  }
  return buckets;
}

const read = new WeakMap();

// Reads the histograms of these statistics, where they have any: for `bucketsIn`.
async function readAll(statistics) {
  for (const it of statistics) {
    if (it?.histogram && !read.has(it)) read.set(it, await bucketsOf(it.histogram));
  }
}

// The buckets of statistics that were read; nothing where they have none.
const bucketsIn = (statistics) => read.get(statistics);

// What took no longer than which part of all: points of a curve, up to where ten samples lie beyond.
function curveOf(buckets) {
  const all = buckets.reduce((sum, [, , many]) => sum + many, 0);
  const points = [];
  let below = 0;
  for (const [from, to, many] of buckets) {
    // A sample counts as the middle of its bucket, as in all figures.
    const middle = (from + to) / 2;
    // The tenth sample from the end may be one of many in its bucket.
    const known = Math.min(below + many, all - 10);
    if (known > below) points.push([known / all, middle]);
    below += many;
  }
  return points;
}

// The same from the percentiles that a document has of a series anyway.
function pointsOf(statistics) {
  const known = [[0.5, "p50"], [0.9, "p90"], [0.95, "p95"], [0.99, "p99"], [0.999, "p999"], [0.9999, "p9999"]];
  return known.filter(([, name]) => statistics[name] !== undefined).map(([part, name]) => [part, statistics[name]]);
}
