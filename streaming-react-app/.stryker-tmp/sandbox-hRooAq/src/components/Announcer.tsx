// @ts-nocheck
import { languageTag } from '../languages/languages';
import type { Announce } from '../state/preferences';
import type { Line } from '../transcript/transcript';

/** What a screen reader should say now, of the lines so far. */
export function announcement(lines: readonly Line[], mode: Announce): Line | null {
  if (mode === 'off') return null;
  if (mode === 'phrases') return lines.at(-1) ?? null;
  return lines.findLast((line) => line.finished) ?? null;
}

/** A polite live region, unseen: whole sentences or every phrase, as the person chose. */
export function Announcer({ lines, mode }: { lines: readonly Line[]; mode: Announce }) {
  const line = announcement(lines, mode);
  const text = line && (mode === 'phrases' ? line.text.slice(line.freshFrom) : line.text);
  return (
    <div className="unseen" aria-live={mode === 'off' ? 'off' : 'polite'} data-testid="announcer">
      {line && (
        <span key={`${line.key}/${String(line.freshFrom)}`} lang={languageTag(line.lang)}>
          {text}
        </span>
      )}
    </div>
  );
}
