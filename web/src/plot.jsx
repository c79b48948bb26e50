import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

const kLeastSpanS = 60;
const kHeight = 150;

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });

function options(width, names, { format, steps }, setAt) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--dim'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: kHeight,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { y: false, drag: { setScale: false }, points: { size: 6 } },
    scales: {
      x: { range: (_, min, max) => [Math.min(min, max - kLeastSpanS), max] },
      y: { range: (_, min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 26, space: 90, values: (_, splits) => splits.map((s) => clock.format(s * 1000)) },
      { ...axis, size: 58, space: 32, gap: 8, ...(steps && { incrs: steps }), values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...names.map((_, i) => ({
        stroke: color(`--plot-${i + 1}`),
        width: 1.75,
        dash: i === 1 ? [6, 4] : i === 2 ? [2, 3] : undefined, // told apart without colours, too
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? null)] },
  };
}

/// Lines over time. `series`: [{label, values}], values null where there is a gap. `steps`: between labels of
/// the y axis, where not any will do.
export function Plot({ title, times, series, format, steps }) {
  const box = useRef();
  const plot = useRef();
  const [at, setAt] = useState(null);
  const dark = useDark();
  const data = [times, ...series.map((s) => s.values)];
  const names = series.map((s) => s.label);
  useEffect(() => {
    const element = box.current;
    if (!element) return; // the view was left before this ran
    const chart = new uPlot(options(element.clientWidth, names, { format, steps }, setAt), data, element);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: kHeight }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [dark, names.join()]);
  useEffect(() => {
    plot.current?.setData(data);
  }, [times]);
  const index = at ?? times.length - 1;
  const value = (values) => (values[index] == null ? '–' : format(values[index]));
  return (
    <section class="plot" aria-label={title}>
      <header>
        <h3>{title}</h3>
        <ul>
          {series.map((s, i) => (
            <li key={s.label} class={`line-${i + 1}`}>
              {s.label} <b>{value(s.values)}</b>
            </li>
          ))}
        </ul>
      </header>
      <div ref={box} aria-hidden="true" />
    </section>
  );
}

function useDark() {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = () => setDark(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return dark;
}
