/** Sound that goes on by itself: a microphone, or another tab of the browser. */
import { FRAME_SECONDS } from './messages';
import { CaptureError, microphoneProblem } from './problems';
import { CaptureGraph } from './source';
import type { CaptureHandlers, RunningSource } from './source';

export interface MicrophoneSettings {
  deviceId: string | null;
  noiseSuppression: boolean;
  echoCancellation: boolean;
}

/** Exact digital silence for this long means that a switch or the system mutes the device. */
const MUTED_AFTER_SECONDS = 4;

export async function requestMicrophone(settings: MicrophoneSettings): Promise<MediaStream> {
  const { deviceId, noiseSuppression, echoCancellation } = settings;
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
        noiseSuppression,
        echoCancellation,
        autoGainControl: true,
        channelCount: 1,
      },
    });
  } catch (error) {
    throw new CaptureError(microphoneProblem(error));
  }
}

/** Asks for a tab (or screen) to share and keeps only its sound. */
export async function requestTabAudio(
  processing: Pick<MicrophoneSettings, 'noiseSuppression' | 'echoCancellation'>,
): Promise<MediaStream> {
  if (!('getDisplayMedia' in navigator.mediaDevices)) throw new CaptureError('unsupported');
  let stream: MediaStream;
  try {
    // This page's own tab would hear the translation that it plays.
    const wanted = { video: true, audio: processing, selfBrowserSurface: 'exclude' };
    stream = await navigator.mediaDevices.getDisplayMedia(wanted);
  } catch (error) {
    const denied = error instanceof DOMException && error.name === 'NotAllowedError';
    throw new CaptureError(denied ? 'cancelled' : 'unknown');
  }
  if (stream.getAudioTracks().length === 0) {
    stopTracks(stream);
    throw new CaptureError('tab-without-sound');
  }
  return stream;
}

export function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** With `neverSilent` (a microphone: a tab may well be silent), exact silence is a problem. */
export async function openLiveSource(
  stream: MediaStream,
  handlers: CaptureHandlers,
  { neverSilent }: { neverSilent: boolean },
): Promise<RunningSource> {
  const track = stream.getAudioTracks()[0];
  let silentFrames = 0;
  let complained = false;
  const complain = (muted: boolean) => {
    if (complained === muted) return;
    complained = muted;
    handlers.onProblem(muted ? 'device-muted' : null);
  };
  const graph = await CaptureGraph.open((frame) => {
    silentFrames = frame.peak === 0 ? silentFrames + 1 : 0;
    complain(neverSilent && silentFrames * FRAME_SECONDS >= MUTED_AFTER_SECONDS);
    handlers.onFrame(frame);
  }, stream);
  graph.connect(graph.context.createMediaStreamSource(stream));
  if (track) track.onended = () => handlers.onEnd();
  return {
    rate: graph.rate,
    label: track?.label ?? '',
    patient: false,
    duration: null,
    pause: () => graph.context.suspend(),
    resume: () => graph.context.resume(),
    setMonitor: () => undefined,
    stop: async () => {
      if (track) track.onended = null;
      stopTracks(stream);
      await graph.close();
    },
  };
}
