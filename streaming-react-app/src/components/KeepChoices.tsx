import { useEffect, useState } from 'react';
import { createPortal } from 'react-dom';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useShown } from '../app/useShown';
import { MIME, bilingual, formatTranscript } from '../transcript/formats';
import type { NameOf, TextFormat } from '../transcript/formats';
import { marks } from '../transcript/marks';
import type { Line } from '../transcript/transcript';
import { copyText, fileName, saveFile } from '../transcript/save';
import { useStore } from '../state/store';
import { wavFile } from '../transcript/wav';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Menu, MenuItem } from '../ui/Menu';
import { PrintedTranscript } from './PrintedTranscript';

const FORMATS: TextFormat[] = ['txt', 'srt', 'vtt', 'json'];
const SAID_MS = 4000;

interface Props {
  roomID: string;
  nameOf: NameOf;
  speaks: boolean;
  /** The button that the menu hangs on; null while it is closed. */
  anchor: HTMLElement | null;
  onClose: () => void;
}

/** The menu itself, and the question before everything is cleared. */
export default function KeepChoices({ roomID, nameOf, speaks, anchor, onClose }: Props) {
  const { t, language: ui } = useTranslation();
  const { listener, connection } = useClient();
  const [asking, setAsking] = useState(false);
  const [printing, setPrinting] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const lines = useShown();
  const all = useStore(listener.transcript, (transcript) => transcript.lines);
  const byLine = useStore(marks, (state) => state.byLine);
  const empty = lines.length === 0;
  const keptSeconds = useStore(listener.state, (state) => state.keptSeconds);
  const several = new Set(all.map((line) => line.lang)).size > 1;

  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);

  useEffect(() => {
    if (!printing) return;
    const done = () => setPrinting(false);
    window.addEventListener('afterprint', done);
    window.print();
    return () => window.removeEventListener('afterprint', done);
  }, [printing]);

  const date = new Intl.DateTimeFormat(ui, { dateStyle: 'long', timeStyle: 'short' });
  const heading = t('keep.room', { code: roomID, date: date.format(new Date()) });
  const noteOf = ({ key }: Line) =>
    [byLine[key]?.bookmarked && t('keep.bookmarked'), byLine[key]?.wrong && t('keep.wrong')]
      .filter(Boolean)
      .join(', ');
  const transcript = () => ({ ...listener.transcript.getState(), lines });
  const closing = (action: () => void) => () => {
    onClose();
    anchor?.focus();
    action();
  };
  const save = (format: TextFormat) => {
    const text = formatTranscript(transcript(), format, nameOf, heading, noteOf);
    saveFile(fileName(roomID, format, new Date()), MIME[format], text);
  };
  const saveBoth = () => {
    const text = `${heading}\n\n${bilingual(listener.transcript.getState(), nameOf, noteOf)}`;
    saveFile(fileName(`${roomID}-both`, 'txt', new Date()), MIME.txt, text);
  };
  const saveSpeech = () => {
    const { chunks, rate } = listener.kept.whole();
    saveFile(fileName(roomID, 'wav', new Date()), 'audio/wav', wavFile(chunks, rate));
  };
  const copy = async () => {
    const copied = await copyText(formatTranscript(transcript(), 'txt', nameOf));
    setSaid(copied ? t('keep.copied') : t('invite.copyFailed'));
  };

  return (
    <>
      {anchor && (
        <Menu label={t('keep.menu')} anchor={anchor} onClose={onClose}>
          {empty && (
            <MenuItem disabled onClick={onClose}>
              {t('keep.empty')}
            </MenuItem>
          )}
          {FORMATS.map((format) => (
            <MenuItem key={format} disabled={empty} onClick={closing(() => save(format))}>
              {t(`keep.${format}`)}
            </MenuItem>
          ))}
          {several && <MenuItem onClick={closing(saveBoth)}>{t('keep.both')}</MenuItem>}
          <MenuItem disabled={empty} onClick={closing(() => setPrinting(true))}>
            {t('keep.print')}
          </MenuItem>
          <MenuItem disabled={keptSeconds === 0} onClick={closing(saveSpeech)}>
            {t('keep.wav')}
          </MenuItem>
          <MenuItem disabled={empty} onClick={closing(() => void copy())}>
            {t('keep.copy')}
          </MenuItem>
          {speaks && <hr />}
          {speaks && (
            <MenuItem onClick={closing(() => setAsking(true))}>{t('keep.clear')}</MenuItem>
          )}
        </Menu>
      )}
      {asking && (
        <Dialog
          title={t('keep.clearTitle')}
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>{t('keep.clearNo')}</Button>
              <Button
                look="filled"
                strong
                onClick={() => {
                  setAsking(false);
                  connection.clearTranscriptForAll();
                }}
              >
                {t('keep.clearYes')}
              </Button>
            </>
          }
        >
          <p>{t('keep.clearText')}</p>
        </Dialog>
      )}
      <div className="said" role="status">
        {said}
      </div>
      {printing &&
        createPortal(
          <PrintedTranscript heading={heading} lines={lines} nameOf={nameOf} noteOf={noteOf} />,
          document.getElementById('root') ?? document.body,
        )}
    </>
  );
}
