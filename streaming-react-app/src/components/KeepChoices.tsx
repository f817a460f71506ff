import Dialog from '@mui/material/Dialog';
import Button from '@mui/material/Button';
import DialogActions from '@mui/material/DialogActions';
import DialogContent from '@mui/material/DialogContent';
import DialogContentText from '@mui/material/DialogContentText';
import DialogTitle from '@mui/material/DialogTitle';
import Divider from '@mui/material/Divider';
import Menu from '@mui/material/Menu';
import MenuItem from '@mui/material/MenuItem';
import Snackbar from '@mui/material/Snackbar';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useShown } from '../app/useShown';
import { MIME, formatTranscript } from '../transcript/formats';
import type { NameOf, TextFormat } from '../transcript/formats';
import { copyText, fileName, saveFile } from '../transcript/save';
import { useStore } from '../state/store';
import { wavFile } from '../transcript/wav';

const FORMATS: TextFormat[] = ['txt', 'srt', 'vtt', 'json'];

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
  const { t } = useTranslation();
  const { listener, connection } = useClient();
  const [asking, setAsking] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const lines = useShown();
  const empty = lines.length === 0;
  const keptSeconds = useStore(listener.state, (state) => state.keptSeconds);

  const transcript = () => ({ ...listener.transcript.getState(), lines });
  const save = (format: TextFormat) => {
    onClose();
    const text = formatTranscript(transcript(), format, nameOf);
    saveFile(fileName(roomID, format, new Date()), MIME[format], text);
  };
  const saveSpeech = () => {
    onClose();
    const file = wavFile(listener.kept.chunks, listener.kept.sampleRate);
    saveFile(fileName(roomID, 'wav', new Date()), 'audio/wav', file);
  };
  const copy = async () => {
    onClose();
    const copied = await copyText(formatTranscript(transcript(), 'txt', nameOf));
    setSaid(copied ? t('keep.copied') : t('invite.copyFailed'));
  };

  return (
    <>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={onClose}>
        {empty && <MenuItem disabled>{t('keep.empty')}</MenuItem>}
        {FORMATS.map((format) => (
          <MenuItem key={format} disabled={empty} onClick={() => save(format)}>
            {t(`keep.${format}`)}
          </MenuItem>
        ))}
        <MenuItem disabled={keptSeconds === 0} onClick={saveSpeech}>
          {t('keep.wav')}
        </MenuItem>
        <MenuItem disabled={empty} onClick={() => void copy()}>
          {t('keep.copy')}
        </MenuItem>
        {speaks && <Divider />}
        {speaks && (
          <MenuItem
            onClick={() => {
              onClose();
              setAsking(true);
            }}
          >
            {t('keep.clear')}
          </MenuItem>
        )}
      </Menu>
      <Dialog open={asking} onClose={() => setAsking(false)} aria-labelledby="clear-title">
        <DialogTitle id="clear-title">{t('keep.clearTitle')}</DialogTitle>
        <DialogContent>
          <DialogContentText>{t('keep.clearText')}</DialogContentText>
        </DialogContent>
        <DialogActions>
          <Button onClick={() => setAsking(false)}>{t('keep.clearNo')}</Button>
          <Button
            color="error"
            variant="contained"
            onClick={() => {
              setAsking(false);
              connection.clearTranscriptForAll();
            }}
          >
            {t('keep.clearYes')}
          </Button>
        </DialogActions>
      </Dialog>
      <Snackbar
        open={said !== null}
        autoHideDuration={4000}
        onClose={() => setSaid(null)}
        message={said}
      />
    </>
  );
}
