import { Component } from 'react';
import type { ReactNode } from 'react';
import { useTranslation } from '../i18n';
import { Notice } from '../ui/Notice';
import { Reload } from './later';

/** What stands in place of a page that failed: what happened, and what helps. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const { t } = useTranslation();
  return (
    <main className="home-main">
      <Notice kind="error" title={t('part.broken')} action={<Reload />}>
        {t('part.brokenHint')}
      </Notice>
    </main>
  );
}
