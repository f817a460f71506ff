/** Into a room: everything that follows a click on "Speak" or "Listen". */
import { readLanguages } from '../languages/languages';
import { preferences } from '../state/preferences';
import type { Capability, Role } from '../wire/messages';
import type { Client } from './client';
import { firstTarget } from './models';

/** How long joining waits to know the languages. */
const OFFER_WITHIN_MS = 2000;

export interface Entry {
  roomID: string | null;
  role: Role;
  /** From the address; otherwise what was chosen before. */
  lang: string | null;
  lockName: string | null;
  /** Whether translated speech is played. */
  hear?: boolean;
  /** Whether a listener may open a room that nobody has opened yet. */
  open?: boolean;
  passcode?: string | null;
}

export const rolesOf = (role: Role): Role[] =>
  // Speakers see what they say, too.
  role === 'speaker' ? ['speaker', 'listener'] : ['listener'];

/** Waits for the server to say what its models can do. */
function offered(client: Client): Promise<readonly Capability[]> {
  const models = () => client.room.server.getState().state?.agentsCapabilities ?? [];
  return new Promise((resolve) => {
    if (models().length > 0) {
      resolve(models());
      return;
    }
    const stop = client.room.server.subscribe(() => {
      if (models().length === 0) return;
      stop();
      resolve(models());
    });
  });
}

/** What a listener reads: as its address says, as chosen before, else the browser's language. */
async function chooseListenersLanguage(client: Client, lang: string | null): Promise<void> {
  const { listener } = client;
  const chosen = lang ?? preferences.getState().listenLanguage;
  if (chosen !== null) {
    listener.state.setState({ language: chosen || null, automatic: false });
    return;
  }
  const choose = async () => {
    const written = (await offered(client)).flatMap((model) => model.targetLangs);
    const [own] = readLanguages(written, navigator.languages);
    const { language, automatic } = listener.state.getState();
    // The person may have been faster.
    if (own === undefined || language !== null || !automatic) return;
    await listener.configure({ language: own });
  };
  listener.state.setState({ language: null, automatic: true });
  // A model that loads takes its time: joining does not wait for it.
  await Promise.race([choose(), new Promise((resolve) => setTimeout(resolve, OFFER_WITHIN_MS))]);
}

/** What is spoken: as chosen before, else the model's only language, else the browser's. */
export function firstSource(offered: readonly string[], saved: string | null): string | null {
  const all = [...new Set(offered)];
  if (saved !== null && all.includes(saved)) return saved;
  if (all.length === 1) return all[0] ?? null;
  return readLanguages(all, navigator.languages)[0] ?? null;
}

async function chooseSpeakersLanguages(client: Client, lang: string | null): Promise<void> {
  const { targetLanguage, speakLanguage } = preferences.getState();
  const models = await offered(client);
  const spoken = firstSource(
    models.flatMap((model) => model.sourceLangs),
    speakLanguage,
  );
  const state = client.speaker.state.getState();
  const first = firstTarget(models, lang ?? targetLanguage, state.sourceLanguage ?? spoken);
  await client.speaker.setLanguages({
    // The person may have been faster.
    source: state.sourceLanguage ?? spoken,
    target: state.targetLanguage ?? first,
  });
}

/** Shows in the address where this is, so that a reload or a bookmark comes back here. */
export function showInAddress(place: { roomID?: string; role?: Role; lang?: string | null }): void {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(place)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  window.history.replaceState(null, '', url);
}

export async function enterRoom(client: Client, entry: Entry): Promise<boolean> {
  const { room, listener } = client;
  const prefs = preferences.getState();
  const speaks = entry.role === 'speaker';
  listener.setVolume(prefs.volume);
  listener.setSpeed(prefs.speed);
  listener.setOutputDevice(prefs.outputDevice);
  listener.state.setState({
    language: null,
    automatic: false,
    wantText: prefs.wantText,
    wantSpeech: !speaks && (entry.hear ?? false),
    heard: speaks ? prefs.heardSpeaking : prefs.heard,
    original: prefs.original,
  });
  if (listener.state.getState().wantSpeech) void listener.unlock();
  // Before joining, so that nothing comes in a language that nobody here asked for.
  if (!speaks) await chooseListenersLanguage(client, entry.lang);
  await listener.apply();
  if (
    !(await room.join(
      entry.roomID,
      rolesOf(entry.role),
      entry.lockName,
      prefs.name,
      entry.open ?? true,
      entry.passcode ?? null,
    ))
  )
    return false;
  const { roomID } = room.view.getState();
  if (roomID !== null) showInAddress({ roomID, role: entry.role });
  void listener.catchUp();
  if (speaks) void chooseSpeakersLanguages(client, entry.lang);
  return true;
}

/** Takes the other role as well, or drops the speaker's. */
export async function changeRole(client: Client, role: Role): Promise<void> {
  const { room, speaker } = client;
  if (role === 'listener') await speaker.stop();
  await room.setRoles(rolesOf(role));
  const { roomID, code } = room.view.getState();
  if (code !== null) return;
  if (roomID !== null) showInAddress({ roomID, role });
  if (role === 'speaker') await chooseSpeakersLanguages(client, null);
}
