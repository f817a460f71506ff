// @ts-nocheck
import { MessageSquareQuote, QrCode, Sparkles } from 'lucide-react';
import { useTranslation } from '../i18n';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';

interface Props {
  /** Null where the model brings no samples. */
  onSample: (() => void) | null;
  onClose: () => void;
}

/** For somebody who sees this for the first time: three things to try, in a minute. */
export function FirstRun({ onSample, onClose }: Props) {
  const { t } = useTranslation();
  const phrase = useStore(serverInfo, (info) => info.phrases[0]?.text);
  return (
    <section className="group first-run" aria-labelledby="first-title" data-testid="first-run">
      <h2 id="first-title">{t('first.title')}</h2>
      <ol>
        {onSample && (
          <li>
            <Sparkles size={20} aria-hidden="true" />
            <Button look="outlined" size="small" onClick={onSample}>
              {t('first.sample')}
            </Button>
          </li>
        )}
        <li>
          <MessageSquareQuote size={20} aria-hidden="true" />
          <span>
            {t('first.phrase')} {phrase && <q lang="en">{phrase}</q>}
          </span>
        </li>
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
