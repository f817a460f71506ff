import { describe, expect, it } from 'vitest';
import type { Capability, Member, RoomState } from '../wire/messages';
import { ableModels, chosenModel, firstTarget, unwritten } from './models';

const model = (name: string, more: Partial<Capability>): Capability => ({
  name,
  description: '',
  modalities: ['s2t'],
  targetLangs: [],
  dynamicParams: [],
  speechLangs: [],
  sourceLangs: [],
  captionLangs: [],
  voices: {},
  loaded: true,
  demonstration: false,
  sureFrom: 0.5,
  ...more,
});
const phrasebook = model('phrasebook', {
  sourceLangs: ['eng'],
  targetLangs: ['deu', 'eng', 'spa'],
  speechLangs: ['deu', 'eng', 'spa'],
  demonstration: true,
});
const recogniser = model('recogniser', {
  sourceLangs: ['deu', 'eng', 'spa'],
  targetLangs: ['eng', 'deu', 'spa'],
  captionLangs: ['deu', 'spa'],
});
const everything = model('everything', {
  sourceLangs: ['deu', 'eng', 'jpn', 'spa'],
  targetLangs: ['deu', 'eng', 'jpn', 'spa'],
  speechLangs: ['deu', 'eng'],
});
const laptop = [phrasebook, recogniser];
const names = (models: Capability[]) => models.map(({ name }) => name);

describe('which model translates', () => {
  it('is the best that can, and a demonstration only where no other can', () => {
    const able = (source: string | null, target: string, speech = true) =>
      names(ableModels(laptop, source, target, speech));
    expect(able('eng', 'eng')).toEqual(['recogniser', 'phrasebook']);
    expect(able('deu', 'eng')).toEqual(['recogniser']);
    expect(able('deu', 'deu')).toEqual(['recogniser']);
    expect(able('eng', 'spa')).toEqual(['phrasebook']);
    expect(able(null, 'eng')).toEqual(['recogniser', 'phrasebook']);
    expect(able('deu', 'spa')).toEqual([]);
    const both = [recogniser, everything];
    expect(names(ableModels(both, 'deu', 'eng', true))).toEqual(['everything', 'recogniser']);
    expect(names(ableModels(both, 'deu', 'eng', false))).toEqual(['recogniser', 'everything']);
  });

  it('is the one that somebody insists on', () => {
    const wanted = { sourceLanguage: 'eng', targetLanguage: 'eng', output: 's2t' as const };
    expect(chosenModel(laptop, { model: null, ...wanted })).toBe(recogniser);
    expect(chosenModel(laptop, { model: 'phrasebook', ...wanted })).toBe(phrasebook);
    expect(chosenModel(laptop, { model: 'gone', ...wanted })).toBe(recogniser);
    expect(chosenModel(laptop, { model: null, ...wanted, sourceLanguage: 'jpn' })).toBeNull();
    expect(chosenModel([phrasebook], { model: null, ...wanted, sourceLanguage: 'jpn' })).toBe(
      phrasebook,
    );
  });
});

describe('firstTarget', () => {
  it('keeps what was chosen before, if it can be had', () => {
    expect(firstTarget([everything], 'deu', 'eng')).toBe('deu');
    expect(firstTarget([everything], 'fra', 'eng')).toBe('spa');
    expect(firstTarget(laptop, 'spa', 'eng')).toBe('spa');
    expect(firstTarget(laptop, 'spa', 'deu')).toBe('eng');
  });

  it("takes a common language that is not the speaker's own", () => {
    expect(firstTarget([everything], null, 'eng')).toBe('spa');
    expect(firstTarget([everything], null, 'deu')).toBe('eng');
    expect(firstTarget([phrasebook], null, 'eng')).toBe('spa');
  });

  it("shows a newcomer's own words where only a demonstration could translate them", () => {
    expect(firstTarget(laptop, null, 'eng')).toBe('eng');
    expect(firstTarget(laptop, null, 'deu')).toBe('eng');
  });

  it('makes do with what there is', () => {
    expect(firstTarget([model('zulu', { targetLangs: ['zul'] })], null, null)).toBe('zul');
    expect(firstTarget([], null, 'eng')).toBeNull();
  });
});

describe('unwritten', () => {
  const member = (id: string, name: string | null, source: string | null): Member => ({
    client_id: id,
    session_id: null,
    name: null,
    connection_status: 'connected',
    transcoder: true,
    requested_output_type: null,
    transcoder_dynamic_config: source === null ? null : { sourceLanguage: source },
    roles: ['speaker'],
    listener_config: null,
    model: name,
  });
  const room = (...members: Member[]) =>
    ({ members: Object.fromEntries(members.map((one) => [one.client_id, one])) }) as RoomState;

  it('says that nobody who speaks is translated into a language', () => {
    expect(unwritten(laptop, null, 'deu')).toBeNull();
    expect(unwritten(laptop, room(), 'deu')).toBeNull();
    const english = member('a', 'recogniser', 'eng');
    expect(unwritten(laptop, room(english), 'deu')).toBe(true);
    expect(unwritten(laptop, room(english), 'eng')).toBe(false);
    expect(unwritten(laptop, room(member('a', 'recogniser', 'deu')), 'deu')).toBe(false);
    expect(unwritten(laptop, room(english, member('b', 'phrasebook', 'eng')), 'deu')).toBe(false);
    expect(unwritten(laptop, room(member('a', null, 'eng')), 'deu')).toBeNull();
    expect(unwritten(laptop, room({ ...english, transcoder: false }), 'deu')).toBeNull();
  });
});
