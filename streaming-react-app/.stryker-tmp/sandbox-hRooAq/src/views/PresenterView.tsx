// @ts-nocheck
import { QrCode } from 'lucide-react';
import { QRCodeSVG } from 'qrcode.react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { roomLink } from '../app/urlParams';
import { useNames } from '../app/useNames';
import { useOffer } from '../app/useOffer';
import { useShown } from '../app/useShown';
import { Captions } from '../components/Captions';
import { DemoNotice } from '../components/DemoNotice';
import { LanguagePicker } from '../components/LanguagePicker';
import { LinkNotice } from '../components/LinkNotice';
import { TopBar } from '../components/TopBar';
import { useCaptionSize } from '../hooks/useCaptionSize';
import { useIdle } from '../hooks/useIdle';
import { useWakeLock } from '../hooks/useWakeLock';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { IconButton } from '../ui/Button';

const IDLE_MS = 4000;

/** For a hall: what was heard and what it means, sentence beside sentence; controls hide. */
export default function PresenterView({ animate }: { animate: boolean }) {
  const { t } = useTranslation();
  const { room, listener } = useClient();
  const captionSize = useCaptionSize();
  const roomID = useStore(room.view, (view) => view.roomID);
  const language = useStore(listener.state, (state) => state.language);
  const languages = useStore(serverInfo, (info) => info.languages);
  const address = useStore(serverInfo, (info) => info.address);
  const offer = useOffer();
  const lines = useShown();
  const { nameOf, several } = useNames();
  const idle = useIdle(IDLE_MS);
  const [invites, setInvites] = useState(true);
  useWakeLock(true);
  const link = roomID && roomLink(window.location.href, address, { roomID });
  return (
    <div
      className={idle ? 'presenter idle' : 'presenter'}
      style={{ '--caption-size': `${String(captionSize)}px` } as React.CSSProperties}
    >
      <TopBar roomID={roomID} lang={language}>
        <IconButton
          label={t('presenter.qr')}
          aria-pressed={invites}
          onClick={() => setInvites(!invites)}
        >
          <QrCode size={20} />
        </IconButton>
      </TopBar>
      <div className="notices">
        <LinkNotice />
        <DemoNotice brief />
      </div>
      <main className="rows">
        <div className="rows-head">
          <h2>{t('presenter.original')}</h2>
          <LanguagePicker
            label={t('listen.language')}
            none={t('listen.speakersChoice')}
            languages={offer.text}
            value={language}
            onChange={(code) => void listener.configure({ language: code })}
          />
        </div>
        <Captions
          lines={lines}
          languages={languages}
          nameOf={nameOf}
          showNames={several}
          animate={animate}
          wanted={language}
          label={t('room.captions')}
          empty={t('captions.waiting')}
        />
        {invites && link && (
          <figure className="corner-qr">
            <QRCodeSVG value={link} size={132} marginSize={2} title={t('invite.qr')} role="img" />
            <figcaption>
              {t('presenter.scan')} <strong>{roomID}</strong>
            </figcaption>
          </figure>
        )}
      </main>
    </div>
  );
}
