/** What this speaker asks of its stream, within what the server allows. */
// @ts-nocheck

import type { StreamOption } from '../net/api';
import type { Preferences } from '../state/preferences';

export const PACE = 'decision_threshold';

/** The slider's ends: beyond them a translation is no more useful, whatever the server allows. */
const SOONEST = 0.2;
const STEADIEST = 0.95;

/** Where the slider may stand; null where the operator keeps that to himself. */
export function paceRange(options: readonly StreamOption[]): { min: number; max: number } | null {
  const option = options.find(({ name }) => name === PACE);
  if (option?.low == null || option.high == null) return null;
  const min = Math.max(option.low, SOONEST);
  const max = Math.min(option.high, STEADIEST);
  return min < max ? { min, max } : null;
}

/** Options by name, for `configure_stream`. */
export function chosenOptions(
  { pace }: Pick<Preferences, 'pace'>,
  options: readonly StreamOption[],
): Record<string, number> {
  const range = paceRange(options);
  if (pace === 0 || range === null) return {};
  return { [PACE]: Math.min(range.max, Math.max(range.min, pace)) };
}
