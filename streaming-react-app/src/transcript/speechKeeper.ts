/** Keeps the translated speech for a download, up to a bound (the oldest goes first). */
export class SpeechKeeper {
  private parts: ArrayBuffer[] = [];
  private rate = 0;
  private bytes = 0;

  constructor(private readonly maxSeconds = 2 * 3600) {}

  add(pcm16: ArrayBuffer, sampleRate: number): void {
    if (pcm16.byteLength === 0) return;
    // A file has one rate: another model's speech begins a new one.
    if (sampleRate !== this.rate) this.clear();
    this.rate = sampleRate;
    this.parts.push(pcm16);
    this.bytes += pcm16.byteLength;
    while (this.seconds > this.maxSeconds) this.bytes -= this.parts.shift()?.byteLength ?? 0;
  }

  get seconds(): number {
    return this.rate === 0 ? 0 : this.bytes / 2 / this.rate;
  }

  get sampleRate(): number {
    return this.rate;
  }

  get chunks(): readonly ArrayBuffer[] {
    return this.parts;
  }

  clear(): void {
    this.parts = [];
    this.bytes = 0;
  }
}
