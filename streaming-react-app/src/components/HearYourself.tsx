import { SlidersHorizontal } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { HearingSwitches } from './HearingSwitches';

const SoundDialog = later(() => import('./SoundDialog'));

/** What a speaker reads and hears of the translation. */
export default function HearYourself() {
  const { t } = useTranslation();
  const { listener } = useClient();
  const state = useStore(listener.state);
  const [more, setMore] = useState(false);
  return (
    <section className="group" aria-labelledby="hearing-title">
      <div className="row between">
        <h2 id="hearing-title">{t('speak.hearing')}</h2>
        <Button size="small" icon={<SlidersHorizontal size={16} />} onClick={() => setMore(true)}>
          {t('room.more')}
        </Button>
      </div>
      <div className="row wrap">
        <HearingSwitches speaks />
      </div>
      {state.wantSpeech && state.guarded && (
        <Notice
          kind="info"
          data-testid="echo-guard"
          action={
            <Button size="small" look="outlined" onClick={() => listener.confirmHeadphones(true)}>
              {t('listen.headphones')}
            </Button>
          }
        >
          {t('listen.guarded')}
        </Notice>
      )}
      {state.wantSpeech && state.headphones && (
        <p className="hint">
          {t('listen.headphonesOn')}{' '}
          <Button size="small" onClick={() => listener.confirmHeadphones(false)}>
            {t('listen.headphonesOff')}
          </Button>
        </p>
      )}
      {more && <SoundDialog speaks onClose={() => setMore(false)} />}
    </section>
  );
}
