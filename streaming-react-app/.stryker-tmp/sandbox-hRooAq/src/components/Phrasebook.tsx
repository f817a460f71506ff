// @ts-nocheck
import { Shuffle } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { languageTag } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';

const SHOWN = 4;

/** Phrases that the served model knows, a few at a time. */
export function Phrasebook({ target }: { target: string | null }) {
  const { t } = useTranslation();
  const phrases = useStore(serverInfo, (info) => info.phrases);
  const [from, setFrom] = useState(0);
  if (phrases.length === 0) return null;
  const shown = Array.from(
    { length: Math.min(SHOWN, phrases.length) },
    (_, i) => phrases[(from + i) % phrases.length],
  );
  return (
    <section className="phrases group" aria-labelledby="phrases-title">
      <div className="row between">
        <h2 id="phrases-title">{t('phrases.title')}</h2>
        {phrases.length > SHOWN && (
          <Button
            size="small"
            icon={<Shuffle size={16} />}
            onClick={() => setFrom((from + SHOWN) % phrases.length)}
          >
            {t('phrases.more')}
          </Button>
        )}
      </div>
      <p className="hint">{t('phrases.lead')}</p>
      <ul>
        {shown.map(
          (phrase) =>
            phrase && (
              <li key={phrase.text}>
                <span lang="en">{phrase.text}</span>
                {target && phrase.translations[target] && (
                  <span className="phrase-translation" lang={languageTag(target)}>
                    {phrase.translations[target]}
                  </span>
                )}
              </li>
            ),
        )}
      </ul>
    </section>
  );
}
