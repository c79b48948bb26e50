// How the server is doing, read from /metrics each second. What it does not tell is not shown.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api.js';
import { seconds } from './message.jsx';
import { History, parse } from './metrics.js';
import { Plot } from './plot.jsx';

const kPollMs = 1000;

const whole = (n) => Math.round(n).toLocaleString();
const oneDigit = (n) => (n > 0 && n < 100 ? n.toFixed(1) : whole(n));
const percent = (n) => `${(100 * n).toFixed(n > 0 && n < 0.1 ? 1 : 0)} %`;
const least = (n) => (n === 0 ? '0' : seconds(n));

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i + 1 < units.length; ++i) n /= 1024;
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

function Tile({ label, value, note }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

function Tiles({ values, row }) {
  const tiles = [];
  const tile = (label, value, note) => tiles.push(<Tile key={label} {...{ label, value, note }} />);
  const known = (field) => row[field] !== undefined;
  const or = (value, format) => (value === null ? '–' : format(value));
  if (known('generated')) tile('Answers', oneDigit(row.generated), 'tok/s');
  if (known('prefilled')) tile('Prompts', oneDigit(row.prefilled), 'tok/s');
  if (known('active')) tile('Users', whole(row.active), known('queued') ? `${whole(row.queued)} waiting` : '');
  if (known('ttft_mean')) tile('First token', or(row.ttft_mean, seconds));
  if (known('itl_mean')) tile('Next token', or(row.itl_mean, seconds));
  if (known('share')) tile('Of the limit', or(row.share, percent));
  const prefilled = values.get('weir_prefilled_tokens_total');
  const cached = values.get('weir_cached_tokens_total');
  if (prefilled + cached > 0) tile('From cache', percent(cached / (prefilled + cached)));
  return <dl class="tiles">{tiles}</dl>;
}

function Memory({ values }) {
  const parts = [
    ['Weights', 'weir_weights_bytes'],
    ['Keys and values', 'weir_kv_bytes'],
    ['States', 'weir_state_bytes'],
    ['Workspace', 'weir_workspace_bytes'],
  ].filter(([, name]) => values.has(name));
  if (parts.length === 0) return null;
  const all = parts.reduce((sum, [, name]) => sum + values.get(name), 0);
  const pages = values.get('weir_kv_pages');
  const free = values.get('weir_kv_pages_free');
  const note = (name) => {
    if (name === 'weir_kv_bytes' && pages > 0 && free !== undefined) {
      return `${percent((pages - free - (values.get('weir_kv_pages_kept') ?? 0)) / pages)} in use`;
    }
    const checkpoints = values.get('weir_checkpoints');
    if (name === 'weir_state_bytes' && checkpoints !== undefined) return `${whole(checkpoints)} kept for later`;
    return '';
  };
  return (
    <section class="plot memory" aria-label="Memory">
      <header>
        <h3>Memory</h3>
        <ul>
          <li>
            together <b>{bytes(all)}</b>
          </li>
        </ul>
      </header>
      <table>
        <tbody>
          {parts.map(([label, name]) => (
            <tr key={name}>
              <th scope="row">{label}</th>
              <td>{bytes(values.get(name))}</td>
              <td class="bar">
                <meter min={0} max={1} value={all > 0 ? values.get(name) / all : 0} aria-hidden="true" />
              </td>
              <td class="hint">{note(name)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const kPlots = [
  {
    title: 'Tokens per second',
    format: oneDigit,
    fields: [
      ['generated', 'answers'],
      ['prefilled', 'prompts'],
      ['cached', 'cached'],
    ],
  },
  {
    title: 'Users',
    steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    format: whole,
    fields: [
      ['active', 'active'],
      ['decoding', 'decoding'],
      ['queued', 'waiting'],
    ],
  },
  {
    title: 'Time to the first token',
    format: least,
    fields: [
      ['ttft_mean', 'mean'],
      ['ttft_p95', '95 %'],
    ],
  },
  {
    title: 'Time between tokens',
    format: least,
    fields: [
      ['itl_mean', 'mean'],
      ['itl_p95', '95 %'],
    ],
  },
  {
    title: 'Keys and values',
    format: percent,
    fields: [
      ['kv_used', 'in use'],
      ['kv_kept', 'kept for later'],
    ],
  },
  { title: "Share of the machine's limit", format: percent, fields: [['share', 'share']] },
];

/// Reads /metrics while the view is open and can be seen.
function useHistory(chats) {
  const history = useRef();
  history.current ??= new History();
  const [state, setState] = useState({ values: null, error: null });
  useEffect(() => {
    const abort = new AbortController();
    let timer;
    const poll = async () => {
      if (!document.hidden) {
        const time = Date.now() / 1000;
        try {
          const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(5 * kPollMs)]);
          const values = parse(await (await get('metrics', chats.key, signal)).text());
          history.current.add(time, values);
          setState({ values, error: null });
        } catch (error) {
          if (abort.signal.aborted) return;
          history.current.add(time, null);
          setState({ values: null, error });
        }
      }
      if (!abort.signal.aborted) timer = setTimeout(poll, kPollMs);
    };
    poll();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [chats.key]);
  return { history: history.current, ...state };
}

export function Live({ chats }) {
  const { history, values, error } = useHistory(chats);
  const times = history.times();
  const plots = kPlots
    .map(({ fields, ...rest }) => ({
      ...rest,
      series: fields
        .map(([field, label]) => ({ label, values: history.series(field) }))
        .filter((s) => s.values),
    }))
    .filter((plot) => plot.series.length > 0);
  return (
    <main class="live">
      {error && (
        <p class="error" role="alert">
          {error.status === undefined ? 'The server does not answer.' : error.message}
        </p>
      )}
      {values && <Tiles values={values} row={history.rows.at(-1)} />}
      <div class="plots">
        {plots.map((plot) => (
          <Plot key={plot.title} times={times} {...plot} />
        ))}
        {values && <Memory values={values} />}
      </div>
      {values && <p class="hint">Rates over the last 2 s, latencies over the last 10 s; 95 % to within a bucket of the histogram.</p>}
    </main>
  );
}
