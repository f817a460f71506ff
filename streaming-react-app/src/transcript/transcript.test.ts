import { describe, expect, it } from 'vitest';
import type { NotUnderstood, RoomState, TranslationText } from '../wire/messages';
import { bilingual, formatTranscript } from './formats';
import { SpeechKeeper } from './speechKeeper';
import {
  EMPTY_TRANSCRIPT,
  addHistory,
  addLost,
  addText,
  beginStream,
  leaveLanguages,
} from './transcript';
import { shownLines, wantedLanguage } from './shown';
import type { Transcript } from './transcript';
import { wavFile } from './wav';

let seq = 0;
function said(payload: string, more: Partial<TranslationText> = {}): TranslationText {
  seq += 1;
  return {
    event: 'translation_text',
    payload,
    eos: false,
    speakerID: 'ann',
    lang: 'spa',
    segmentID: 0,
    seq,
    startMs: 0,
    endMs: 1000,
    offset: 0,
    latencyMs: 200,
    confidence: 0.9,
    ...more,
  };
}

function transcriptOf(...messages: TranslationText[]): Transcript {
  return messages.reduce(
    (t, message) => addText(t, message, 10_000 + message.endMs),
    EMPTY_TRANSCRIPT,
  );
}

const name = (id: string) => ({ ann: 'Ann', bob: 'Bob <b>' })[id] ?? id;

describe('addText', () => {
  it('grows one line a sentence and never changes what is there', () => {
    const first = transcriptOf(said(' Hola'), said(','));
    const second = addText(first, said(' mundo.', { eos: true }), 0);
    expect(second.lines.map((line) => line.text)).toEqual(['Hola, mundo.']);
    expect(second.lines[0]?.text.startsWith(first.lines[0]?.text ?? '?')).toBe(true);
    expect(second.lines[0]).toMatchObject({ finished: true, freshFrom: 5 });
  });

  it('keeps segments, speakers and languages apart', () => {
    const transcript = transcriptOf(
      said('uno', { segmentID: 1 }),
      said('dos', { speakerID: 'bob', segmentID: 1 }),
      said(' más', { segmentID: 1 }),
      said('drei', { segmentID: 1, lang: 'deu' }),
      said('vier', { segmentID: 2, lang: 'deu' }),
    );
    expect(transcript.lines.map((line) => line.text)).toEqual(['uno más', 'dos', 'drei', 'vier']);
  });

  it('ends what will not go on: the segment before, and the language that was left', () => {
    const transcript = transcriptOf(
      said('uno', { segmentID: 1 }),
      said('one', { segmentID: 1, lang: 'eng' }),
      said('eins', { segmentID: 2, lang: 'deu' }),
      said('two', { segmentID: 2, lang: 'eng' }),
    );
    const open = (t: Transcript) =>
      t.lines.filter((line) => !line.finished).map(({ text }) => text);
    // Two languages of a sentence may be written side by side.
    expect(open(transcript)).toEqual(['eins', 'two']);
    expect(open(leaveLanguages(transcript, 'eng'))).toEqual(['two']);
  });

  it("asks the speaker's model from where it is sure", () => {
    const sureFrom = (speakerID: string) => (speakerID === 'a' ? 0.8 : 0.2);
    const marked = (speakerID: string) => {
      const message = said('Hola', { speakerID, confidence: 0.5 });
      const live = addText(EMPTY_TRANSCRIPT, message, 0, sureFrom);
      const entry = { ...message, text: 'Hola', finished: true };
      const history = addHistory(EMPTY_TRANSCRIPT, [entry], sureFrom);
      return [live, history].map(({ lines }) => lines[0]?.pieces[0]?.unsure ?? false);
    };
    expect(marked('a')).toEqual([true, true]);
    expect(marked('b')).toEqual([false, false]);
  });

  it('marks what the model was not sure of, and what it gave up', () => {
    const doubtful = transcriptOf(
      said('Hola', { confidence: 0.9 }),
      said(' mundo', { confidence: 0.3 }),
    );
    expect(doubtful.lines[0]?.pieces.map((piece) => piece.unsure ?? false)).toEqual([false, true]);
    const where = said('', { segmentID: 1, eos: true, confidence: 0.1 });
    const lost: NotUnderstood = { ...where, event: 'not_understood' };
    const after = addLost(doubtful, lost, 0);
    expect(after.lines.map((line) => [line.text, line.lost ?? false, line.finished])).toEqual([
      ['Hola mundo', false, true],
      ['…', true, true],
    ]);
    expect(addLost(after, lost, 0)).toBe(after);
  });

  it('joins pieces without spaces as they come (Chinese)', () => {
    const transcript = transcriptOf(said('你好', { lang: 'cmn' }), said('世界', { lang: 'cmn' }));
    expect(transcript.lines[0]?.text).toBe('你好世界');
  });

  it('ignores a message that was seen before', () => {
    const message = said('Hola');
    const once = transcriptOf(message);
    expect(addText(once, message, 0)).toBe(once);
  });

  it('begins a new line after the end of a sentence of the same segment', () => {
    const transcript = transcriptOf(said('Uno.', { eos: true }), said(' Dos.', { eos: true }));
    expect(transcript.lines.map((line) => line.text)).toEqual(['Uno.', 'Dos.']);
    expect(new Set(transcript.lines.map((line) => line.key)).size).toBe(2);
  });

  it('grows the second sentence of a segment as it grew the first', () => {
    const transcript = transcriptOf(
      said('Uno.', { eos: true }),
      said(' Dos'),
      said(' y tres'),
      said('', { eos: true }),
    );
    expect(transcript.lines.map((line) => line.text)).toEqual(['Uno.', 'Dos y tres']);
    expect(transcript.lines.every((line) => line.finished)).toBe(true);
  });

  it('takes an empty end of sentence as an end, not as a line', () => {
    const transcript = transcriptOf(said('Hola'), said('', { eos: true }), said('', { eos: true }));
    expect(transcript.lines).toHaveLength(1);
    expect(transcript.lines[0]?.finished).toBe(true);
  });

  it("does not mix a speaker's second stream with the first", () => {
    for (const again of [{ seq: 0 }, { seq: 900, startMs: 0, endMs: 500 }]) {
      const first = said('primero', { seq: 5, startMs: 9000, endMs: 9900 });
      const transcript = transcriptOf(first, said('segundo', again));
      expect(transcript.lines.map((line) => line.text)).toEqual(['primero', 'segundo']);
      expect(transcript.lines[0]?.finished).toBe(true);
      expect(Object.keys(transcript.origins)).toHaveLength(2);
    }
  });

  it('tells a repeated message from one that only has its number', () => {
    const first = said('uno', { seq: 5, segmentID: 3, startMs: 0, endMs: 1000 });
    for (const other of [
      { segmentID: 4, startMs: 0 },
      { segmentID: 3, startMs: 1000 },
    ]) {
      const again = said('otro', { seq: 5, endMs: 4000, ...other });
      const lines = transcriptOf(first, again).lines;
      expect(lines.map((line) => [line.text, line.stream])).toEqual([
        ['uno', 0],
        ['otro', 1],
      ]);
    }
  });

  it('lets times go back by two seconds within a stream, and no further', () => {
    const first = said('uno', { endMs: 9000 });
    const streams = (endMs: number) =>
      transcriptOf(first, said(' dos', { endMs })).lines.map((line) => line.stream);
    expect(streams(7000)).toEqual([0]);
    expect(streams(6999)).toEqual([0, 1]);
  });

  it('keeps where each piece was said', () => {
    const [line] = transcriptOf(
      said('uno', { startMs: 100, endMs: 900 }),
      said('', { startMs: 900, endMs: 1000 }),
      said(' dos', { startMs: 1000, endMs: 1700 }),
    ).lines;
    expect(line?.pieces).toEqual([
      { text: 'uno', startMs: 100, endMs: 900 },
      { text: ' dos', startMs: 1000, endMs: 1700 },
    ]);
  });

  it("ends a speaker's own lines when a stream begins, and nobody else's", () => {
    const both = transcriptOf(said('uno', { speakerID: 'bob' }), said('dos'));
    const after = beginStream(both, 'ann');
    expect(after.lines.map((line) => line.finished)).toEqual([false, true]);
  });
});

describe('shownLines', () => {
  const spoken = () => 'eng';

  it('puts what was heard beside its sentence, once', () => {
    const { lines } = transcriptOf(
      said('Hello', { segmentID: 1, lang: 'eng' }),
      said('Hola', { segmentID: 1, eos: true }),
      said(' all', { segmentID: 1, lang: 'eng', eos: true }),
      said('Adiós', { segmentID: 1 }),
    );
    const shown = shownLines(lines, () => 'spa', spoken);
    expect(shown.map((line) => [line.text, line.heard?.text])).toEqual([
      ['Hola', 'Hello all'],
      ['Adiós', undefined],
    ]);
  });

  it('shows what was heard while there is no translation yet, and never takes it for one', () => {
    const first = transcriptOf(said('Hello', { segmentID: 1, lang: 'eng' }));
    const show = (t: Transcript) =>
      shownLines(t.lines, () => 'spa', spoken).map((line) => [
        line.text,
        line.heard?.text,
        line.foreign ?? false,
      ]);
    expect(show(first)).toEqual([['', 'Hello', false]]);
    expect(show(addText(first, said('Hola', { segmentID: 1 }), 0))).toEqual([
      ['Hola', 'Hello', false],
    ]);
    // Who reads the language that is spoken reads it once.
    expect(shownLines(first.lines, () => 'eng', spoken).map((line) => line.heard)).toEqual([
      undefined,
    ]);
  });
});

describe('addHistory', () => {
  const entry = (text: string, lang: string, segmentID: number, finished = true) => ({
    speakerID: 'ann',
    lang,
    segmentID,
    startMs: segmentID * 1000,
    endMs: segmentID * 1000 + 900,
    text,
    finished,
    confidence: 0.9,
  });

  it('puts what was said before in front, one language a sentence', () => {
    const live = transcriptOf(said('Ahora', { segmentID: 3 }));
    const whole = addHistory(live, [
      entry('Uno', 'spa', 1),
      entry('Eins', 'deu', 1),
      entry('Zwei', 'deu', 2),
    ]);
    const shown = shownLines(whole.lines, () => 'spa');
    expect(shown.map((line) => [line.text, line.foreign ?? false])).toEqual([
      ['Uno', false],
      ['Zwei', true],
      ['Ahora', false],
    ]);
  });

  it('gives sentences their place in a language that is chosen later', () => {
    const live = transcriptOf(
      said('Uno', { segmentID: 1, eos: true }),
      said('Dos', { segmentID: 2, eos: true }),
    );
    const whole = addHistory(live, [
      entry('Uno', 'spa', 1),
      entry('Eins', 'deu', 1),
      entry('Dos', 'spa', 2),
    ]);
    const texts = (lang: string) => shownLines(whole.lines, () => lang).map((line) => line.text);
    expect(texts('deu')).toEqual(['Eins', 'Dos']);
    expect(texts('spa')).toEqual(['Uno', 'Dos']);
    expect(new Set(whole.lines.map((line) => line.key)).size).toBe(whole.lines.length);
  });

  it('does not repeat what this page heard itself', () => {
    const live = transcriptOf(said('Uno', { segmentID: 1 }));
    expect(addHistory(live, [entry('Uno', 'spa', 1)]).lines).toHaveLength(1);
  });

  it('leaves what this page heard itself as it is, whatever number the server gives it', () => {
    const live = transcriptOf(said('Uno.', { segmentID: 1, eos: true }));
    for (const segment of [1, 7]) {
      expect(addHistory(live, [entry(' Uno. ', 'spa', segment)]).lines).toEqual(live.lines);
    }
    const others = addHistory(live, [{ ...entry('Uno.', 'spa', 1), speakerID: 'bob' }]);
    expect(others.lines.map((line) => line.speakerID)).toEqual(['bob', 'ann']);
  });

  it('leaves out what says nothing', () => {
    expect(addHistory(transcriptOf(), [entry(' ', 'spa', 1)]).lines).toEqual([]);
  });

  it('puts another language right behind the sentence, and only that of its speaker', () => {
    const live = transcriptOf(
      said('Uno', { segmentID: 1, eos: true }),
      said('Dos', { segmentID: 2, eos: true }),
    );
    const whole = addHistory(live, [
      entry('Eins', 'deu', 1),
      { ...entry('Zwei', 'deu', 2), speakerID: 'bob' },
    ]);
    expect(whole.lines.map((line) => line.text)).toEqual(['Zwei', 'Uno', 'Eins', 'Dos']);
  });

  it('has no two lines of one name, however often the past is asked for', () => {
    const again = [
      entry('Uno', 'spa', 1),
      entry('Otro', 'spa', 1),
      entry('Abierto', 'spa', 1, false),
    ]
      .map((one) => [one])
      .reduce((before, more) => addHistory(before, more), transcriptOf());
    const twice = addHistory(again, [entry('Cuatro', 'spa', 1, false)]);
    expect(twice.lines).toHaveLength(4);
    expect(new Set(twice.lines.map((line) => line.key)).size).toBe(4);
  });

  it('lets a sentence that is still being spoken go on where it was', () => {
    const begun = addHistory(transcriptOf(), [
      entry('Uno', 'spa', 1),
      entry('Dos', 'spa', 2, false),
    ]);
    const whole = [
      said(' y tres', { segmentID: 2, seq: 7 }),
      said('.', { segmentID: 2, seq: 8, eos: true }),
    ].reduce((transcript, message) => addText(transcript, message, 0), begun);
    expect(whole.lines.map((line) => [line.text, line.finished])).toEqual([
      ['Uno', true],
      ['Dos y tres.', true],
    ]);
  });

  it('puts the beginning before what was heard while the history was fetched', () => {
    const live = transcriptOf(said(' y tres ', { segmentID: 2 }));
    const whole = addHistory(live, [entry('Dos y tres', 'spa', 2, false)]);
    expect(whole.lines.map((line) => line.text)).toEqual(['Dos y tres']);
    expect(whole.lines[0]?.pieces).toEqual([{ text: 'Dos y tres', startMs: 2000, endMs: 2900 }]);
    const after = addText(whole, said(' más', { segmentID: 2 }), 0);
    expect(after.lines.map((line) => line.text)).toEqual(['Dos y tres más']);
  });
});

describe('wantedLanguage', () => {
  const room = {
    room_id: 'ABCD',
    members: { ann: { transcoder_dynamic_config: { targetLanguage: 'fra' } } },
  } as unknown as RoomState;

  it("is the listener's own, else what the speaker translates into, else what was written", () => {
    const { lines } = transcriptOf(said('Hola'), said('Hallo', { speakerID: 'bob', lang: 'deu' }));
    expect(wantedLanguage('ita', room, lines)('ann')).toBe('ita');
    const wanted = wantedLanguage(null, room, lines);
    expect([wanted('ann'), wanted('bob'), wanted('cleo')]).toEqual(['fra', 'deu', null]);
  });
});

describe('formats', () => {
  const transcript = transcriptOf(
    said('Hola', { startMs: 500, endMs: 1500 }),
    said(' a todos.', { startMs: 1500, endMs: 2500, eos: true }),
    said('Buenos <días> & más', { segmentID: 1, startMs: 61_000, endMs: 62_000, eos: true }),
  );
  const two = addText(
    transcript,
    said('Hey', { speakerID: 'bob', endMs: 900, latencyMs: 0 }),
    13_000,
  );

  it('writes TXT, with names only when there are several speakers', () => {
    expect(formatTranscript(transcript, 'txt', name)).toBe('Hola a todos.\nBuenos <días> & más\n');
    expect(formatTranscript(two, 'txt', name)).toContain('Ann: Hola a todos.\n');
  });

  it('writes SRT', () => {
    expect(formatTranscript(transcript, 'srt', name)).toBe(
      '1\n00:00:00,500 --> 00:00:02,500\nHola a todos.\n\n' +
        '2\n00:01:01,000 --> 00:01:02,000\nBuenos <días> & más\n',
    );
  });

  it('writes VTT with markup escaped and voices named', () => {
    const vtt = formatTranscript(two, 'vtt', name);
    expect(vtt.startsWith('WEBVTT\n\n')).toBe(true);
    expect(vtt).toContain('00:00:00.500 --> 00:00:02.500\n<v Ann>Hola a todos.\n');
    expect(vtt).toContain('Buenos &lt;días&gt; &amp; más');
    expect(vtt).toContain('<v Bob &lt;b&gt;>Hey');
  });

  it('keeps names, times, languages and notes together', () => {
    const at = new Date(2026, 10, 27, 9, 30, 0).getTime();
    const both = [
      said('Hola.', { lang: 'spa', eos: true, startMs: 0, endMs: 1000, latencyMs: 0 }),
      said('Hello.', { lang: 'eng', eos: true, startMs: 0, endMs: 1000, latencyMs: 0 }),
    ].reduce((before, message) => addText(before, message, at + 1000), EMPTY_TRANSCRIPT);
    const noteOf = (line: { lang: string }) => (line.lang === 'spa' ? 'wrong' : '');
    expect(bilingual(both, name, noteOf)).toBe(
      `09:30:00 ${name(both.lines[0]?.speakerID ?? '')}\n[eng] Hello.\n[spa] Hola. [wrong]\n`,
    );
    expect(formatTranscript(both, 'vtt', name, 'Room ABCD')).toMatch(/^WEBVTT\n\nNOTE Room ABCD\n/);
    const [first] = JSON.parse(formatTranscript(both, 'json', name, '', noteOf)) as unknown[];
    expect(first).toMatchObject({ time: '09:30:00', note: 'wrong', lang: 'spa', text: 'Hola.' });
  });

  it('puts the streams of several speakers on one axis', () => {
    const list = JSON.parse(formatTranscript(two, 'json', name)) as {
      text: string;
      startMs: number;
    }[];
    // Bob's audio began at 12,100 on the wall clock, Ann's at 9,800.
    expect(list.find((cue) => cue.text === 'Hey')?.startMs).toBe(2300);
  });

  it('cuts a long sentence into cues that can be read', () => {
    const words = Array.from({ length: 40 }, (_, i) =>
      said(` palabra${String(i)}`, { startMs: i * 500, endMs: i * 500 + 500 }),
    );
    const list = JSON.parse(formatTranscript(transcriptOf(...words), 'json', name)) as {
      text: string;
      startMs: number;
      endMs: number;
    }[];
    expect(list.length).toBeGreaterThan(3);
    expect(Math.max(...list.map((cue) => cue.text.length))).toBeLessThanOrEqual(84);
    expect(Math.max(...list.map((cue) => cue.endMs - cue.startMs))).toBeLessThanOrEqual(6000);
    expect(
      list
        .map((cue) => cue.text)
        .join(' ')
        .split(' '),
    ).toHaveLength(40);
  });
});

describe('speech', () => {
  it('writes a WAV file that says what it holds', () => {
    const file = new DataView(wavFile([new ArrayBuffer(4), new ArrayBuffer(6)], 16000));
    const text = (at: number) =>
      String.fromCharCode(...[0, 1, 2, 3].map((i) => file.getUint8(at + i)));
    expect([text(0), text(8), text(36)]).toEqual(['RIFF', 'WAVE', 'data']);
    expect(file.getUint32(24, true)).toBe(16000);
    expect(file.getUint32(40, true)).toBe(10);
    expect(file.byteLength).toBe(54);
  });

  it('keeps speech within its bound', () => {
    const keeper = new SpeechKeeper(1);
    for (let i = 0; i < 15; i += 1) keeper.add(new ArrayBuffer(3200), 16000);
    expect(keeper.seconds).toBeCloseTo(1);
  });

  it('keeps everything when a voice changes its rate, in one file of the higher one', () => {
    const keeper = new SpeechKeeper();
    for (const rate of [16000, 24000, 16000]) keeper.add(new ArrayBuffer(rate), rate);
    expect(keeper.seconds).toBeCloseTo(1.5);
    const { chunks, rate } = keeper.whole();
    expect(rate).toBe(24000);
    expect(chunks.map((chunk) => chunk.byteLength)).toEqual([24000, 24000, 24000]);
  });
});
