// @ts-nocheck
import { useTranslation } from '../i18n';
import { Brand } from '../components/Brand';

/** For a mistyped address. */
export default function MissingView() {
  const { t } = useTranslation();
  return (
    <div className="home">
      <header className="top">
        <Brand />
      </header>
      <main className="home-main">
        <h1>{t('missing.title')}</h1>
        <p className="lead">{t('missing.text')}</p>
        <p>
          <a className="button filled" href={document.baseURI}>
            {t('missing.home')}
          </a>
        </p>
      </main>
    </div>
  );
}
