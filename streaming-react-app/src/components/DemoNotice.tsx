import Alert from '@mui/material/Alert';
import AlertTitle from '@mui/material/AlertTitle';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useStore } from '../state/store';

/** Says what a demonstration model is, so that nobody takes it for the published one. */
export function DemoNotice({ model }: { model?: string | null }) {
  const { t } = useTranslation();
  const { room } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const chosen = agents?.find((agent) => agent.name === model) ?? agents?.[0];
  if (!chosen?.demonstration) return null;
  return (
    <Alert role="note" severity="info" data-testid="demo">
      <AlertTitle>{t('demo.title')}</AlertTitle>
      {t('demo.text')}
    </Alert>
  );
}
