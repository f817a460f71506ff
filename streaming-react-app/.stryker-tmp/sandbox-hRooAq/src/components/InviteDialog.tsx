// @ts-nocheck
import { Check, Copy, Printer } from 'lucide-react';
import { QRCodeSVG } from 'qrcode.react';
import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { roomLink } from '../app/urlParams';
import type { LinkTarget } from '../app/urlParams';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { copyText } from '../transcript/save';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Select, TextField } from '../ui/fields';
import { Notice } from '../ui/Notice';

const KINDS = ['asListener', 'asSpeaker', 'overlay', 'presenter'] as const;
type Kind = (typeof KINDS)[number];

const TARGETS: Record<Kind, Omit<LinkTarget, 'roomID'>> = {
  asListener: {},
  asSpeaker: { role: 'speaker' },
  overlay: { view: 'overlay' },
  presenter: { view: 'presenter' },
};

interface Props {
  roomID: string;
  lang: string | null;
  onClose: () => void;
}

/** What a link needs where listeners need a token; it lets nobody speak. */
function useListenersToken(): string | null {
  const { connection, room } = useClient();
  const mayAsk = useStore(room.view, ({ roles }) => roles.includes('speaker'));
  const [token, setToken] = useState<string | null>(null);
  useEffect(() => {
    if (!mayAsk) return;
    // Without an answer the link asks its guests for the access code.
    void connection.inviteToken().then(
      (answer) => setToken(answer.token ?? null),
      () => undefined,
    );
  }, [connection, mayAsk]);
  return token;
}

/** The room's code large enough for the last row, with its link and QR code. */
export default function InviteDialog({ roomID, lang, onClose }: Props) {
  const { t } = useTranslation();
  const [kind, setKind] = useState<Kind>('asListener');
  const [copied, setCopied] = useState<boolean | null>(null);
  const address = useStore(serverInfo, (info) => info.address);
  const token = useListenersToken();
  const shows = kind === 'overlay' || kind === 'presenter';
  const link = roomLink(window.location.href, address, {
    roomID,
    ...TARGETS[kind],
    // Listeners choose for themselves; a screen has nobody who would.
    ...(shows ? { lang } : {}),
    ...(kind === 'asSpeaker' ? {} : { token }),
  });
  const onlyHere = /^(localhost|127\.|\[?::1)/.test(new URL(link).hostname);
  return (
    <Dialog
      title={t('invite.title', { code: roomID })}
      onClose={onClose}
      className="invite-dialog"
      actions={
        <>
          <Button icon={<Printer size={18} />} onClick={() => window.print()}>
            {t('invite.print')}
          </Button>
          <Button
            look="filled"
            icon={copied ? <Check size={18} /> : <Copy size={18} />}
            onClick={() => void copyText(link).then(setCopied)}
          >
            {copied ? t('invite.copied') : t('invite.copy')}
          </Button>
        </>
      }
    >
      <p className="hint">{t('invite.lead')}</p>
      {onlyHere && !shows && <Notice kind="warning">{t('invite.loopback')}</Notice>}
      <div className="qr">
        <QRCodeSVG value={link} size={232} marginSize={2} title={t('invite.qr')} role="img" />
      </div>
      <Select
        label={t('invite.kind')}
        value={kind}
        onChange={(value) => {
          setKind(value as Kind);
          setCopied(null);
        }}
        options={KINDS.map((name) => ({ value: name, label: t(`invite.${name}`) }))}
      />
      <TextField
        label={t('invite.link')}
        value={link}
        onChange={() => undefined}
        readOnly
        help={copied === false ? t('invite.copyFailed') : undefined}
        onFocus={(event) => event.target.select()}
      />
    </Dialog>
  );
}
