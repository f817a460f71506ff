/** What this member hears and reads: its language, its loudspeaker, its transcript. */
import { OpusVoices, canDecodeOpus } from '../audio/playback/opus';
import { Player } from '../audio/playback/player';
import type { PlaybackReport } from '../audio/playback/messages';
import type { Metrics } from '../debug/metrics';
import type { Trace } from '../debug/trace';
import type { Connection } from '../net/connection';
import { values } from '../state/store';
import {
  EMPTY_TRANSCRIPT,
  addHistory,
  addLost,
  addText,
  beginStream,
  leaveLanguages,
} from '../transcript/transcript';
import type { SureFrom, Transcript } from '../transcript/transcript';
import { SpeechKeeper } from '../transcript/speechKeeper';
import type { OutputType, TranslationSpeech, TranslationText } from '../wire/messages';
import { Arrivals } from './arrivals';

export interface ListeningState {
  /** Language code, or null for the one that the speaker chose. */
  language: string | null;
  /** The language was taken from the browser: nobody has chosen it yet. */
  automatic: boolean;
  /** Nobody here is translated into `language`: what the speaker chose is read instead. */
  follows: boolean;
  wantText: boolean;
  wantSpeech: boolean;
  /** What was heard is read, too. */
  heard: boolean;
  /** Speakers who send their own voice are heard under the translation. */
  original: boolean;
  volume: number;
  /** The browser keeps the page silent until a click. */
  blocked: boolean;
  /** The echo guard holds speech back: a microphone of this page is open. */
  guarded: boolean;
  headphones: boolean;
  playback: PlaybackReport | null;
  /** Seconds of speech that can be downloaded. */
  keptSeconds: number;
  error: string | null;
}

export function outputType(text: boolean, speech: boolean): OutputType {
  if (text && speech) return 's2s&t';
  if (text) return 's2t';
  return speech ? 's2s' : 'none';
}

export class Listener {
  readonly state = values<ListeningState>({
    language: null,
    automatic: false,
    follows: false,
    wantText: true,
    wantSpeech: false,
    heard: false,
    original: false,
    volume: 1,
    blocked: false,
    guarded: false,
    headphones: false,
    playback: null,
    keptSeconds: 0,
    error: null,
  });
  readonly transcript = values<Transcript>(EMPTY_TRANSCRIPT);
  readonly kept = new SpeechKeeper();

  /** What the model of a speaker says of its own confidence. */
  sureFrom: SureFrom | undefined;

  private arrivals = new Arrivals();
  private serverID: string | null = null;
  private readonly player = new Player();
  private opus: OpusVoices | null = null;
  private readonly ready: Promise<void>;
  private microphoneOpen = false;

  constructor(
    private readonly connection: Connection,
    private readonly metrics: Metrics,
    private readonly trace: Trace,
  ) {
    this.player.onReport = (playback) => {
      this.trace.heard(playback.played, this.player.sampleRate);
      this.state.setState({ playback });
      metrics.add('behind', playback.behind * 1000);
    };
    this.player.onState = (running) => this.state.setState({ blocked: !running });
    connection.had = () => this.arrivals.had;
    connection.on('server_id', (id) => {
      // Another server's numbers begin anew.
      if (id !== this.serverID) this.arrivals = new Arrivals();
      this.serverID = id;
    });
    connection.on('translation_text', (whole) => {
      const message = this.unheard(whole);
      if (message === null) return;
      this.metrics.add('textLatency', message.latencyMs);
      // A word of the piece was spoken half a piece before its end.
      const half = (message.endMs - message.startMs) / 2;
      this.metrics.add('textDelay', message.latencyMs + half);
      this.trace.add('text');
      this.transcript.setState((transcript) =>
        addText(transcript, message, Date.now(), this.sureFrom),
      );
      requestAnimationFrame(() => this.trace.add('rendered'));
    });
    connection.on('not_understood', (message) => {
      this.arrivals.add('text', message, 0);
      this.transcript.setState((transcript) => addLost(transcript, message, Date.now()));
    });
    connection.on('translation_speech', (message) => {
      if (message.encoding === 'pcm16') this.speech(message, message.payload);
      else {
        const name = `${message.speakerID} ${message.lang}`;
        void this.opus
          ?.decode(name, message, message.eos)
          .then((pcm16) => this.speech(message, pcm16));
      }
    });
    connection.on('original_speech', (message) => {
      const { encoding, payload, sample_rate: rate } = message;
      const play = (pcm16: ArrayBuffer) => {
        if (this.state.getState().wantSpeech)
          void this.player.playUnder(message.speakerID, pcm16, rate);
      };
      if (encoding === 'pcm16') play(payload);
      else void this.opus?.decode(`${message.speakerID} original`, message).then(play);
    });
    connection.on('clear_transcript', () => this.cleared());
    this.ready = canDecodeOpus().then((can) => {
      if (can) this.opus = new OpusVoices(() => void this.withoutOpus());
    });
  }

  /** Makes sound possible; call it from a click. */
  async unlock(): Promise<void> {
    await this.player.unlock();
  }

  async configure(
    change: Partial<
      Pick<ListeningState, 'language' | 'wantText' | 'wantSpeech' | 'heard' | 'original'>
    >,
  ) {
    this.state.setState(change);
    if (change.language !== undefined) {
      const { language } = change;
      this.transcript.setState((transcript) => leaveLanguages(transcript, language));
    }
    if (change.language !== undefined || change.wantSpeech === false) this.player.clear();
    await this.apply();
    // What came before, in the new language where it exists.
    if (change.language !== undefined || change.heard) await this.catchUp();
  }

  /** Tells the server (again) what is wanted. */
  async apply(): Promise<void> {
    const { language, follows, wantText, wantSpeech, heard, original } = this.state.getState();
    await this.ready;
    try {
      const answer = await this.connection.setListenerConfig({
        targetLanguage: follows ? null : language,
        output: outputType(wantText, wantSpeech),
        heard: heard && wantText,
        encoding: this.opus === null ? 'pcm16' : 'opus',
        original: original && wantSpeech,
      });
      const failed = answer.status === 'error';
      this.state.setState({ error: failed ? answer.message : null });
    } catch {
      // Away: it is applied again when the connection is back.
    }
  }

  /** Reads what the speaker chose for as long as the chosen language cannot be had. */
  async follow(follows: boolean): Promise<void> {
    if (follows === this.state.getState().follows) return;
    this.state.setState({ follows });
    await this.apply();
    await this.catchUp();
  }

  /** Fetches what was said before this member came. */
  async catchUp(): Promise<void> {
    try {
      const answer = await this.connection.transcript();
      if (!Array.isArray(answer)) return;
      this.transcript.setState((transcript) => addHistory(transcript, answer, this.sureFrom));
    } catch {
      // A room without history is still a room.
    }
  }

  setVolume(volume: number): void {
    this.state.setState({ volume });
    this.player.setVolume(volume);
  }

  setSpeed(speed: number): void {
    this.player.setSpeed(speed);
  }

  setOutputDevice(device: string | null): void {
    this.player.setDevice(device);
  }

  setMicrophoneOpen(open: boolean): void {
    this.microphoneOpen = open;
    this.guard();
  }

  confirmHeadphones(headphones: boolean): void {
    this.state.setState({ headphones });
    this.guard();
  }

  /** The server was started anew: its numbers begin again. */
  serverRestarted(): void {
    this.transcript.setState((transcript) =>
      Object.keys(transcript.streams).reduce(beginStream, transcript),
    );
  }

  private guard(): void {
    const guarded = this.microphoneOpen && !this.state.getState().headphones;
    this.state.setState({ guarded });
    this.player.setGate(!guarded);
  }

  /** The browser cannot do it after all. */
  private async withoutOpus(): Promise<void> {
    if (this.opus === null) return;
    this.opus = null;
    await this.apply();
  }

  /** What of a text had not come from another server; null if it is nothing. */
  private unheard(message: TranslationText): TranslationText | null {
    const { payload, eos } = message;
    const known = this.arrivals.add('text', message, [...payload].length);
    if (known === 0) return message;
    const rest = [...payload].slice(known).join('');
    return rest === '' && !eos ? null : { ...message, payload: rest };
  }

  private speech(message: TranslationSpeech, whole: ArrayBuffer): void {
    const known = this.arrivals.add('speech', message, whole.byteLength / 2);
    const pcm16 = known === 0 ? whole : whole.slice(2 * known);
    this.metrics.add('speechLatency', message.latencyMs);
    this.kept.add(pcm16, message.sample_rate);
    if (pcm16.byteLength > 0) this.trace.hear('output', pcm16, message.sample_rate);
    this.state.setState({ keptSeconds: this.kept.seconds });
    if (pcm16.byteLength === 0 || !this.state.getState().wantSpeech) return;
    void this.player.play(message.speakerID, pcm16, message.sample_rate);
  }

  private cleared(): void {
    this.kept.clear();
    this.state.setState({ keptSeconds: 0 });
    this.transcript.setState((transcript) => ({ ...transcript, lines: [], origins: {} }));
  }
}
