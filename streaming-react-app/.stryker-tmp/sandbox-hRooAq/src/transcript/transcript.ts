/** What was said so far, as lines that only ever grow. Pure functions over plain data. */
// @ts-nocheck
function stryNS_9fa48() {
  var g = typeof globalThis === 'object' && globalThis && globalThis.Math === Math && globalThis || new Function("return this")();
  var ns = g.__stryker__ || (g.__stryker__ = {});
  if (ns.activeMutant === undefined && g.process && g.process.env && g.process.env.__STRYKER_ACTIVE_MUTANT__) {
    ns.activeMutant = g.process.env.__STRYKER_ACTIVE_MUTANT__;
  }
  function retrieveNS() {
    return ns;
  }
  stryNS_9fa48 = retrieveNS;
  return retrieveNS();
}
stryNS_9fa48();
function stryCov_9fa48() {
  var ns = stryNS_9fa48();
  var cov = ns.mutantCoverage || (ns.mutantCoverage = {
    static: {},
    perTest: {}
  });
  function cover() {
    var c = cov.static;
    if (ns.currentTestId) {
      c = cov.perTest[ns.currentTestId] = cov.perTest[ns.currentTestId] || {};
    }
    var a = arguments;
    for (var i = 0; i < a.length; i++) {
      c[a[i]] = (c[a[i]] || 0) + 1;
    }
  }
  stryCov_9fa48 = cover;
  cover.apply(null, arguments);
}
function stryMutAct_9fa48(id) {
  var ns = stryNS_9fa48();
  function isActive(id) {
    if (ns.activeMutant === id) {
      if (ns.hitCount !== void 0 && ++ns.hitCount > ns.hitLimit) {
        throw new Error('Stryker: Hit count limit reached (' + ns.hitCount + ')');
      }
      return true;
    }
    return false;
  }
  stryMutAct_9fa48 = isActive;
  return isActive(id);
}
import type { NotUnderstood, TranscriptEntry, TranslationText } from '../wire/messages';

/** A piece as it came: its text and the stretch of the speaker's audio that it covers. */
export interface Piece {
  text: string;
  startMs: number;
  endMs: number;
  /** The model was not sure of the sentence up to here. */
  unsure?: true;
}

/** Below it the decoder's words are more often wrong than right. */
const SURE_FROM = 0.5;
const unsure = stryMutAct_9fa48("0") ? () => undefined : (stryCov_9fa48("0"), (() => {
  const unsure = (confidence: number | null | undefined) => (stryMutAct_9fa48("3") ? typeof confidence === 'number' || confidence < SURE_FROM : stryMutAct_9fa48("2") ? false : stryMutAct_9fa48("1") ? true : (stryCov_9fa48("1", "2", "3"), (stryMutAct_9fa48("5") ? typeof confidence !== 'number' : stryMutAct_9fa48("4") ? true : (stryCov_9fa48("4", "5"), typeof confidence === (stryMutAct_9fa48("6") ? "" : (stryCov_9fa48("6"), 'number')))) && (stryMutAct_9fa48("9") ? confidence >= SURE_FROM : stryMutAct_9fa48("8") ? confidence <= SURE_FROM : stryMutAct_9fa48("7") ? true : (stryCov_9fa48("7", "8", "9"), confidence < SURE_FROM)))) ? stryMutAct_9fa48("10") ? {} : (stryCov_9fa48("10"), {
    unsure: true as const
  }) : {};
  return unsure;
})());
export interface Line {
  key: string;
  speakerID: string;
  /** Counts a speaker's streams: segment numbers begin anew with each. */
  stream: number;
  segmentID: number;
  lang: string;
  pieces: Piece[];
  text: string;
  /** Where the newest piece begins in `text`. */
  freshFrom: number;
  finished: boolean;
  /** The rest of the sentence was not understood. */
  lost?: true;
}
type Last = Pick<TranslationText, 'seq' | 'segmentID' | 'startMs' | 'endMs'>;
export interface Transcript {
  lines: Line[];
  /** Speaker -> the number of its stream and the last message of each language. */
  streams: Record<string, {
    number: number;
    last: Record<string, Last>;
  }>;
  /** `speaker/stream` -> time of day at which that stream's audio began, where it is known. */
  origins: Record<string, number>;
}
export const EMPTY_TRANSCRIPT: Transcript = stryMutAct_9fa48("11") ? {} : (stryCov_9fa48("11"), {
  lines: stryMutAct_9fa48("12") ? ["Stryker was here"] : (stryCov_9fa48("12"), []),
  streams: {},
  origins: {}
});
export const streamKey = stryMutAct_9fa48("13") ? () => undefined : (stryCov_9fa48("13"), (() => {
  const streamKey = (line: Pick<Line, 'speakerID' | 'stream'>): string => stryMutAct_9fa48("14") ? `` : (stryCov_9fa48("14"), `${line.speakerID}/${String(line.stream)}`);
  return streamKey;
})());
function lineKey(speakerID: string, stream: number, segmentID: number, lang: string): string {
  if (stryMutAct_9fa48("15")) {
    {}
  } else {
    stryCov_9fa48("15");
    return stryMutAct_9fa48("16") ? `` : (stryCov_9fa48("16"), `${speakerID}/${String(stream)}/${String(segmentID)}/${lang}`);
  }
}

/** Whether a line is of that segment: the second of its sentences has `#1` at the key's end. */
function isOf(line: Line, key: string): boolean {
  if (stryMutAct_9fa48("17")) {
    {}
  } else {
    stryCov_9fa48("17");
    return stryMutAct_9fa48("20") ? line.key === key && line.key.startsWith(`${key}#`) : stryMutAct_9fa48("19") ? false : stryMutAct_9fa48("18") ? true : (stryCov_9fa48("18", "19", "20"), (stryMutAct_9fa48("22") ? line.key !== key : stryMutAct_9fa48("21") ? false : (stryCov_9fa48("21", "22"), line.key === key)) || (stryMutAct_9fa48("23") ? line.key.endsWith(`${key}#`) : (stryCov_9fa48("23"), line.key.startsWith(stryMutAct_9fa48("24") ? `` : (stryCov_9fa48("24"), `${key}#`)))));
  }
}

/** Pieces carry their own word boundaries; a sentence does not begin with one. */
function joined(before: string, piece: string): string {
  if (stryMutAct_9fa48("25")) {
    {}
  } else {
    stryCov_9fa48("25");
    return (stryMutAct_9fa48("28") ? before !== '' : stryMutAct_9fa48("27") ? false : stryMutAct_9fa48("26") ? true : (stryCov_9fa48("26", "27", "28"), before === (stryMutAct_9fa48("29") ? "Stryker was here!" : (stryCov_9fa48("29"), '')))) ? stryMutAct_9fa48("30") ? piece.trimEnd() : (stryCov_9fa48("30"), piece.trimStart()) : stryMutAct_9fa48("31") ? before - piece : (stryCov_9fa48("31"), before + piece);
  }
}
function appended(line: Line, piece: Piece, finished: boolean): Line {
  if (stryMutAct_9fa48("32")) {
    {}
  } else {
    stryCov_9fa48("32");
    const text = joined(line.text, piece.text);
    return stryMutAct_9fa48("33") ? {} : (stryCov_9fa48("33"), {
      ...line,
      text,
      pieces: (stryMutAct_9fa48("36") ? piece.text !== '' : stryMutAct_9fa48("35") ? false : stryMutAct_9fa48("34") ? true : (stryCov_9fa48("34", "35", "36"), piece.text === (stryMutAct_9fa48("37") ? "Stryker was here!" : (stryCov_9fa48("37"), '')))) ? line.pieces : stryMutAct_9fa48("38") ? [] : (stryCov_9fa48("38"), [...line.pieces, piece]),
      freshFrom: (stryMutAct_9fa48("41") ? text !== line.text : stryMutAct_9fa48("40") ? false : stryMutAct_9fa48("39") ? true : (stryCov_9fa48("39", "40", "41"), text === line.text)) ? line.freshFrom : line.text.length,
      finished: stryMutAct_9fa48("44") ? line.finished && finished : stryMutAct_9fa48("43") ? false : stryMutAct_9fa48("42") ? true : (stryCov_9fa48("42", "43", "44"), line.finished || finished)
    });
  }
}
function replaced(lines: Line[], at: number, line: Line): Line[] {
  if (stryMutAct_9fa48("45")) {
    {}
  } else {
    stryCov_9fa48("45");
    const copy = stryMutAct_9fa48("46") ? [] : (stryCov_9fa48("46"), [...lines]);
    copy[at] = line;
    return copy;
  }
}

/** How far times may go back within a stream before it must be another one. */
const BACKWARDS_MS = 2000;
function repeats(message: Last, last: Last): boolean {
  if (stryMutAct_9fa48("47")) {
    {}
  } else {
    stryCov_9fa48("47");
    const {
      seq,
      segmentID,
      startMs
    } = message;
    return stryMutAct_9fa48("50") ? seq === last.seq && segmentID === last.segmentID || startMs === last.startMs : stryMutAct_9fa48("49") ? false : stryMutAct_9fa48("48") ? true : (stryCov_9fa48("48", "49", "50"), (stryMutAct_9fa48("52") ? seq === last.seq || segmentID === last.segmentID : stryMutAct_9fa48("51") ? true : (stryCov_9fa48("51", "52"), (stryMutAct_9fa48("54") ? seq !== last.seq : stryMutAct_9fa48("53") ? true : (stryCov_9fa48("53", "54"), seq === last.seq)) && (stryMutAct_9fa48("56") ? segmentID !== last.segmentID : stryMutAct_9fa48("55") ? true : (stryCov_9fa48("55", "56"), segmentID === last.segmentID)))) && (stryMutAct_9fa48("58") ? startMs !== last.startMs : stryMutAct_9fa48("57") ? true : (stryCov_9fa48("57", "58"), startMs === last.startMs)));
  }
}

/** Numbers and times only grow within a stream: when they fall, the speaker began a new one. */
function beginsAnew(message: Last, last: Last): boolean {
  if (stryMutAct_9fa48("59")) {
    {}
  } else {
    stryCov_9fa48("59");
    return stryMutAct_9fa48("62") ? message.seq <= last.seq && message.endMs < last.endMs - BACKWARDS_MS : stryMutAct_9fa48("61") ? false : stryMutAct_9fa48("60") ? true : (stryCov_9fa48("60", "61", "62"), (stryMutAct_9fa48("65") ? message.seq > last.seq : stryMutAct_9fa48("64") ? message.seq < last.seq : stryMutAct_9fa48("63") ? false : (stryCov_9fa48("63", "64", "65"), message.seq <= last.seq)) || (stryMutAct_9fa48("68") ? message.endMs >= last.endMs - BACKWARDS_MS : stryMutAct_9fa48("67") ? message.endMs <= last.endMs - BACKWARDS_MS : stryMutAct_9fa48("66") ? false : (stryCov_9fa48("66", "67", "68"), message.endMs < (stryMutAct_9fa48("69") ? last.endMs + BACKWARDS_MS : (stryCov_9fa48("69"), last.endMs - BACKWARDS_MS)))));
  }
}
function finished(lines: Line[], over: (line: Line) => boolean): Line[] {
  if (stryMutAct_9fa48("70")) {
    {}
  } else {
    stryCov_9fa48("70");
    const now = stryMutAct_9fa48("71") ? () => undefined : (stryCov_9fa48("71"), (() => {
      const now = (line: Line) => stryMutAct_9fa48("74") ? !line.finished || over(line) : stryMutAct_9fa48("73") ? false : stryMutAct_9fa48("72") ? true : (stryCov_9fa48("72", "73", "74"), (stryMutAct_9fa48("75") ? line.finished : (stryCov_9fa48("75"), !line.finished)) && over(line));
      return now;
    })());
    return (stryMutAct_9fa48("76") ? lines.every(now) : (stryCov_9fa48("76"), lines.some(now))) ? lines.map(stryMutAct_9fa48("77") ? () => undefined : (stryCov_9fa48("77"), line => now(line) ? stryMutAct_9fa48("78") ? {} : (stryCov_9fa48("78"), {
      ...line,
      finished: stryMutAct_9fa48("79") ? false : (stryCov_9fa48("79"), true)
    }) : line)) : lines;
  }
}

/** Ends lines that will not go on: of segments before the one that is spoken now. */
function closed(lines: Line[], now: TranslationText): Line[] {
  if (stryMutAct_9fa48("80")) {
    {}
  } else {
    stryCov_9fa48("80");
    return finished(lines, stryMutAct_9fa48("81") ? () => undefined : (stryCov_9fa48("81"), line => stryMutAct_9fa48("84") ? line.speakerID === now.speakerID || line.segmentID < now.segmentID : stryMutAct_9fa48("83") ? false : stryMutAct_9fa48("82") ? true : (stryCov_9fa48("82", "83", "84"), (stryMutAct_9fa48("86") ? line.speakerID !== now.speakerID : stryMutAct_9fa48("85") ? true : (stryCov_9fa48("85", "86"), line.speakerID === now.speakerID)) && (stryMutAct_9fa48("89") ? line.segmentID >= now.segmentID : stryMutAct_9fa48("88") ? line.segmentID <= now.segmentID : stryMutAct_9fa48("87") ? true : (stryCov_9fa48("87", "88", "89"), line.segmentID < now.segmentID)))));
  }
}

/** This member reads another language from now on: of the others it hears no more. */
export function leaveLanguages(transcript: Transcript, stays: string | null): Transcript {
  if (stryMutAct_9fa48("90")) {
    {}
  } else {
    stryCov_9fa48("90");
    return stryMutAct_9fa48("91") ? {} : (stryCov_9fa48("91"), {
      ...transcript,
      lines: finished(transcript.lines, stryMutAct_9fa48("92") ? () => undefined : (stryCov_9fa48("92"), line => stryMutAct_9fa48("95") ? line.lang === stays : stryMutAct_9fa48("94") ? false : stryMutAct_9fa48("93") ? true : (stryCov_9fa48("93", "94", "95"), line.lang !== stays)))
    });
  }
}

/** Adds a message; one that comes twice changes nothing. */
export function addText(transcript: Transcript, message: TranslationText, now: number): Transcript {
  if (stryMutAct_9fa48("96")) {
    {}
  } else {
    stryCov_9fa48("96");
    const {
      speakerID,
      lang,
      segmentID,
      seq,
      startMs,
      endMs
    } = message;
    const known = stryMutAct_9fa48("97") ? transcript.streams[speakerID] && {
      number: 0,
      last: {}
    } : (stryCov_9fa48("97"), transcript.streams[speakerID] ?? (stryMutAct_9fa48("98") ? {} : (stryCov_9fa48("98"), {
      number: 0,
      last: {}
    })));
    const last = known.last[lang];
    if (stryMutAct_9fa48("101") ? last || repeats(message, last) : stryMutAct_9fa48("100") ? false : stryMutAct_9fa48("99") ? true : (stryCov_9fa48("99", "100", "101"), last && repeats(message, last))) return transcript;
    if (stryMutAct_9fa48("104") ? last || beginsAnew(message, last) : stryMutAct_9fa48("103") ? false : stryMutAct_9fa48("102") ? true : (stryCov_9fa48("102", "103", "104"), last && beginsAnew(message, last))) {
      if (stryMutAct_9fa48("105")) {
        {}
      } else {
        stryCov_9fa48("105");
        return addText(beginStream(transcript, speakerID), message, now);
      }
    }
    const stream = known.number;
    const streams = stryMutAct_9fa48("106") ? {} : (stryCov_9fa48("106"), {
      ...transcript.streams,
      [speakerID]: stryMutAct_9fa48("107") ? {} : (stryCov_9fa48("107"), {
        number: stream,
        last: stryMutAct_9fa48("108") ? {} : (stryCov_9fa48("108"), {
          ...known.last,
          [lang]: stryMutAct_9fa48("109") ? {} : (stryCov_9fa48("109"), {
            seq,
            segmentID,
            startMs,
            endMs
          })
        })
      })
    });
    const origin = stryMutAct_9fa48("110") ? `` : (stryCov_9fa48("110"), `${speakerID}/${String(stream)}`);
    const origins = origin in transcript.origins ? transcript.origins : stryMutAct_9fa48("111") ? {} : (stryCov_9fa48("111"), {
      ...transcript.origins,
      [origin]: stryMutAct_9fa48("112") ? now - (message.latencyMs ?? 0) + endMs : (stryCov_9fa48("112"), (stryMutAct_9fa48("113") ? now + (message.latencyMs ?? 0) : (stryCov_9fa48("113"), now - (stryMutAct_9fa48("114") ? message.latencyMs && 0 : (stryCov_9fa48("114"), message.latencyMs ?? 0)))) - endMs)
    });
    const key = lineKey(speakerID, stream, segmentID, lang);
    const piece = stryMutAct_9fa48("115") ? {} : (stryCov_9fa48("115"), {
      text: message.payload,
      startMs,
      endMs,
      ...unsure(message.confidence)
    });
    const lines = closed(transcript.lines, message);
    // A segment may hold several sentences: only one of its lines is open.
    const at = lines.findLastIndex(stryMutAct_9fa48("116") ? () => undefined : (stryCov_9fa48("116"), line => stryMutAct_9fa48("119") ? isOf(line, key) || !line.finished : stryMutAct_9fa48("118") ? false : stryMutAct_9fa48("117") ? true : (stryCov_9fa48("117", "118", "119"), isOf(line, key) && (stryMutAct_9fa48("120") ? line.finished : (stryCov_9fa48("120"), !line.finished)))));
    const line = lines[at];
    if (stryMutAct_9fa48("122") ? false : stryMutAct_9fa48("121") ? true : (stryCov_9fa48("121", "122"), line)) {
      if (stryMutAct_9fa48("123")) {
        {}
      } else {
        stryCov_9fa48("123");
        return stryMutAct_9fa48("124") ? {} : (stryCov_9fa48("124"), {
          lines: replaced(lines, at, appended(line, piece, message.eos)),
          streams,
          origins
        });
      }
    }
    if (stryMutAct_9fa48("127") ? message.payload.trim() !== '' : stryMutAct_9fa48("126") ? false : stryMutAct_9fa48("125") ? true : (stryCov_9fa48("125", "126", "127"), (stryMutAct_9fa48("128") ? message.payload : (stryCov_9fa48("128"), message.payload.trim())) === (stryMutAct_9fa48("129") ? "Stryker was here!" : (stryCov_9fa48("129"), '')))) return stryMutAct_9fa48("130") ? {} : (stryCov_9fa48("130"), {
      lines,
      streams,
      origins
    });
    const before = stryMutAct_9fa48("131") ? lines.length : (stryCov_9fa48("131"), lines.filter(stryMutAct_9fa48("132") ? () => undefined : (stryCov_9fa48("132"), other => isOf(other, key))).length);
    const empty: Line = stryMutAct_9fa48("133") ? {} : (stryCov_9fa48("133"), {
      key: (stryMutAct_9fa48("136") ? before !== 0 : stryMutAct_9fa48("135") ? false : stryMutAct_9fa48("134") ? true : (stryCov_9fa48("134", "135", "136"), before === 0)) ? key : stryMutAct_9fa48("137") ? `` : (stryCov_9fa48("137"), `${key}#${String(before)}`),
      speakerID,
      stream,
      segmentID,
      lang,
      pieces: stryMutAct_9fa48("138") ? ["Stryker was here"] : (stryCov_9fa48("138"), []),
      text: stryMutAct_9fa48("139") ? "Stryker was here!" : (stryCov_9fa48("139"), ''),
      freshFrom: 0,
      finished: stryMutAct_9fa48("140") ? true : (stryCov_9fa48("140"), false)
    });
    return stryMutAct_9fa48("141") ? {} : (stryCov_9fa48("141"), {
      lines: stryMutAct_9fa48("142") ? [] : (stryCov_9fa48("142"), [...lines, appended(empty, piece, message.eos)]),
      streams,
      origins
    });
  }
}

/** A sentence that the model gave up: said in its own line, or at the end of what it wrote of it. */
export function addLost(transcript: Transcript, message: NotUnderstood, now: number): Transcript {
  if (stryMutAct_9fa48("143")) {
    {}
  } else {
    stryCov_9fa48("143");
    const sign = stryMutAct_9fa48("144") ? "" : (stryCov_9fa48("144"), '…');
    const text = stryMutAct_9fa48("145") ? {} : (stryCov_9fa48("145"), {
      ...message,
      event: 'translation_text' as const,
      payload: sign,
      confidence: null
    });
    const added = addText(transcript, text, now);
    const {
      speakerID,
      segmentID,
      lang
    } = message;
    const at = added.lines.findLastIndex(stryMutAct_9fa48("146") ? () => undefined : (stryCov_9fa48("146"), line => stryMutAct_9fa48("149") ? line.speakerID === speakerID && line.segmentID === segmentID || line.lang === lang : stryMutAct_9fa48("148") ? false : stryMutAct_9fa48("147") ? true : (stryCov_9fa48("147", "148", "149"), (stryMutAct_9fa48("151") ? line.speakerID === speakerID || line.segmentID === segmentID : stryMutAct_9fa48("150") ? true : (stryCov_9fa48("150", "151"), (stryMutAct_9fa48("153") ? line.speakerID !== speakerID : stryMutAct_9fa48("152") ? true : (stryCov_9fa48("152", "153"), line.speakerID === speakerID)) && (stryMutAct_9fa48("155") ? line.segmentID !== segmentID : stryMutAct_9fa48("154") ? true : (stryCov_9fa48("154", "155"), line.segmentID === segmentID)))) && (stryMutAct_9fa48("157") ? line.lang !== lang : stryMutAct_9fa48("156") ? true : (stryCov_9fa48("156", "157"), line.lang === lang)))));
    const line = added.lines[at];
    if (stryMutAct_9fa48("160") ? !line && added === transcript : stryMutAct_9fa48("159") ? false : stryMutAct_9fa48("158") ? true : (stryCov_9fa48("158", "159", "160"), (stryMutAct_9fa48("161") ? line : (stryCov_9fa48("161"), !line)) || (stryMutAct_9fa48("163") ? added !== transcript : stryMutAct_9fa48("162") ? false : (stryCov_9fa48("162", "163"), added === transcript)))) return added;
    return stryMutAct_9fa48("164") ? {} : (stryCov_9fa48("164"), {
      ...added,
      lines: replaced(added.lines, at, stryMutAct_9fa48("165") ? {} : (stryCov_9fa48("165"), {
        ...line,
        lost: stryMutAct_9fa48("166") ? false : (stryCov_9fa48("166"), true)
      }))
    });
  }
}

/** A speaker began a new stream: its numbers start again, and its open lines end here. */
export function beginStream(transcript: Transcript, speakerID: string): Transcript {
  if (stryMutAct_9fa48("167")) {
    {}
  } else {
    stryCov_9fa48("167");
    const number = stryMutAct_9fa48("168") ? (transcript.streams[speakerID]?.number ?? 0) - 1 : (stryCov_9fa48("168"), (stryMutAct_9fa48("169") ? transcript.streams[speakerID]?.number && 0 : (stryCov_9fa48("169"), (stryMutAct_9fa48("170") ? transcript.streams[speakerID].number : (stryCov_9fa48("170"), transcript.streams[speakerID]?.number)) ?? 0)) + 1);
    return stryMutAct_9fa48("171") ? {} : (stryCov_9fa48("171"), {
      ...transcript,
      lines: finished(transcript.lines, stryMutAct_9fa48("172") ? () => undefined : (stryCov_9fa48("172"), line => stryMutAct_9fa48("175") ? line.speakerID !== speakerID : stryMutAct_9fa48("174") ? false : stryMutAct_9fa48("173") ? true : (stryCov_9fa48("173", "174", "175"), line.speakerID === speakerID))),
      streams: stryMutAct_9fa48("176") ? {} : (stryCov_9fa48("176"), {
        ...transcript.streams,
        [speakerID]: stryMutAct_9fa48("177") ? {} : (stryCov_9fa48("177"), {
          number,
          last: {}
        })
      })
    });
  }
}

/** The line of a sentence that this page came into the middle of: the rest of it goes on there. */
function continued(line: Line, entry: TranscriptEntry, text: string): Line {
  if (stryMutAct_9fa48("178")) {
    {}
  } else {
    stryCov_9fa48("178");
    const piece = stryMutAct_9fa48("179") ? {} : (stryCov_9fa48("179"), {
      text,
      startMs: entry.startMs,
      endMs: entry.endMs,
      ...unsure(entry.confidence)
    });
    return stryMutAct_9fa48("180") ? {} : (stryCov_9fa48("180"), {
      ...line,
      text,
      pieces: stryMutAct_9fa48("181") ? [] : (stryCov_9fa48("181"), [piece]),
      freshFrom: text.length
    });
  }
}

/**
 * Adds what was said before, in every language that the server has it in: a view then shows one
 * language of each sentence (`shownLines`). Sentences that this page knows in another language get
 * their place beside it, all others come first. One that is still being spoken stays open, and what
 * this page heard of it already is not written twice.
 */
export function addHistory(transcript: Transcript, entries: readonly TranscriptEntry[]): Transcript {
  if (stryMutAct_9fa48("182")) {
    {}
  } else {
    stryCov_9fa48("182");
    const lines = stryMutAct_9fa48("183") ? [] : (stryCov_9fa48("183"), [...transcript.lines]);
    const heard = new Set(lines.map(stryMutAct_9fa48("184") ? () => undefined : (stryCov_9fa48("184"), line => stryMutAct_9fa48("185") ? `` : (stryCov_9fa48("185"), `${line.speakerID}/${line.lang}/${line.text}`))));
    const older: Line[] = stryMutAct_9fa48("186") ? ["Stryker was here"] : (stryCov_9fa48("186"), []);
    entries.forEach((entry, index) => {
      if (stryMutAct_9fa48("187")) {
        {}
      } else {
        stryCov_9fa48("187");
        const {
          speakerID,
          segmentID,
          lang,
          finished
        } = entry;
        const text = stryMutAct_9fa48("188") ? entry.text : (stryCov_9fa48("188"), entry.text.trim());
        if (stryMutAct_9fa48("191") ? text === '' && heard.has(`${speakerID}/${lang}/${text}`) : stryMutAct_9fa48("190") ? false : stryMutAct_9fa48("189") ? true : (stryCov_9fa48("189", "190", "191"), (stryMutAct_9fa48("193") ? text !== '' : stryMutAct_9fa48("192") ? false : (stryCov_9fa48("192", "193"), text === (stryMutAct_9fa48("194") ? "Stryker was here!" : (stryCov_9fa48("194"), '')))) || heard.has(stryMutAct_9fa48("195") ? `` : (stryCov_9fa48("195"), `${speakerID}/${lang}/${text}`)))) return;
        const stream = stryMutAct_9fa48("196") ? transcript.streams[speakerID]?.number && 0 : (stryCov_9fa48("196"), (stryMutAct_9fa48("197") ? transcript.streams[speakerID].number : (stryCov_9fa48("197"), transcript.streams[speakerID]?.number)) ?? 0);
        const key = lineKey(speakerID, stream, segmentID, lang);
        const begun = lines.findIndex(stryMutAct_9fa48("198") ? () => undefined : (stryCov_9fa48("198"), line => stryMutAct_9fa48("201") ? isOf(line, key) || text.endsWith(line.text.trim()) : stryMutAct_9fa48("200") ? false : stryMutAct_9fa48("199") ? true : (stryCov_9fa48("199", "200", "201"), isOf(line, key) && (stryMutAct_9fa48("202") ? text.startsWith(line.text.trim()) : (stryCov_9fa48("202"), text.endsWith(stryMutAct_9fa48("203") ? line.text : (stryCov_9fa48("203"), line.text.trim())))))));
        const line = lines[begun];
        if (stryMutAct_9fa48("205") ? false : stryMutAct_9fa48("204") ? true : (stryCov_9fa48("204", "205"), line)) {
          if (stryMutAct_9fa48("206")) {
            {}
          } else {
            stryCov_9fa48("206");
            lines[begun] = continued(line, entry, text);
            return;
          }
        }
        const added: Line = stryMutAct_9fa48("207") ? {} : (stryCov_9fa48("207"), {
          key: finished ? stryMutAct_9fa48("208") ? `` : (stryCov_9fa48("208"), `history/${String(index)}/${speakerID}/${String(segmentID)}/${lang}`) : key,
          speakerID,
          stream,
          segmentID,
          lang,
          pieces: stryMutAct_9fa48("209") ? [] : (stryCov_9fa48("209"), [stryMutAct_9fa48("210") ? {} : (stryCov_9fa48("210"), {
            text,
            startMs: entry.startMs,
            endMs: entry.endMs,
            ...unsure(entry.confidence)
          })]),
          text,
          freshFrom: 0,
          finished
        });
        const beside = lines.findLastIndex(stryMutAct_9fa48("211") ? () => undefined : (stryCov_9fa48("211"), other => stryMutAct_9fa48("214") ? other.speakerID === speakerID || other.segmentID === segmentID : stryMutAct_9fa48("213") ? false : stryMutAct_9fa48("212") ? true : (stryCov_9fa48("212", "213", "214"), (stryMutAct_9fa48("216") ? other.speakerID !== speakerID : stryMutAct_9fa48("215") ? true : (stryCov_9fa48("215", "216"), other.speakerID === speakerID)) && (stryMutAct_9fa48("218") ? other.segmentID !== segmentID : stryMutAct_9fa48("217") ? true : (stryCov_9fa48("217", "218"), other.segmentID === segmentID)))));
        if (stryMutAct_9fa48("222") ? beside < 0 : stryMutAct_9fa48("221") ? beside > 0 : stryMutAct_9fa48("220") ? false : stryMutAct_9fa48("219") ? true : (stryCov_9fa48("219", "220", "221", "222"), beside >= 0)) lines.splice(stryMutAct_9fa48("223") ? beside - 1 : (stryCov_9fa48("223"), beside + 1), 0, added);else older.push(added);
      }
    });
    const taken = new Set(lines.map(stryMutAct_9fa48("224") ? () => undefined : (stryCov_9fa48("224"), line => line.key)));
    const fresh = older.map(stryMutAct_9fa48("225") ? () => undefined : (stryCov_9fa48("225"), line => taken.has(line.key) ? stryMutAct_9fa48("226") ? {} : (stryCov_9fa48("226"), {
      ...line,
      key: stryMutAct_9fa48("227") ? `` : (stryCov_9fa48("227"), `${line.key}~`)
    }) : line));
    return stryMutAct_9fa48("228") ? {} : (stryCov_9fa48("228"), {
      ...transcript,
      lines: stryMutAct_9fa48("229") ? [] : (stryCov_9fa48("229"), [...fresh, ...lines])
    });
  }
}