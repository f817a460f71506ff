// @ts-nocheck
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useClient } from '../app/client';
import { percentile } from './metrics';
import type { Metrics, Series } from './metrics';

interface Shown {
  series: Series;
  label: string;
  /** Name of a colour of the theme. */
  stroke: string;
}

interface Props {
  title: string;
  unit: string;
  series: Shown[];
}

const WINDOW_MS = 90_000;
const REDRAW_MS = 500;
const HEIGHT = 150;

/** The chart's columns: one time axis for all series, with gaps where a series has no point. */
export function columns(metrics: Metrics, series: readonly Series[], since: number) {
  const times = new Set<number>();
  const maps = series.map((name) => {
    const points = metrics.points(name, since);
    points.forEach((point) => times.add(point.time));
    return new Map(points.map((point) => [point.time, point.value]));
  });
  const axis = [...times].sort((a, b) => a - b);
  return [
    axis.map((time) => time / 1000),
    ...maps.map((map) => axis.map((time) => map.get(time) ?? null)),
  ] as uPlot.AlignedData;
}

function clockTimes(_chart: uPlot, ticks: number[]): string[] {
  return ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(3, 8));
}

function themeColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function LiveChart({ title, unit, series }: Props) {
  const { metrics } = useClient();
  const place = useRef<HTMLDivElement>(null);
  const [summary, setSummary] = useState('');
  const key = series.map((item) => item.series).join();

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const axis = { stroke: themeColour('--quiet'), grid: { stroke: themeColour('--divider') } };
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: true, live: false },
        cursor: { show: false },
        axes: [
          { ...axis, values: clockTimes },
          { ...axis, size: 60, values: (_u, ticks) => ticks.map((v) => `${String(v)} ${unit}`) },
        ],
        scales: {
          x: { range: () => [(Date.now() - WINDOW_MS) / 1000, Date.now() / 1000] },
          y: { range: (_u, _low, high) => [0, Math.max(1, (high || 0) * 1.1)] },
        },
        series: [
          {},
          ...series.map((item) => ({
            label: item.label,
            stroke: themeColour(item.stroke),
            width: 2,
            spanGaps: true,
            points: { size: 5 },
          })),
        ],
      },
      columns(metrics, [], 0),
      element,
    );
    const draw = () => {
      const since = Date.now() - WINDOW_MS;
      chart.setData(
        columns(
          metrics,
          series.map((item) => item.series),
          since,
        ),
      );
      const first = series[0];
      const points = first ? metrics.points(first.series, since) : [];
      const median = percentile(points, 0.5);
      const high = percentile(points, 0.95);
      setSummary(
        median === null || high === null || unit !== 'ms'
          ? ''
          : `${first?.label ?? ''}: median ${String(Math.round(median))} ms, 95 % under ${String(Math.round(high))} ms`,
      );
    };
    draw();
    const timer = setInterval(draw, REDRAW_MS);
    const resized = new ResizeObserver(() =>
      chart.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      clearInterval(timer);
      resized.disconnect();
      chart.destroy();
    };
    // The series are literals of the panel: their names say all that may change.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [metrics, key, unit]);

  return (
    <figure className="chart" aria-label={title}>
      <figcaption>
        <strong>{title}</strong> <span className="hint">{summary || ' '}</span>
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}
