import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Notice } from '../ui/Notice';

/** Says what a demonstration model is, so that nobody takes it for the published one. */
export function DemoNotice({ model }: { model?: string | null }) {
  const { t } = useTranslation();
  const { room } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const chosen = agents?.find((agent) => agent.name === model) ?? agents?.[0];
  if (!chosen?.demonstration) return null;
  return (
    <Notice kind="info" role="note" title={t('demo.title')} data-testid="demo">
      {t('demo.text')}
    </Notice>
  );
}
