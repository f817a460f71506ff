import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CapturedFrame } from '../audio/capture/messages';
import { CaptureError } from '../audio/capture/problems';
import type { CaptureHandlers, RunningSource } from '../audio/capture/source';
import type { Room } from '../app/room';
import { Metrics } from '../debug/metrics';
import { Trace } from '../debug/trace';
import type { Connection } from '../net/connection';
import { values } from '../state/store';
import type { Capability, StreamStatus } from '../wire/messages';
import { Speaker } from './speaker';

const RATE = 16_000;

/** A source of sound that a test plays. */
class Played implements RunningSource {
  rate = RATE;
  label = 'A source';
  duration: number | null = null;
  running = true;
  stopped = false;
  monitor = -1;
  constructor(
    readonly handlers: CaptureHandlers,
    readonly patient: boolean,
  ) {}
  pause = () => {
    this.running = false;
    return Promise.resolve();
  };
  resume = () => {
    this.running = true;
    return Promise.resolve();
  };
  setMonitor = (gain: number) => {
    this.monitor = gain;
  };
  stop = () => {
    this.stopped = true;
    return Promise.resolve();
  };
  /** One frame of 20 ms whose samples are a number. */
  frame(mark: number): void {
    const pcm = new Int16Array(RATE / 50).fill(mark).buffer;
    this.handlers.onFrame({ pcm, rms: 0.5, peak: 0.75 } as CapturedFrame);
  }
}

let sources: Played[] = [];
let refuses: Error | null = null;
/** The microphone is had when this is there. */
let permission: Promise<unknown> = Promise.resolve({});

vi.mock('../audio/capture/liveSource', () => ({
  requestMicrophone: () => (refuses ? Promise.reject(refuses) : permission),
  requestTabAudio: () => Promise.resolve({}),
  openLiveSource: (_: unknown, handlers: CaptureHandlers) => {
    const source = new Played(handlers, false);
    sources.push(source);
    return Promise.resolve(source);
  },
}));
vi.mock('../audio/capture/fileSource', () => ({
  fetchClip: () => Promise.resolve(new ArrayBuffer(8)),
  openFileSource: (_: unknown, label: string, handlers: CaptureHandlers) => {
    const source = new Played(handlers, true);
    source.label = label;
    source.duration = 12;
    sources.push(source);
    return Promise.resolve(source);
  },
}));

type Answer = Record<string, unknown>;

/** A connection whose other end a test plays. */
class Wire {
  connected = true;
  handlers = new Map<string, (data: unknown) => void>();
  calls: [string, unknown][] = [];
  answers: (Answer | Error)[] = [];
  audio: ArrayBuffer[] = [];
  acks: ((queuedMs: number) => void)[] = [];
  has: number | null = 0;
  on = (event: string, handler: (data: unknown) => void) => this.handlers.set(event, handler);
  tell(event: string, data: unknown): void {
    this.handlers.get(event)?.(data);
  }
  setDynamicConfig = (config: unknown) => {
    this.calls.push(['set_dynamic_config', config]);
    return Promise.resolve({ status: 'ok', message: '' });
  };
  configureStream = (config: unknown) => {
    this.calls.push(['configure_stream', config]);
    const answer = this.answers.shift() ?? { status: 'ok', message: 'server_ready' };
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  stopStream = () => {
    this.calls.push(['stop_stream', null]);
    return Promise.resolve({ status: 'ok', message: '' });
  };
  receivedMs = () => {
    this.calls.push(['received', null]);
    return Promise.resolve(this.has);
  };
  sendAudio = (pcm: ArrayBuffer, onAck?: (queuedMs: number) => void) => {
    this.audio.push(pcm);
    if (onAck) this.acks.push(onAck);
  };
  count(event: string): number {
    return this.calls.filter(([name]) => name === event).length;
  }
  /** The numbers of the frames that were sent. */
  get marks(): number[] {
    return this.audio
      .filter((pcm) => pcm.byteLength > 2)
      .flatMap((pcm) => [...new Int16Array(pcm)].filter((_, i) => i % (RATE / 50) === 0));
  }
  get nothings(): number {
    return this.audio.filter((pcm) => pcm.byteLength === 2).length;
  }
}

interface World {
  wire: Wire;
  speaker: Speaker;
  view: ReturnType<typeof values<{ state: unknown }>>;
  source: () => Played;
}

const ALL = ['deu', 'eng', 'spa'];
const model = (name: string, more: Partial<Capability> = {}): Capability => ({
  name,
  description: '',
  modalities: ['s2t', 's2s'],
  targetLangs: ALL,
  speechLangs: ALL,
  sourceLangs: ALL,
  captionLangs: [],
  voices: {},
  dynamicParams: [],
  loaded: true,
  demonstration: false,
  sureFrom: 0.5,
  ...more,
});
const TINY = model('tiny');
const LAPTOP = [
  model('phrasebook', { sourceLangs: ['eng'], demonstration: true }),
  model('recogniser', { modalities: ['s2t'], speechLangs: [], captionLangs: ['deu', 'spa'] }),
];

function world(models: Capability[] = [TINY]): World {
  const wire = new Wire();
  const view = values<{ state: unknown }>({ state: null });
  const room = {
    me: 'me',
    view,
    model: null,
    server: values({ state: { agentsCapabilities: models } }),
    get streaming() {
      const { state } = view.getState() as {
        state: { members: Record<string, { transcoder: boolean }> } | null;
      };
      return state?.members['me']?.transcoder ?? false;
    },
  };
  const speaker = new Speaker(
    wire as unknown as Connection,
    room as unknown as Room,
    new Metrics(),
    new Trace(),
  );
  const source = () => {
    const last = sources.at(-1);
    if (!last) throw new Error('no source is open');
    return last;
  };
  return { wire, speaker, view, source };
}

const MICROPHONE = {
  kind: 'microphone',
  deviceId: null,
  noiseSuppression: true,
  echoCancellation: true,
} as unknown as Parameters<Speaker['start']>[0];
const CLIP = { kind: 'clip', url: '/clip', name: 'A clip' } as const;

const streams = (transcoder: boolean) => ({ state: { members: { me: { transcoder } } } });

const status = (queuedMs: number) => ({ queuedMs, lagMs: 1, realTimeFactor: 0.5 }) as StreamStatus;

async function live(spec: Parameters<Speaker['start']>[0] = MICROPHONE): Promise<World> {
  const made = world();
  await made.speaker.start(spec);
  made.view.setState(streams(true));
  expect(made.speaker.state.getState().phase).toBe('live');
  return made;
}

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  refuses = null;
  permission = Promise.resolve({});
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a stream begins', () => {
  it('configures the stream as it was chosen and sends what is captured', async () => {
    const { wire, speaker, source } = world();
    speaker.state.setState({ output: 's2t', record: true, targetLanguage: 'spa', monitor: 0.4 });
    await speaker.start(MICROPHONE);
    const configs = wire.calls.filter(([name]) => name === 'configure_stream');
    expect(configs).toHaveLength(1);
    expect(configs[0]?.[1]).toMatchObject({
      rate: RATE,
      model_name: 'tiny',
      model_type: 's2t',
      debug: true,
    });
    expect(wire.calls[0]?.[0]).toBe('set_dynamic_config');
    expect(wire.calls[0]?.[1]).toMatchObject({ targetLanguage: 'spa' });
    const state = speaker.state.getState();
    expect(state).toMatchObject({
      phase: 'live',
      sourceKind: 'microphone',
      sourceLabel: 'A source',
      waitReason: null,
    });
    expect(state.startedAt).toBe(Date.now());
    expect(source().monitor).toBe(0.4);
    for (let i = 1; i <= 3; i += 1) source().frame(i);
    expect(wire.marks).toEqual([1, 2, 3]);
    expect(speaker.level.getState()).toEqual({ rms: 0.5, peak: 0.75 });
  });

  it('asks for the model that was chosen', async () => {
    const { wire, speaker } = world();
    speaker.state.setState({ model: 'large' });
    await speaker.start(MICROPHONE);
    expect(wire.calls.at(-1)?.[1]).toMatchObject({ model_name: 'large', model_type: 's2s&t' });
  });

  it('leaves the choice between several models to the server, as text where none speaks', async () => {
    const { wire, speaker } = world(LAPTOP);
    speaker.state.setState({ sourceLanguage: 'eng', targetLanguage: 'spa' });
    await speaker.start(MICROPHONE);
    expect(wire.calls.at(-1)?.[1]).toMatchObject({ model_name: 'auto', model_type: 's2s&t' });
    speaker.state.setState({ targetLanguage: 'eng' });
    await speaker.start(MICROPHONE);
    expect(wire.calls.at(-1)?.[1]).toMatchObject({ model_name: 'auto', model_type: 's2t' });
  });

  it('goes on with another model when the running one cannot do what is wanted now', async () => {
    const { wire, speaker, source } = world(LAPTOP);
    speaker.state.setState({ sourceLanguage: 'eng', targetLanguage: 'eng' });
    wire.answers = [
      { status: 'ok', message: 'server_ready', model: 'recogniser' },
      { status: 'ok', message: 'server_ready', model: 'phrasebook' },
    ];
    await speaker.start(MICROPHONE);
    source().frame(1);
    wire.has = 20;
    await speaker.setLanguages({ target: 'eng' });
    expect(wire.count('stop_stream')).toBe(0);
    wire.calls = [];
    await speaker.setLanguages({ target: 'spa' });
    expect(wire.calls.map(([name]) => name)).toEqual([
      'received',
      'stop_stream',
      'set_dynamic_config',
      'configure_stream',
    ]);
    expect(speaker.state.getState()).toMatchObject({ phase: 'live', running: 'phrasebook' });
    source().frame(2);
    // What the first model had is not said to the second one.
    expect(wire.marks).toEqual([1, 2]);
  });

  it('speaks while no model is known, and writes where the only one has no voice', async () => {
    const nobody = world([]);
    await nobody.speaker.start(MICROPHONE);
    expect(nobody.wire.calls.at(-1)?.[1]).toMatchObject({ model_name: '', model_type: 's2s&t' });
    const mute = world([model('recogniser', { modalities: ['s2t'], speechLangs: [] })]);
    await mute.speaker.start(MICROPHONE);
    expect(mute.wire.calls.at(-1)?.[1]).toMatchObject({ model_type: 's2t' });
    const voice = world([model('voice', { speechLangs: ['spa'] })]);
    voice.speaker.state.setState({ targetLanguage: 'deu' });
    await voice.speaker.start(MICROPHONE);
    expect(voice.wire.calls.at(-1)?.[1]).toMatchObject({ model_type: 's2t' });
  });

  it('holds what is said while the model changes, and says it to the new one', async () => {
    const { wire, speaker, source } = world(LAPTOP);
    speaker.state.setState({ sourceLanguage: 'eng', targetLanguage: 'eng' });
    wire.answers = [{ status: 'ok', message: 'server_ready', model: 'recogniser' }];
    await speaker.start(MICROPHONE);
    wire.receivedMs = () => Promise.reject(new Error('away'));
    let ended: () => void = () => undefined;
    wire.stopStream = () =>
      new Promise((resolve) => {
        ended = () => resolve({ status: 'ok', message: '' });
      });
    const changing = speaker.setLanguages({ target: 'spa' });
    await vi.advanceTimersByTimeAsync(0);
    source().frame(1);
    expect(wire.marks).toEqual([]);
    ended();
    await changing;
    expect(wire.count('configure_stream')).toBe(2);
    expect(wire.marks).toEqual([1]);
  });

  it('does not begin with another model what was stopped meanwhile', async () => {
    const { wire, speaker, source } = world(LAPTOP);
    speaker.state.setState({ sourceLanguage: 'eng', targetLanguage: 'eng' });
    wire.answers = [{ status: 'ok', message: 'server_ready', model: 'recogniser' }];
    await speaker.start(MICROPHONE);
    let tell: (ms: number) => void = () => undefined;
    wire.receivedMs = () =>
      new Promise((resolve) => {
        tell = resolve;
      });
    const changing = speaker.setLanguages({ target: 'spa' });
    await vi.advanceTimersByTimeAsync(0);
    await speaker.stop();
    const stops = wire.count('stop_stream');
    tell(0);
    await changing;
    expect(source().stopped).toBe(true);
    expect(wire.count('configure_stream')).toBe(1);
    expect(wire.count('stop_stream')).toBe(stops);
    expect(speaker.state.getState().phase).toBe('idle');
  });

  it('closes a source that opens after it was stopped', async () => {
    const { wire, speaker, source } = world();
    let allow: (stream: unknown) => void = () => undefined;
    permission = new Promise((resolve) => {
      allow = resolve;
    });
    const starting = speaker.start(MICROPHONE);
    await vi.advanceTimersByTimeAsync(0);
    await speaker.stop();
    allow({});
    await starting;
    expect(source().stopped).toBe(true);
    expect(wire.calls).toEqual([]);
    expect(speaker.state.getState().phase).toBe('idle');
  });

  it('may be called in before it hears that it waits, and hears of no line while it speaks', async () => {
    const { wire, speaker } = world();
    let answer: (waiting: Answer) => void = () => undefined;
    wire.configureStream = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const starting = speaker.start(MICROPHONE);
    await vi.advanceTimersByTimeAsync(0);
    wire.tell('place_in_line', { state: 'admitted', position: 0, waiting: 0 });
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState().phase).toBe('live');
    answer({ status: 'waiting', message: 'max_speakers', position: 1, waiting: 1 });
    await starting;
    wire.tell('place_in_line', { state: 'ended', position: 0, waiting: 0, message: 'No.' });
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState()).toMatchObject({ phase: 'live', serverMessage: null });
  });

  it('gives up its turn where the server says nothing of the reason', async () => {
    const { wire, speaker } = world();
    wire.answers = [{ status: 'waiting', message: 'max_speakers', position: 1, waiting: 1 }];
    await speaker.start(MICROPHONE);
    wire.tell('place_in_line', { state: 'ended', position: 0, waiting: 0 });
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState()).toMatchObject({ phase: 'idle', serverMessage: '' });
  });

  it('lets a file wait until it may speak', async () => {
    const { wire, speaker, source } = world();
    wire.answers = [{ status: 'waiting', message: 'max_speakers', position: 2, waiting: 3 }];
    await speaker.start(CLIP);
    expect(source().running).toBe(false);
    expect(speaker.state.getState()).toMatchObject({
      phase: 'waiting',
      waitReason: 'full',
      place: { position: 2, waiting: 3 },
      duration: 12,
      sourceLabel: 'A clip',
    });
    wire.tell('place_in_line', { state: 'waiting', position: 1, waiting: 2 });
    expect(speaker.state.getState().place).toEqual({ position: 1, waiting: 2 });
    wire.tell('place_in_line', { state: 'admitted', position: 0, waiting: 1 });
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState()).toMatchObject({ phase: 'live', place: null });
    expect(source().running).toBe(true);
  });

  it('keeps nothing of what is said while it waits', async () => {
    const { wire, speaker, source } = world();
    wire.answers = [{ status: 'waiting', message: 'max_speakers' }];
    await speaker.start(MICROPHONE);
    expect(speaker.state.getState().place).toEqual({ position: 1, waiting: 1 });
    source().frame(1);
    wire.tell('place_in_line', { state: 'admitted', position: 0, waiting: 0 });
    await vi.advanceTimersByTimeAsync(0);
    source().frame(2);
    expect(wire.marks).toEqual([2]);
    // What comes late of the line does not put it back there.
    wire.tell('place_in_line', { state: 'waiting', position: 1, waiting: 1 });
    expect(speaker.state.getState().phase).toBe('live');
  });

  it('says why a place in line came to nothing', async () => {
    const { wire, speaker, source } = world();
    wire.answers = [{ status: 'waiting', message: 'max_speakers', position: 1, waiting: 1 }];
    await speaker.start(MICROPHONE);
    wire.tell('place_in_line', {
      state: 'ended',
      position: 0,
      waiting: 0,
      message: 'It restarts.',
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState()).toMatchObject({
      phase: 'idle',
      serverMessage: 'It restarts.',
    });
    expect(source().stopped).toBe(true);
    expect(wire.count('stop_stream')).toBe(1); // it stood in line
  });

  it('tries again where that can help, and says the reason', async () => {
    for (const [answer, reason] of [
      [{ status: 'error', message: 'max_speakers' }, 'full'],
      [{ status: 'error', message: 'server_locked' }, 'locked'],
      [{ status: 'error', message: 'Wait.', code: 'loading' }, 'loading'],
      [new Error('no answer'), 'full'],
    ] as const) {
      const { wire, speaker } = world();
      wire.answers = [answer];
      await speaker.start(MICROPHONE);
      expect(speaker.state.getState()).toMatchObject({ phase: 'waiting', waitReason: reason });
      await vi.advanceTimersByTimeAsync(3999);
      expect(wire.count('configure_stream')).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(wire.count('configure_stream')).toBe(2);
      expect(speaker.state.getState()).toMatchObject({ phase: 'live', waitReason: null });
      await speaker.stop();
    }
  });

  it('gives up where it cannot, in the words of the server', async () => {
    const { wire, speaker, source } = world();
    wire.answers = [{ status: 'error', message: 'No such model.' }];
    await speaker.start(MICROPHONE);
    expect(speaker.state.getState()).toMatchObject({
      phase: 'idle',
      serverMessage: 'No such model.',
    });
    expect(source().stopped).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(wire.count('configure_stream')).toBe(1);
    expect(wire.count('stop_stream')).toBe(0);
  });

  it('says what is wrong with the microphone', async () => {
    const { speaker } = world();
    refuses = new CaptureError('permission-denied');
    await speaker.start(MICROPHONE);
    expect(speaker.state.getState()).toMatchObject({ phase: 'idle', problem: 'permission-denied' });
    refuses = new CaptureError('cancelled');
    await speaker.start(MICROPHONE);
    expect(speaker.state.getState().problem).toBeNull();
    refuses = new Error('odd');
    await speaker.start(MICROPHONE);
    expect(speaker.state.getState().problem).toBe('unknown');
    speaker.state.setState({ serverMessage: 'x' });
    speaker.dismissProblem();
    expect(speaker.state.getState()).toMatchObject({ problem: null, serverMessage: null });
  });

  it('opens one source only when it is started twice', async () => {
    const { speaker } = world();
    await Promise.all([speaker.start(MICROPHONE), speaker.start(CLIP)]);
    expect(sources.filter((source) => !source.stopped)).toHaveLength(1);
    expect(speaker.state.getState().phase).toBe('live');
    await speaker.stop();
    expect(sources.every((source) => source.stopped)).toBe(true);
  });
});

describe('a stream ends', () => {
  it('is stopped with everything said, once', async () => {
    const { wire, speaker, source } = await live();
    source().frame(1);
    const stopping = speaker.stop();
    expect(speaker.state.getState().phase).toBe('finishing');
    await speaker.stop();
    await stopping;
    expect(wire.count('stop_stream')).toBe(1);
    expect(source().stopped).toBe(true);
    expect(speaker.state.getState()).toMatchObject({
      phase: 'idle',
      startedAt: null,
      status: null,
      heldMs: 0,
    });
    expect(speaker.level.getState()).toEqual({ rms: 0, peak: 0 });
    await speaker.stop();
    expect(wire.count('stop_stream')).toBe(1);
  });

  it('ends with its source', async () => {
    const { wire, speaker, source } = await live(CLIP);
    source().handlers.onEnd();
    await vi.advanceTimersByTimeAsync(0);
    expect(speaker.state.getState().phase).toBe('idle');
    expect(wire.count('stop_stream')).toBe(1);
  });

  it('does not try again when it was stopped while it waited', async () => {
    const { wire, speaker } = world();
    wire.answers = [{ status: 'error', message: 'max_speakers' }];
    await speaker.start(MICROPHONE);
    await speaker.stop();
    expect(speaker.state.getState()).toMatchObject({ phase: 'idle', waitReason: null });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(wire.count('configure_stream')).toBe(1);
  });

  it('ends when a host ends it, and the room says so', async () => {
    for (const code of ['removed', 'muted', 'room_ended']) {
      const { wire, speaker, source } = await live();
      wire.tell('server_exception', { message: 'Away with you.', code });
      await vi.advanceTimersByTimeAsync(0);
      expect(speaker.state.getState()).toMatchObject({ phase: 'idle', serverMessage: null });
      expect(source().stopped).toBe(true);
    }
  });

  it('shows what the server says, but for joining', async () => {
    const { wire, speaker } = await live();
    wire.tell('server_exception', { message: 'No.', event: 'join_room' });
    expect(speaker.state.getState().serverMessage).toBeNull();
    wire.tell('server_exception', { message: 'Slow down.', code: 'rate' });
    expect(speaker.state.getState()).toMatchObject({ phase: 'live', serverMessage: 'Slow down.' });
  });

  it('starts anew when the server ended it, but not for ever', async () => {
    const { wire, speaker, view } = await live();
    const fault = async () => {
      view.setState(streams(false));
      await vi.advanceTimersByTimeAsync(0);
      view.setState(streams(true));
      await vi.advanceTimersByTimeAsync(0);
    };
    for (let i = 1; i <= 3; i += 1) {
      await fault();
      expect(wire.count('configure_stream')).toBe(1 + i);
      expect(speaker.state.getState().phase).toBe('live');
    }
    await fault();
    expect(wire.count('configure_stream')).toBe(4);
    expect(speaker.state.getState().phase).toBe('idle');
  });

  it('forgets faults of long ago', async () => {
    const { wire, speaker, view } = await live();
    for (let i = 1; i <= 6; i += 1) {
      view.setState(streams(false));
      await vi.advanceTimersByTimeAsync(0);
      view.setState(streams(true));
      await vi.advanceTimersByTimeAsync(25_000);
    }
    expect(speaker.state.getState().phase).toBe('live');
    expect(wire.count('configure_stream')).toBe(7);
  });
});

describe('a lost connection', () => {
  const lose = ({ wire, speaker }: World) => {
    wire.connected = false;
    speaker.lost();
  };
  const restore = async ({ wire, speaker }: World, restarted: boolean) => {
    wire.connected = true;
    await speaker.restored(restarted);
  };

  it('holds what is said and sends it when the stream goes on, nothing twice', async () => {
    const made = await live();
    const { wire, speaker, source } = made;
    for (let i = 1; i <= 4; i += 1) source().frame(i);
    wire.has = 40; // the first two arrived
    lose(made);
    for (let i = 5; i <= 40; i += 1) source().frame(i);
    expect(wire.marks).toEqual([1, 2, 3, 4]);
    expect(speaker.state.getState().heldMs).toBe(700);
    await restore(made, false);
    expect(wire.count('configure_stream')).toBe(1);
    expect(wire.marks).toEqual([1, 2, 3, 4, ...Array.from({ length: 38 }, (_, i) => i + 3)]);
    source().frame(41);
    expect(wire.marks.at(-1)).toBe(41);
    expect(speaker.state.getState().heldMs).toBe(0);
  });

  it('does not trust what the room said before a restart', async () => {
    const made = await live();
    const { wire, source } = made;
    source().frame(1);
    lose(made);
    source().frame(2);
    await restore(made, true); // the room still says that a stream runs
    expect(wire.count('configure_stream')).toBe(2);
    expect(wire.count('received')).toBe(0);
    expect(wire.marks).toEqual([1, 1, 2]); // the new server has nothing
  });

  it('begins the stream anew where the server has none', async () => {
    const made = await live();
    lose(made);
    made.view.setState(streams(false));
    await restore(made, false);
    expect(made.wire.count('configure_stream')).toBe(2);
    expect(made.speaker.state.getState().phase).toBe('live');
  });

  it('sends nothing more of a stream that was stopped while it asked where to go on', async () => {
    const made = await live();
    const { wire, speaker, source } = made;
    lose(made);
    source().frame(1);
    let tell: (ms: number) => void = () => undefined;
    wire.receivedMs = () =>
      new Promise((resolve) => {
        tell = resolve;
      });
    wire.connected = true;
    const restoring = speaker.restored(false);
    await speaker.stop();
    await speaker.start(MICROPHONE);
    tell(0);
    await restoring;
    source().frame(2);
    expect(wire.marks).toEqual([2]);
    expect(wire.count('configure_stream')).toBe(2);
  });

  it('asks for a new place in line whatever the room says of it', async () => {
    const made = world();
    made.wire.answers = [{ status: 'waiting', message: 'max_speakers', position: 1, waiting: 1 }];
    await made.speaker.start(MICROPHONE);
    made.view.setState(streams(true));
    lose(made);
    await restore(made, false);
    expect(made.wire.count('configure_stream')).toBe(2);
    expect(made.wire.count('received')).toBe(0);
  });

  it('waits for the next time when it is lost again', async () => {
    const made = await live();
    const { wire, source } = made;
    lose(made);
    source().frame(1);
    wire.connected = true;
    const restoring = made.speaker.restored(false);
    lose(made);
    await restoring;
    expect(wire.marks).toEqual([]);
    await restore(made, false);
    expect(wire.marks).toEqual([1]);
  });

  it('stands in line again', async () => {
    const made = world();
    made.wire.answers = [{ status: 'waiting', message: 'max_speakers', position: 1, waiting: 1 }];
    await made.speaker.start(MICROPHONE);
    lose(made);
    await restore(made, false);
    expect(made.wire.count('configure_stream')).toBe(2);
    expect(made.speaker.state.getState()).toMatchObject({ phase: 'live', place: null });
  });

  it('ends what was about to end', async () => {
    const made = await live();
    const { wire, speaker } = made;
    wire.stopStream = () => new Promise(() => undefined);
    void speaker.stop();
    await vi.advanceTimersByTimeAsync(0);
    lose(made);
    await restore(made, false);
    expect(speaker.state.getState().phase).toBe('idle');
  });

  it('tells its language again when nobody speaks', async () => {
    const made = world();
    await restore(made, false);
    expect(made.wire.count('set_dynamic_config')).toBe(0);
    made.speaker.state.setState({ targetLanguage: 'spa' });
    await restore(made, false);
    expect(made.wire.calls).toHaveLength(1);
    expect(made.wire.calls[0]?.[1]).toMatchObject({ targetLanguage: 'spa' });
  });

  it('does not wait for an answer that cannot come', async () => {
    const made = world();
    made.wire.answers = [new Error('away')];
    made.wire.connected = false;
    await made.speaker.start(MICROPHONE);
    expect(made.speaker.state.getState().phase).toBe('opening');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(made.wire.count('configure_stream')).toBe(1);
  });
});

describe('while speaking', () => {
  it('says nothing while it is muted or paused, and that nothing more comes', async () => {
    const { wire, speaker, source } = await live();
    source().frame(1);
    speaker.setMuted(true);
    expect(wire.nothings).toBe(1);
    expect(speaker.level.getState()).toEqual({ rms: 0, peak: 0 });
    source().frame(2);
    speaker.setMuted(false);
    expect(wire.nothings).toBe(1);
    await speaker.setPaused(true);
    expect(wire.nothings).toBe(2);
    expect(source().running).toBe(false);
    source().frame(3);
    await speaker.setPaused(false);
    expect(source().running).toBe(true);
    source().frame(4);
    expect(wire.marks).toEqual([1, 4]);
    wire.connected = false;
    speaker.setMuted(true);
    expect(wire.nothings).toBe(2);
  });

  it('is heard by its speaker as loud as wanted, and forgets the wait of a file', async () => {
    const { wire, speaker, source } = await live(CLIP);
    speaker.setMonitor(0.2);
    expect(source().monitor).toBe(0.2);
    expect(speaker.state.getState().monitor).toBe(0.2);
    for (let i = 0; i < 10; i += 1) source().frame(i);
    wire.acks.at(-1)?.(3500);
    source().frame(10);
    expect(speaker.state.getState().throttled).toBe(true);
    await speaker.stop();
    expect(speaker.state.getState().throttled).toBe(false);
  });

  it('lets a file wait for the server, and go on', async () => {
    const { wire, speaker, source } = await live(CLIP);
    for (let i = 0; i < 10; i += 1) source().frame(i);
    wire.acks.at(-1)?.(3500);
    source().frame(10);
    expect(speaker.state.getState().throttled).toBe(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(source().running).toBe(false);
    wire.tell('stream_status', status(1500));
    await vi.advanceTimersByTimeAsync(500);
    expect(speaker.state.getState().throttled).toBe(true);
    wire.tell('stream_status', status(1499));
    await vi.advanceTimersByTimeAsync(500);
    expect(speaker.state.getState().throttled).toBe(false);
    expect(source().running).toBe(true);
  });

  it('lets nobody wait who cannot', async () => {
    const { wire, speaker, source } = await live(MICROPHONE);
    for (let i = 0; i < 10; i += 1) source().frame(i);
    wire.acks.at(-1)?.(9000);
    source().frame(10);
    expect(speaker.state.getState().throttled).toBe(false);
  });

  it('shows what it holds in tenths of a second, from half a second on, and what it lost', async () => {
    const { wire, speaker, source } = await live();
    wire.connected = false;
    for (let i = 0; i < 25; i += 1) source().frame(i);
    expect(speaker.state.getState().heldMs).toBe(0);
    source().frame(25);
    expect(speaker.state.getState().heldMs).toBe(500);
    for (let i = 0; i < 750; i += 1) source().frame(i);
    expect(speaker.state.getState()).toMatchObject({ heldMs: 15_000, droppedMs: 520 });
  });

  it('keeps what the server says of the stream and its recordings', async () => {
    const { wire, speaker } = await live();
    wire.tell('stream_status', status(7));
    expect(speaker.state.getState().status?.queuedMs).toBe(7);
    wire.tell('recording_saved', { name: 'a' });
    wire.tell('recording_saved', { name: 'b' });
    expect(speaker.state.getState().recordings.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('tells its languages, and shows what is wrong with them', async () => {
    const { wire, speaker } = await live();
    await speaker.setLanguages({ source: 'deu', target: 'spa' });
    expect(wire.calls.at(-1)?.[1]).toMatchObject({ sourceLanguage: 'deu', targetLanguage: 'spa' });
    await speaker.setLanguages({ source: null });
    expect(wire.calls.at(-1)?.[1]).toMatchObject({ sourceLanguage: null, targetLanguage: 'spa' });
    wire.setDynamicConfig = () => Promise.resolve({ status: 'error', message: 'Not offered.' });
    await speaker.setLanguages({ target: 'xxx' });
    expect(speaker.state.getState().serverMessage).toBe('Not offered.');
    wire.setDynamicConfig = () => Promise.reject(new Error('away'));
    await speaker.setLanguages({ target: 'fra' });
    expect(speaker.state.getState().targetLanguage).toBe('fra');
  });
});
