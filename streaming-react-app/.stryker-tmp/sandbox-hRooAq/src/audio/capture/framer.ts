/** Cuts a stream of blocks into frames of equal length, mixed down to one channel. */
// @ts-nocheck

export class Framer {
  private readonly frame: Float32Array;
  private filled = 0;

  constructor(
    length: number,
    private readonly emit: (frame: Float32Array) => void,
  ) {
    this.frame = new Float32Array(length);
  }

  push(channels: readonly Float32Array[]): void {
    const length = channels[0]?.length ?? 0;
    for (let i = 0; i < length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i] ?? 0;
      this.frame[this.filled] = sum / channels.length;
      this.filled += 1;
      if (this.filled === this.frame.length) {
        this.emit(this.frame);
        this.filled = 0;
      }
    }
  }
}
