/** How much audio the server takes per second of wall clock, over a sliding window. */

const WINDOW_MS = 5000;

export class Pace {
  private marks: { takenMs: number; time: number }[] = [];

  /** The pace now: 1 keeps up with real time; null until there is something to compare with. */
  add(takenMs: number, time: number): number | null {
    this.marks.push({ takenMs, time });
    while (this.marks.length > 2 && time - (this.marks[0]?.time ?? time) > WINDOW_MS) {
      this.marks.shift();
    }
    const first = this.marks[0];
    if (!first || time - first.time < WINDOW_MS / 5) return null;
    return (takenMs - first.takenMs) / (time - first.time);
  }
}
