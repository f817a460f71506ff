// @ts-nocheck
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Notice } from '../ui/Notice';

/** Says what a demonstration model is, so that nobody takes it for the published one. */
export function DemoNotice({ model, brief = false }: { model?: string | null; brief?: boolean }) {
  const { t } = useTranslation();
  const { room } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const chosen = agents?.find((agent) => agent.name === model) ?? agents?.[0];
  if (!chosen?.demonstration) return null;
  if (brief) {
    return (
      <p className="demo-brief" role="note" data-testid="demo">
        {t('demo.brief')}
      </p>
    );
  }
  return (
    <Notice kind="info" role="note" title={t('demo.title')} data-testid="demo">
      {t('demo.text')}
    </Notice>
  );
}
