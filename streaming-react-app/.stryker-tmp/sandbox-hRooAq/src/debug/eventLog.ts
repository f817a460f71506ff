/** The latest messages to and from the server, for the debug panel. Audio is summed up by second. */
// @ts-nocheck


export interface LogEntry {
  id: number;
  time: number;
  direction: 'in' | 'out';
  event: string;
  detail: string;
}

const MOST_ENTRIES = 2000;
const LONGEST_DETAIL = 600;

function bytesIn(value: unknown): number {
  if (value instanceof ArrayBuffer) return value.byteLength;
  return ArrayBuffer.isView(value) ? value.byteLength : 0;
}

/** JSON with binary parts named by their size instead of written out. */
export function describePayload(payload: unknown): string {
  const text = JSON.stringify(payload, (_key, value: unknown) => {
    const bytes = bytesIn(value);
    return bytes > 0 ? `<${String(bytes)} bytes>` : value;
  }) as string | undefined;
  const detail = text ?? '';
  return detail.length > LONGEST_DETAIL ? `${detail.slice(0, LONGEST_DETAIL)}…` : detail;
}

export class EventLog {
  private entries: LogEntry[] = [];
  private count = 0;
  private readonly watchers = new Set<() => void>();
  private audio: { entry: LogEntry; frames: number; bytes: number } | null = null;

  add(direction: 'in' | 'out', event: string, payload: unknown, time = Date.now()): void {
    if (event === 'incoming_audio') {
      this.addAudio(bytesIn(payload), time);
      return;
    }
    this.append({ id: this.next(), time, direction, event, detail: describePayload(payload) });
  }

  private addAudio(bytes: number, time: number): void {
    if (!this.audio || time - this.audio.entry.time >= 1000) {
      const entry: LogEntry = {
        id: this.next(),
        time,
        direction: 'out',
        event: 'incoming_audio',
        detail: '',
      };
      this.audio = { entry, frames: 0, bytes: 0 };
      this.append(entry);
    }
    this.audio.frames += 1;
    this.audio.bytes += bytes;
    this.audio.entry.detail = `${String(this.audio.frames)} × <${String(this.audio.bytes)} bytes in all>`;
  }

  private next(): number {
    this.count += 1;
    return this.count;
  }

  private append(entry: LogEntry): void {
    this.entries = [...this.entries.slice(-(MOST_ENTRIES - 1)), entry];
    for (const watcher of this.watchers) watcher();
  }

  list(): readonly LogEntry[] {
    return this.entries;
  }

  subscribe(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}

/** Entries whose event or payload has all words of the filter; `-word` leaves entries out. */
export function filterLog(entries: readonly LogEntry[], filter: string): LogEntry[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    const text = `${entry.direction} ${entry.event} ${entry.detail}`.toLowerCase();
    return words.every((word) =>
      word.startsWith('-') && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word),
    );
  });
}
