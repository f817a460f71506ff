/** This member's own stream: from a source of sound to the server, until it is stopped. */
import { OpusUplink, canEncodeOpus } from '../audio/capture/opus';
import { openFileSource, fetchClip } from '../audio/capture/fileSource';
import { openLiveSource, requestMicrophone, requestTabAudio } from '../audio/capture/liveSource';
import type { CapturedFrame } from '../audio/capture/messages';
import { CaptureError } from '../audio/capture/problems';
import type { CaptureHandlers, RunningSource } from '../audio/capture/source';
import type { Room } from '../app/room';
import type { Metrics } from '../debug/metrics';
import type { Trace } from '../debug/trace';
import type { Connection } from '../net/connection';
import { preferences } from '../state/preferences';
import { serverInfo } from '../state/serverInfo';
import { values } from '../state/store';
import type { PlaceInLine, StreamStatus } from '../wire/messages';
import { chosenModel } from '../app/models';
import { chosenOptions } from './options';
import { NOT_SPEAKING } from './state';
import type { Level, Place, SourceSpec, SpeakingState, WaitReason } from './state';
import { Uplink } from './uplink';
import type { OnAck } from './uplink';

/** Codes of what a host does to a member. */
const HOSTS = new Set(['removed', 'muted', 'room_ended']);
/** Asks the server for the model that can do what is wanted. */
const AUTO = 'auto';
const TRY_AGAIN_MS = 4000;
const RESTARTS = { most: 3, withinMs: 60_000 };
/** One zero sample tells the server that nothing more is to come for now: it closes the sentence. */
const NOTHING_MORE = new ArrayBuffer(2);

export class Speaker {
  readonly state = values<SpeakingState>(NOT_SPEAKING);
  /** Changes fifty times a second: for a meter, not for React. */
  readonly level = values<Level>({ rms: 0, peak: 0 });

  private source: RunningSource | null = null;
  private uplink: Uplink | null = null;
  /** Encodes what is sent, where browser and server can. */
  private encoder: OpusUplink<OnAck> | null = null;
  private encodes = false;
  private configured = false;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private restarts: number[] = [];
  private attempt = 0;

  constructor(
    private readonly connection: Connection,
    private readonly room: Room,
    private readonly metrics: Metrics,
    private readonly trace: Trace,
  ) {
    connection.on('stream_status', (status) => this.heard(status));
    connection.on('place_in_line', (place) => void this.moved(place));
    connection.on('recording_saved', (recording) =>
      this.state.setState(({ recordings }) => ({ recordings: [...recordings, recording] })),
    );
    connection.on('server_exception', ({ message, event, code }) => {
      if (HOSTS.has(code ?? '')) void this.abandon();
      // Joining is answered where it was asked for, and the room says what its host did.
      if (event !== 'join_room' && !HOSTS.has(code ?? '')) {
        this.state.setState({ serverMessage: message });
      }
    });
    room.view.subscribe(({ state }, before) => {
      const had = before.state?.members[room.me]?.transcoder ?? false;
      const has = state?.members[room.me]?.transcoder ?? false;
      if (had && !has && this.configured) void this.endedByServer();
    });
  }

  /** @param muted Nothing is heard until it is unmuted: push-to-talk. */
  async start(spec: SourceSpec, muted = false): Promise<void> {
    await this.abandon();
    const attempt = ++this.attempt;
    this.state.setState({
      phase: 'opening',
      sourceKind: spec.kind,
      problem: null,
      serverMessage: null,
      muted,
      paused: false,
      throttled: false,
      status: null,
      heldMs: 0,
      droppedMs: 0,
    });
    try {
      const source = await this.open(spec);
      if (attempt !== this.attempt) {
        await source.stop();
        return;
      }
      this.source = source;
      source.setMonitor(this.state.getState().monitor);
      this.uplink = new Uplink(
        {
          ready: () => this.configured && this.connection.connected,
          send: (pcm, onAck) => {
            this.trace.hear('input', pcm, source.rate);
            if (this.encoder) this.encoder.push(pcm, onAck);
            else this.connection.sendAudio(pcm, onAck);
          },
        },
        source.rate,
      );
      this.encodes = await canEncodeOpus(source.rate);
      this.state.setState({ sourceLabel: source.label, duration: source.duration });
      if (source.patient) await source.pause();
      await this.configure();
    } catch (error) {
      if (attempt !== this.attempt) return;
      const problem = error instanceof CaptureError ? error.problem : 'unknown';
      await this.abandon();
      this.state.setState({ problem: problem === 'cancelled' ? null : problem });
    }
  }

  /** Ends the source; what was said is still translated. */
  async stop(): Promise<void> {
    const { phase } = this.state.getState();
    if (phase === 'idle' || phase === 'finishing') return;
    if (phase !== 'live') {
      await this.abandon();
      return;
    }
    this.state.setState({ phase: 'finishing' });
    await this.closeSource();
    this.uplink?.flush();
    await this.encoder?.end();
    this.configured = false;
    try {
      await this.connection.stopStream();
    } catch {
      // Away: the server ends the stream when its grace period is over.
    }
    if (this.state.getState().phase === 'finishing') await this.abandon();
  }

  setMuted(muted: boolean): void {
    this.state.setState({ muted });
    if (muted) void this.sayNothingMore();
  }

  async setPaused(paused: boolean): Promise<void> {
    this.state.setState({ paused });
    if (paused) void this.sayNothingMore();
    await this.steer();
  }

  setMonitor(monitor: number): void {
    this.state.setState({ monitor });
    this.source?.setMonitor(monitor);
  }

  dismissProblem(): void {
    this.state.setState({ problem: null, serverMessage: null });
  }

  async setLanguages({ source, target }: { source?: string | null; target?: string | null }) {
    if (source !== undefined) this.state.setState({ sourceLanguage: source });
    if (target !== undefined) this.state.setState({ targetLanguage: target });
    const { phase } = this.state.getState();
    const running = this.state.getState().running ?? this.room.model;
    const model = chosenModel(this.models, this.state.getState());
    if (phase === 'live' && this.configured && model && running && model.name !== running) {
      await this.changeModel();
    } else {
      await this.tellLanguages();
    }
  }

  private get models() {
    return this.room.server.getState().state?.agentsCapabilities ?? [];
  }

  /** The running model cannot do what is wanted now: it ends its sentence, and another one goes on. */
  private async changeModel(): Promise<void> {
    const { attempt } = this;
    this.configured = false;
    const receivedMs = await this.connection.receivedMs().catch(() => null);
    if (attempt !== this.attempt) return;
    this.encoder?.reset();
    this.uplink?.resume(receivedMs);
    await this.connection.stopStream().catch(() => undefined);
    if (attempt === this.attempt) await this.configure();
  }

  private async tellLanguages(): Promise<void> {
    const { sourceLanguage, targetLanguage } = this.state.getState();
    try {
      const answer = await this.connection.setDynamicConfig({
        sourceLanguage,
        ...(targetLanguage === null ? {} : { targetLanguage }),
        sendVoice: preferences.getState().sendVoice,
        ...(this.canBeExpressive ? { expressive: preferences.getState().ownVoice } : {}),
      });
      if (answer.status === 'error') this.state.setState({ serverMessage: answer.message });
    } catch {
      // Away: it is set again with the stream.
    }
  }

  /** The connection went away: audio waits here. */
  lost(): void {
    this.configured = false;
  }

  /** The connection is back, and this member in its room. */
  async restored(restarted: boolean): Promise<void> {
    const { phase, targetLanguage } = this.state.getState();
    if (phase === 'finishing') {
      await this.abandon();
    } else if (phase === 'live' && !restarted && this.room.streaming) {
      await this.goOn();
    } else if (phase === 'live' || phase === 'waiting') {
      this.state.setState({ place: null });
      await this.configure();
    } else if (targetLanguage !== null) {
      await this.tellLanguages();
    }
  }

  /** Whether the model speaks in the speaker's own voice. */
  get canBeExpressive(): boolean {
    const model = chosenModel(this.models, this.state.getState());
    return model?.dynamicParams.includes('expressive') ?? false;
  }

  /** In the speaker's own voice, from the next piece of speech on. */
  async setOwnVoice(ownVoice: boolean): Promise<void> {
    preferences.setState({ ownVoice });
    await this.tellLanguages();
  }

  /** Listeners may hear this speaker under the translation. */
  async setSendVoice(sendVoice: boolean): Promise<void> {
    preferences.setState({ sendVoice });
    await this.tellLanguages();
  }

  /** The stream still runs: the server says from where it goes on. */
  private async goOn(): Promise<void> {
    const { attempt } = this;
    const receivedMs = await this.connection.receivedMs().catch(() => null);
    // Lost again: the next `restored` asks again.
    if (!this.connection.connected || attempt !== this.attempt) return;
    this.encoder?.reset();
    this.uplink?.resume(receivedMs);
    this.configured = true;
    this.uplink?.flush();
  }

  private open(spec: SourceSpec): Promise<RunningSource> {
    const handlers: CaptureHandlers = {
      onFrame: (frame) => this.captured(frame),
      onEnd: () => void this.stop(),
      onProblem: (problem) => this.state.setState({ problem }),
    };
    switch (spec.kind) {
      case 'microphone':
        return requestMicrophone(spec).then((stream) =>
          openLiveSource(stream, handlers, { neverSilent: true }),
        );
      case 'tab':
        return requestTabAudio(spec).then((stream) =>
          openLiveSource(stream, handlers, { neverSilent: false }),
        );
      case 'file':
        return spec.file
          .arrayBuffer()
          .then((data) => openFileSource(data, spec.file.name, handlers));
      case 'clip':
        return fetchClip(spec.url).then((data) => openFileSource(data, spec.name, handlers));
    }
  }

  private async configure(): Promise<void> {
    const { source, attempt } = this;
    if (!source) return;
    this.state.setState({ running: null });
    const { model, output, record, targetLanguage } = this.state.getState();
    const chosen = chosenModel(this.models, this.state.getState());
    const spoken = chosen?.speechLangs ?? [];
    const speaks =
      chosen === null ||
      (targetLanguage === null ? spoken.length > 0 : spoken.includes(targetLanguage));
    // With one model there is nothing to choose.
    const usual = this.models.length > 1 ? AUTO : (this.models[0]?.name ?? '');
    try {
      await this.tellLanguages();
      const answer = await this.connection.configureStream({
        rate: source.rate,
        model_name: model ?? usual,
        model_type: speaks ? output : 's2t',
        debug: record,
        encoding: this.encodes ? 'opus' : 'pcm16',
        options: chosenOptions(preferences.getState(), serverInfo.getState().options),
      });
      if (attempt !== this.attempt) return;
      this.encode(answer.encoding === 'opus' ? source.rate : null);
      if (answer.status === 'ok') {
        this.state.setState({ running: answer.model ?? null });
        await this.begin();
      } else if (answer.status === 'waiting') {
        this.standInLine({ position: answer.position ?? 1, waiting: answer.waiting ?? 1 });
      } else if (answer.message === 'max_speakers') this.wait('full');
      else if (answer.message === 'server_locked') this.wait('locked');
      else if (answer.code === 'loading') this.wait('loading');
      else await this.refuse(answer.message);
    } catch {
      // No answer: the connection is away, and `restored` comes back here.
      if (attempt === this.attempt && this.connection.connected) this.wait('full');
    }
  }

  /** Sends Opus from now on, or samples. */
  private encode(rate: number | null): void {
    this.encoder?.reset();
    this.encoder =
      rate === null
        ? null
        : new OpusUplink<OnAck>(
            rate,
            (audio, onAck) => this.connection.sendAudio(audio, onAck),
            () => void this.withoutEncoder(),
          );
  }

  /** It cannot be encoded here after all: what the server lacks goes out as samples. */
  private async withoutEncoder(): Promise<void> {
    this.encodes = false;
    this.encode(null);
    if (!this.configured) return;
    this.configured = false;
    await this.goOn();
  }

  private async begin(): Promise<void> {
    this.encoder?.reset();
    this.uplink?.begin();
    this.configured = true;
    this.state.setState({
      phase: 'live',
      waitReason: null,
      place: null,
      // What went wrong before is over.
      serverMessage: null,
      startedAt: this.state.getState().startedAt ?? Date.now(),
    });
    await this.steer();
    this.uplink?.flush();
  }

  private wait(waitReason: WaitReason): void {
    this.state.setState({ phase: 'waiting', waitReason, place: null });
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.configure(), TRY_AGAIN_MS);
  }

  private standInLine({ position, waiting }: Place): void {
    // The call may have come before this answer to the question.
    if (this.configured) return;
    this.state.setState({
      phase: 'waiting',
      waitReason: 'full',
      place: { position, waiting },
    });
  }

  /** The line moved, or this member's turn has come. */
  private async moved({ state, position, waiting, message }: PlaceInLine): Promise<void> {
    const { phase } = this.state.getState();
    if (phase !== 'waiting' && phase !== 'opening') return;
    if (state === 'waiting') this.standInLine({ position, waiting });
    else if (state === 'admitted') await this.begin();
    else await this.refuse(message ?? '');
  }

  private async refuse(message: string): Promise<void> {
    await this.abandon();
    this.state.setState({ serverMessage: message });
  }

  /** The server ended the stream (a fault in it): starts again, but not for ever. */
  private async endedByServer(): Promise<void> {
    const { phase } = this.state.getState();
    if (phase !== 'live') return;
    this.configured = false;
    const now = Date.now();
    this.restarts = this.restarts.filter((time) => now - time < RESTARTS.withinMs);
    this.restarts.push(now);
    if (this.restarts.length > RESTARTS.most) await this.abandon();
    else await this.configure();
  }

  private captured(frame: CapturedFrame): void {
    const { phase, muted, paused } = this.state.getState();
    if (muted || paused) return;
    this.level.setState({ rms: frame.rms, peak: frame.peak });
    if (!this.uplink || phase === 'waiting') return;
    this.uplink.push(frame.pcm);
    const { heldMs, droppedMs } = this.uplink.figures;
    const before = this.state.getState();
    // A few frames on their way are nothing to speak of.
    const shown = heldMs > 500 ? Math.round(heldMs / 100) * 100 : 0;
    if (shown !== before.heldMs || droppedMs !== before.droppedMs) {
      this.state.setState({ heldMs: shown, droppedMs });
    }
    if (this.source?.patient && this.uplink.slowDown !== before.throttled) {
      this.state.setState({ throttled: !before.throttled });
      void this.steer();
    }
  }

  /** Lets the source run or wait. */
  private async steer(): Promise<void> {
    const { paused, throttled } = this.state.getState();
    if (!this.source) return;
    if (paused || throttled) await this.source.pause();
    else await this.source.resume();
    // A source that waits sends nothing, so nobody would notice that it may go on.
    if (throttled && !paused) setTimeout(() => this.resumeWhenClear(), 500);
  }

  private resumeWhenClear(): void {
    const { throttled } = this.state.getState();
    if (!throttled || !this.uplink) return;
    const queuedMs = this.state.getState().status?.queuedMs ?? 0;
    if (queuedMs < 1500) this.state.setState({ throttled: false });
    void this.steer();
  }

  private async sayNothingMore(): Promise<void> {
    this.level.setState({ rms: 0, peak: 0 });
    if (this.encoder) await this.encoder.end();
    if (this.configured && this.connection.connected) this.connection.sendAudio(NOTHING_MORE);
  }

  private heard(status: StreamStatus): void {
    this.state.setState({ status });
    this.metrics.add('lag', status.lagMs);
    this.metrics.add('queued', status.queuedMs);
    this.metrics.add('realTimeFactor', status.realTimeFactor);
  }

  private async closeSource(): Promise<void> {
    const { source } = this;
    this.source = null;
    this.level.setState({ rms: 0, peak: 0 });
    await source?.stop();
  }

  /** Back to nothing, whatever was going on. */
  private async abandon(): Promise<void> {
    this.attempt += 1;
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    const wasConfigured = this.configured || this.state.getState().place !== null;
    this.configured = false;
    this.uplink = null;
    this.encode(null);
    await this.closeSource();
    if (wasConfigured) await this.connection.stopStream().catch(() => undefined);
    this.state.setState({
      phase: 'idle',
      waitReason: null,
      place: null,
      startedAt: null,
      status: null,
      heldMs: 0,
      throttled: false,
    });
  }
}
