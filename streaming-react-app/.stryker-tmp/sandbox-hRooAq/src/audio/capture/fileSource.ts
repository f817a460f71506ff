/** A recording, played into the stream at the pace of real time. */
// @ts-nocheck

import { CaptureError } from './problems';
import { CaptureGraph } from './source';
import type { CaptureHandlers, RunningSource } from './source';

export async function openFileSource(
  data: ArrayBuffer,
  label: string,
  handlers: CaptureHandlers,
): Promise<RunningSource> {
  const graph = await CaptureGraph.open(handlers.onFrame);
  let buffer: AudioBuffer;
  try {
    buffer = await graph.context.decodeAudioData(data);
  } catch {
    await graph.close();
    throw new CaptureError('not-audio');
  }
  const player = new AudioBufferSourceNode(graph.context, { buffer });
  graph.connect(player, true);
  player.onended = () => handlers.onEnd();
  player.start();
  return {
    rate: graph.rate,
    label,
    patient: true,
    duration: buffer.duration,
    pause: () => graph.context.suspend(),
    resume: () => graph.context.resume(),
    setMonitor: (gain) => graph.setMonitor(gain),
    stop: async () => {
      player.onended = null;
      await graph.close();
    },
  };
}

export async function fetchClip(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new CaptureError('clip-missing');
  return response.arrayBuffer();
}
