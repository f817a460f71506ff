import { useTranslation } from '../i18n';
import { ClientProvider, useClient } from '../app/client';
import type { Client } from '../app/client';
import { useNames } from '../app/useNames';
import { useShown } from '../app/useShown';
import { useOffer } from '../app/useOffer';
import { Captions } from '../components/Captions';
import { LanguagePicker } from '../components/LanguagePicker';
import { LinkNotice } from '../components/LinkNotice';
import { TopBar } from '../components/TopBar';
import { useCaptionSize } from '../hooks/useCaptionSize';
import { useWakeLock } from '../hooks/useWakeLock';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';

interface Props {
  /** Reads the original words: a second member of the room. */
  original: Client;
  animate: boolean;
}

/** Two columns for a hall: what is said, and what it means. */
export default function PresenterView({ original, animate }: Props) {
  const { t } = useTranslation();
  const client = useClient();
  const captionSize = useCaptionSize();
  const roomID = useStore(client.room.view, (view) => view.roomID);
  const lang = useStore(client.listener.state, (state) => state.language);
  const spoken = useStore(original.listener.state, (state) => state.language);
  useWakeLock(true);
  return (
    <div
      className="presenter"
      style={{ '--caption-size': `${String(captionSize)}px` } as React.CSSProperties}
    >
      <TopBar roomID={roomID} lang={lang} spoken={spoken} />
      <div className="notices">
        <LinkNotice />
      </div>
      <main className="columns">
        <ClientProvider value={original}>
          <Column
            label={t('presenter.spoken')}
            none={t('speak.iSpeakAny')}
            title={t('presenter.original')}
            empty={t(spoken === null ? 'presenter.chooseSpoken' : 'captions.waiting')}
            offerOf="source"
            animate={animate}
          />
        </ClientProvider>
        <Column
          label={t('listen.language')}
          none={t('listen.speakersChoice')}
          title={t('room.captions')}
          empty={t('captions.waiting')}
          offerOf="text"
          animate={animate}
        />
      </main>
    </div>
  );
}

interface ColumnProps {
  label: string;
  none: string;
  title: string;
  empty: string;
  offerOf: 'source' | 'text';
  animate: boolean;
}

function Column({ label, none, title, empty, offerOf, animate }: ColumnProps) {
  const { listener } = useClient();
  const offer = useOffer();
  const lines = useShown();
  const language = useStore(listener.state, (state) => state.language);
  const languages = useStore(serverInfo, (info) => info.languages);
  const { nameOf, several } = useNames();
  // The original's words come as a "translation" into the spoken language, where one is offered.
  const offered = offer.text.filter(
    (item) => offerOf === 'text' || offer.source.some((other) => other.code === item.code),
  );
  // Of the original only its own words: not what the room read before in other languages.
  const shown = offerOf === 'source' ? lines.filter((line) => line.lang === language) : lines;
  return (
    <section className="column" aria-label={title}>
      <div className="column-head">
        <LanguagePicker
          label={label}
          none={none}
          languages={offered}
          value={language}
          onChange={(code) =>
            void listener.configure({
              language: code,
              wantText: offerOf === 'text' || code !== null,
            })
          }
        />
      </div>
      <Captions
        lines={shown}
        languages={languages}
        nameOf={nameOf}
        showNames={several}
        animate={animate}
        wanted={language}
        label={title}
        empty={empty}
      />
    </section>
  );
}
