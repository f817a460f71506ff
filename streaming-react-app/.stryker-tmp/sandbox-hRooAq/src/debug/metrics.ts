/** Time series for the debug panel's charts, bounded. */
// @ts-nocheck


export type Series =
  'textLatency' | 'textDelay' | 'speechLatency' | 'lag' | 'queued' | 'behind' | 'realTimeFactor';

export interface Point {
  time: number;
  value: number;
}

const MOST_POINTS = 900;
const RECENT = 12;

export class Metrics {
  private readonly series = new Map<Series, Point[]>();

  add(series: Series, value: number | null | undefined, time = Date.now()): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const points = this.series.get(series) ?? [];
    points.push({ time, value });
    if (points.length > MOST_POINTS) points.splice(0, points.length - MOST_POINTS);
    this.series.set(series, points);
  }

  /** Median of the latest points; null without any. */
  recent(series: Series): number | null {
    return percentile((this.series.get(series) ?? []).slice(-RECENT), 0.5);
  }

  points(series: Series, since: number): Point[] {
    return (this.series.get(series) ?? []).filter((point) => point.time >= since);
  }
}

/** Share of points at or below which `share` of them lie; null without points. */
export function percentile(points: readonly Point[], share: number): number | null {
  const sorted = points.map((point) => point.value).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
}
