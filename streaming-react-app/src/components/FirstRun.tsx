import { MessageSquareQuote, Mic, QrCode, Sparkles } from 'lucide-react';
import { useTranslation } from '../i18n';
import { nativeName } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';

interface Props {
  /** Null where the model brings no samples. */
  onSample: (() => void) | null;
  /** The person's own words are understood, not only a phrasebook's. */
  ownWords: boolean;
  /** Takes the languages of the phrasebook. */
  onPhrase: (target: string) => void;
  onClose: () => void;
}

/** For somebody who sees this for the first time: three things to try, in a minute. */
export function FirstRun({ onSample, ownWords, onPhrase, onClose }: Props) {
  const { t } = useTranslation();
  const phrase = useStore(serverInfo, (info) => info.phrases[0]);
  const languages = useStore(serverInfo, (info) => info.languages);
  const target = languages.find(({ code }) => code in (phrase?.translations ?? {}));
  return (
    <section className="group first-run" aria-labelledby="first-title" data-testid="first-run">
      <h2 id="first-title">{t('first.title')}</h2>
      <ol>
        {ownWords && (
          <li>
            <Mic size={20} aria-hidden="true" />
            <span>{t('first.own')}</span>
          </li>
        )}
        {onSample && (
          <li>
            <Sparkles size={20} aria-hidden="true" />
            <Button look="outlined" size="small" onClick={onSample}>
              {t('first.sample')}
            </Button>
          </li>
        )}
        {phrase && (
          <li>
            <MessageSquareQuote size={20} aria-hidden="true" />
            <span>
              {ownWords && target && (
                <Button look="outlined" size="small" onClick={() => onPhrase(target.code)}>
                  {t('first.into', { language: nativeName(target) })}
                </Button>
              )}{' '}
              {t('first.phrase')} <q lang="en">{phrase.text}</q>
            </span>
          </li>
        )}
        <li>
          <QrCode size={20} aria-hidden="true" />
          <span>{t('first.phone')}</span>
        </li>
      </ol>
      <Button size="small" onClick={onClose}>
        {t('first.close')}
      </Button>
    </section>
  );
}
