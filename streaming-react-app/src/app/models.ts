/** What the served models make of what is spoken, and which of them is taken. */
import type { Capability, RoomState } from '../wire/messages';

/**
 * Whether a model writes a language of what is said in another.
 *
 * @param source Null if nobody said what is spoken.
 */
export function translates(model: Capability, source: string | null, target: string): boolean {
  if (source !== null && !model.sourceLangs.includes(source)) return false;
  if (model.captionLangs.includes(target) && source !== target) return false;
  return model.targetLangs.includes(target);
}

/** The models that can do it, best first: as the server chooses when it is asked for `auto`. */
export function ableModels(
  models: readonly Capability[],
  source: string | null,
  target: string,
  speech: boolean,
): Capability[] {
  const silent = (model: Capability) =>
    speech && source !== target && !model.speechLangs.includes(target);
  return models
    .filter((model) => translates(model, source, target))
    .sort(
      (a, b) =>
        Number(a.demonstration) - Number(b.demonstration) || Number(silent(a)) - Number(silent(b)),
    );
}

export interface Wanted {
  /** The model that the person insists on; null leaves it to the server. */
  model: string | null;
  sourceLanguage: string | null;
  targetLanguage: string | null;
  output: 's2s&t' | 's2t' | 's2s';
}

/** The model that a stream gets; null if none can do it. */
export function chosenModel(models: readonly Capability[], wanted: Wanted): Capability | null {
  const { model, sourceLanguage, targetLanguage, output } = wanted;
  const named = models.find(({ name }) => name === model);
  if (named) return named;
  if (models.length < 2 || targetLanguage === null) return models[0] ?? null;
  return ableModels(models, sourceLanguage, targetLanguage, output !== 's2t')[0] ?? null;
}

/** Every language that one of the models writes of what is said in `source`. */
export function writtenOf(models: readonly Capability[], source: string | null): string[] {
  const codes = models.flatMap((model) =>
    model.targetLangs.filter((target) => translates(model, source, target)),
  );
  return [...new Set(codes)];
}

/** What translates a speaker's stream, or did so last. */
export function modelOf(
  models: readonly Capability[],
  room: RoomState | null,
  speakerID: string,
): Capability | undefined {
  const name = room?.members[speakerID]?.model;
  return models.find((model) => model.name === name);
}

/** The models of those who have spoken in a room. */
export function modelsInRoom(models: readonly Capability[], room: RoomState | null): Capability[] {
  const found = Object.keys(room?.members ?? {}).map((id) => modelOf(models, room, id));
  return [...new Set(found)].filter((model) => model !== undefined);
}

/** Whether none of those who speak now is translated into a language; null while nobody speaks. */
export function unwritten(
  models: readonly Capability[],
  room: RoomState | null,
  language: string,
): boolean | null {
  const streams = Object.values(room?.members ?? {}).filter((member) => member.transcoder);
  const known = streams.flatMap((member) => {
    const model = modelOf(models, room, member.client_id);
    const source = member.transcoder_dynamic_config?.['sourceLanguage'];
    return model ? [{ model, source: typeof source === 'string' ? source : null }] : [];
  });
  if (known.length === 0) return null;
  return known.every(
    ({ model, source }) =>
      !model.targetLangs.includes(language) ||
      (model.captionLangs.includes(language) && source !== language),
  );
}

/** Tried first where nothing was chosen: most people know one of them. */
const COMMON = ['eng', 'spa', 'fra', 'deu'];

/**
 * The language to begin with: what was chosen before, else a common one that is not the person's own
 * (a translation into one's own words shows nothing). Where only a demonstration could translate,
 * one's own words are worth more than its guesses.
 */
export function firstTarget(
  models: readonly Capability[],
  saved: string | null,
  own: string | null,
): string | null {
  const all = writtenOf(models, own);
  if (saved !== null && all.includes(saved)) return saved;
  const written = writtenOf(
    models.filter((model) => !model.demonstration),
    own,
  );
  const offered = written.length > 0 ? written : all;
  const common = COMMON.filter((code) => offered.includes(code));
  return [...common, ...offered].find((code) => code !== own) ?? offered[0] ?? null;
}

/** The other person's language in a conversation: never one's own, even where only a demonstration can. */
export function otherLanguage(
  models: readonly Capability[],
  saved: string | null,
  own: string | null,
): string | null {
  const offered = writtenOf(models, own).filter((code) => code !== own);
  return (
    [saved, ...COMMON].find((code) => code !== null && offered.includes(code)) ?? offered[0] ?? null
  );
}
