import Button from '@mui/material/Button';
import Dialog from '@mui/material/Dialog';
import DialogActions from '@mui/material/DialogActions';
import DialogContent from '@mui/material/DialogContent';
import DialogTitle from '@mui/material/DialogTitle';
import MenuItem from '@mui/material/MenuItem';
import TextField from '@mui/material/TextField';
import { Check, Copy } from 'lucide-react';
import { QRCodeSVG } from 'qrcode.react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { roomLink } from '../app/urlParams';
import type { LinkTarget } from '../app/urlParams';
import { copyText } from '../transcript/save';

const KINDS = ['asListener', 'asSpeaker', 'overlay', 'presenter'] as const;
type Kind = (typeof KINDS)[number];

const TARGETS: Record<Kind, Omit<LinkTarget, 'roomID'>> = {
  asListener: { role: 'listener' },
  asSpeaker: { role: 'speaker' },
  overlay: { view: 'overlay' },
  presenter: { view: 'presenter' },
};

interface Props {
  roomID: string;
  lang: string | null;
  spoken: string | null;
  onClose: () => void;
}

/** The room's code large enough for the last row, with its link and QR code. */
export default function InviteDialog({ roomID, lang, spoken, onClose }: Props) {
  const { t } = useTranslation();
  const [kind, setKind] = useState<Kind>('asListener');
  const [copied, setCopied] = useState<boolean | null>(null);
  const shows = kind === 'overlay' || kind === 'presenter';
  const link = roomLink(window.location.href, {
    roomID,
    ...TARGETS[kind],
    // Listeners choose for themselves; a screen has nobody who would.
    ...(shows ? { lang, spoken: kind === 'presenter' ? spoken : null } : {}),
  });
  return (
    <Dialog open onClose={onClose} fullWidth maxWidth="xs" aria-labelledby="invite-title">
      <DialogTitle id="invite-title">{t('invite.title', { code: roomID })}</DialogTitle>
      <DialogContent>
        <div className="stack roomy center">
          <p className="hint">{t('invite.lead')}</p>
          <div className="qr">
            <QRCodeSVG value={link} size={232} marginSize={2} title={t('invite.qr')} role="img" />
          </div>
          <TextField
            select
            fullWidth
            size="small"
            label={t('invite.kind')}
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as Kind);
              setCopied(null);
            }}
          >
            {KINDS.map((name) => (
              <MenuItem key={name} value={name}>
                {t(`invite.${name}`)}
              </MenuItem>
            ))}
          </TextField>
          <TextField
            fullWidth
            multiline
            size="small"
            label={t('invite.link')}
            value={link}
            slotProps={{ htmlInput: { readOnly: true } }}
            helperText={copied === false ? t('invite.copyFailed') : ' '}
            onFocus={(event) => event.target.select()}
          />
        </div>
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>{t('invite.close')}</Button>
        <Button
          variant="contained"
          startIcon={copied ? <Check size={18} /> : <Copy size={18} />}
          onClick={() => void copyText(link).then(setCopied)}
        >
          {copied ? t('invite.copied') : t('invite.copy')}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
