/** What this speaker asks of its stream, within what the server allows. */
import type { StreamOption } from '../net/api';
import type { Preferences } from '../state/preferences';

export const PACE = 'decision_threshold';
const VOICE = 'voice_number';

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

const within = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** Options by name, for `configure_stream`. */
export function chosenOptions(
  { pace, voice }: Pick<Preferences, 'pace' | 'voice'>,
  options: readonly StreamOption[],
): Record<string, number> {
  const chosen: Record<string, number> = {};
  const range = paceRange(options);
  if (pace !== 0 && range !== null) chosen[PACE] = within(pace, range.min, range.max);
  const voices = options.find(({ name }) => name === VOICE);
  if (voice !== 1 && voices) chosen[VOICE] = within(voice, voices.low ?? 1, voices.high ?? voice);
  return chosen;
}
