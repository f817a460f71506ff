/** A first-in first-out queue of samples, held as the chunks that came. */
// @ts-nocheck

export class SampleQueue {
  private chunks: Float32Array[] = [];
  private offset = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(samples: Float32Array): void {
    if (samples.length === 0) return;
    this.chunks.push(samples);
    this.count += samples.length;
  }

  /** Copies up to `target.length` samples from `start` on without removing them; says how many. */
  peek(target: Float32Array, start = 0): number {
    let skip = start + this.offset;
    let written = 0;
    for (const chunk of this.chunks) {
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + target.length - written);
      target.set(part, written);
      written += part.length;
      skip = 0;
      if (written === target.length) break;
    }
    return written;
  }

  /** Removes up to `count` samples; says how many. */
  drop(count: number): number {
    const removed = Math.min(count, this.count);
    this.count -= removed;
    this.offset += removed;
    let first = this.chunks[0];
    while (first && this.offset >= first.length) {
      this.offset -= first.length;
      this.chunks.shift();
      first = this.chunks[0];
    }
    return removed;
  }

  clear(): void {
    this.chunks = [];
    this.offset = 0;
    this.count = 0;
  }
}
