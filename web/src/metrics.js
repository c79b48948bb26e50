// Prometheus' text format, and what can be read out of two readings of it.

/// Name to value; of a histogram, NAME to {count, sum, buckets: [[bound, cumulative count]...]}. Series with
/// other labels are added up.
export function parse(text) {
  const values = new Map();
  const histogram = (name) => {
    if (!values.has(name)) values.set(name, { count: 0, sum: 0, buckets: [] });
    return values.get(name);
  };
  const histograms = new Set();
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) histogram$/.exec(line);
    if (type) histograms.add(type[1]);
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (!sample) continue;
    const [, name, labels, number] = sample;
    const value = Number(number.replace('Inf', 'Infinity'));
    const part = /^(.*)_(bucket|sum|count)$/.exec(name);
    if (part && histograms.has(part[1])) {
      const h = histogram(part[1]);
      const le = part[2] === 'bucket' && /le="([^"]*)"/.exec(labels ?? '');
      if (le) h.buckets.push([le[1] === '+Inf' ? Infinity : Number(le[1]), value]);
      else h[part[2]] = value;
    } else if (Number.isFinite(value)) {
      values.set(name, (values.get(name) ?? 0) + value);
    }
  }
  return values;
}

/// Mean of what came between two readings; null if nothing did.
export function mean(then, now) {
  const n = now.count - then.count;
  return n > 0 ? (now.sum - then.sum) / n : null;
}

/// The quantile of what came between two readings, evenly spread within its bucket; null if nothing came.
export function quantile(q, then, now) {
  const n = now.count - then.count;
  if (!(n > 0)) return null;
  let lower = 0;
  let before = 0;
  for (let i = 0; i < now.buckets.length; ++i) {
    const [bound, count] = now.buckets[i];
    const upTo = count - (then.buckets[i]?.[1] ?? 0);
    if (upTo >= q * n) {
      if (bound === Infinity) return lower;
      return lower + (bound - lower) * ((q * n - before) / (upTo - before));
    }
    lower = bound;
    before = upTo;
  }
  return null;
}

const kRateS = 2; // rates are taken over at least this long
const kLatencyS = 10;
const kKeepS = 600;

/// Readings over the last ten minutes.
export class History {
  constructor() {
    this.readings = []; // {time, values}; values null where the server did not answer
    this.rows = []; // {time, ...what is plotted}
  }

  add(time, values) {
    const last = this.last();
    // A server that was started anew counts from zero.
    if (last && values && this.generated(values) < this.generated(last.values)) this.readings = [];
    this.readings.push({ time, values });
    this.rows.push({ time, ...(values ? this.row(time, values) : {}) });
    while (this.readings[0].time < time - kLatencyS - 60) this.readings.shift();
    while (this.rows[0].time < time - kKeepS) this.rows.shift();
  }

  last() {
    return this.readings.findLast((r) => r.values);
  }

  generated(values) {
    return values.get('weir_generated_tokens_total') ?? 0;
  }

  /// The latest reading that is at least `age` seconds old, or else the oldest.
  before(time, age) {
    const known = this.readings.filter((r) => r.values && r.time < time);
    return known.findLast((r) => r.time <= time - age) ?? known[0];
  }

  row(time, values) {
    const row = {};
    const recent = this.before(time, kRateS);
    const rate = (field, name) => {
      if (!recent || !values.has(name) || !recent.values.has(name)) return;
      row[field] = (values.get(name) - recent.values.get(name)) / (time - recent.time);
    };
    rate('generated', 'weir_generated_tokens_total');
    rate('prefilled', 'weir_prefilled_tokens_total');
    rate('cached', 'weir_cached_tokens_total');
    // Of the time in steps, the share that this machine could not have done without.
    if (recent && values.has('weir_step_limit_seconds_total')) {
      const more = (name) => values.get(name) - (recent.values.get(name) ?? 0);
      const inSteps = more('weir_step_seconds_total');
      row.share = inSteps > 0 ? more('weir_step_limit_seconds_total') / inSteps : null;
    }
    const older = this.before(time, kLatencyS);
    for (const field of ['ttft', 'itl']) {
      const now = values.get(`weir_${field}_seconds`);
      const then = older?.values.get(`weir_${field}_seconds`);
      if (!now || !then) continue;
      row[`${field}_mean`] = mean(then, now);
      row[`${field}_p95`] = quantile(0.95, then, now);
    }
    const gauge = (field, name) => {
      if (values.has(name)) row[field] = values.get(name);
    };
    gauge('active', 'weir_active');
    gauge('decoding', 'weir_decoding');
    gauge('queued', 'weir_queued');
    if (values.get('weir_kv_pages') > 0 && values.has('weir_kv_pages_free')) {
      const pages = values.get('weir_kv_pages');
      const kept = values.get('weir_kv_pages_kept');
      row.kv_used = 1 - (values.get('weir_kv_pages_free') + (kept ?? 0)) / pages;
      if (kept !== undefined) row.kv_kept = kept / pages;
    }
    return row;
  }

  /// The values of a field over time, null where there is none; undefined if there never was.
  series(field) {
    return this.rows.some((row) => field in row) ? this.rows.map((row) => row[field] ?? null) : undefined;
  }

  times() {
    return this.rows.map((row) => row.time);
  }
}
