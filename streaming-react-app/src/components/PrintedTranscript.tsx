import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { languageTag } from '../languages/languages';
import type { NameOf } from '../transcript/formats';
import { saidAt } from '../transcript/formats';
import type { ShownLine } from '../transcript/shown';

interface Props {
  heading: string;
  lines: readonly ShownLine[];
  nameOf: NameOf;
  noteOf: (line: ShownLine) => string;
}

/** The transcript for paper or PDF, with times and names. Seen in print only. */
export function PrintedTranscript({ heading, lines, nameOf, noteOf }: Props) {
  const { listener } = useClient();
  const transcript = useStore(listener.transcript);
  return (
    <section className="print" aria-hidden="true">
      <h1>{heading}</h1>
      <table>
        <tbody>
          {lines.map((line) => (
            <tr key={line.key}>
              <td>
                {saidAt(transcript, line)} {nameOf(line.speakerID)}
              </td>
              <td>
                <span lang={languageTag(line.lang)}>{line.text}</span>
                {noteOf(line) && <em> [{noteOf(line)}]</em>}
                {line.heard && (
                  <div lang={languageTag(line.heard.lang)} className="line-heard">
                    {line.heard.text}
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
