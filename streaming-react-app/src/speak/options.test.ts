import { expect, it } from 'vitest';
import { chosenOptions, paceRange } from './options';

const threshold = (low: number | null, high: number | null) => [
  { name: 'chunk_ms', low: 20, high: 60_000, default: null },
  { name: 'decision_threshold', low, high, default: null },
];

it('leaves the model its own pace until somebody chooses one', () => {
  expect(chosenOptions({ pace: 0, voice: 1 }, threshold(0, 1))).toEqual({});
  expect(chosenOptions({ pace: 0.6, voice: 1 }, threshold(0, 1))).toEqual({
    decision_threshold: 0.6,
  });
});

it("stays within the operator's range, which may leave nothing to choose", () => {
  expect(chosenOptions({ pace: 0.9, voice: 1 }, threshold(0.4, 0.8))).toEqual({
    decision_threshold: 0.8,
  });
  expect(chosenOptions({ pace: 0.2, voice: 1 }, threshold(0.4, 0.8))).toEqual({
    decision_threshold: 0.4,
  });
  expect(paceRange(threshold(0.5, 0.5))).toBeNull();
  expect(chosenOptions({ pace: 0.6, voice: 2 }, [])).toEqual({});
});

it('asks for a voice where one is chosen', () => {
  const options = [{ name: 'voice_number', low: 1, high: 2, default: null }];
  expect(chosenOptions({ pace: 0, voice: 1 }, options)).toEqual({});
  expect(chosenOptions({ pace: 0, voice: 3 }, options)).toEqual({ voice_number: 2 });
});
