/** Samples at another rate, by windowed-sinc interpolation (Smith, "Digital Audio Resampling", 2002). */
// @ts-nocheck


/** Zero crossings of the sinc on each side. */
const REACH = 12;

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
/** Hann window over [-1, 1]. */
const windowed = (x: number) => (Math.abs(x) >= 1 ? 0 : 0.5 + 0.5 * Math.cos(Math.PI * x));

export function resampled(
  samples: Float32Array,
  from: number,
  to: number,
): Float32Array<ArrayBuffer> {
  if (from === to) return Float32Array.from(samples);
  const step = from / to;
  // What the lower of the two rates cannot carry is taken away.
  const cut = Math.min(1, to / from);
  const reach = REACH / cut;
  const result = new Float32Array(Math.round(samples.length / step));
  for (let i = 0; i < result.length; i += 1) {
    const at = i * step;
    let sum = 0;
    for (let k = Math.ceil(at - reach); k <= at + reach; k += 1) {
      const sample = samples[k];
      if (sample !== undefined)
        sum += sample * cut * sinc(cut * (at - k)) * windowed((at - k) / reach);
    }
    result[i] = sum;
  }
  return result;
}
