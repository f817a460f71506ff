import { Square } from 'lucide-react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { Button } from '../ui/Button';

/** Ends the own stream. */
export function StopButton() {
  const { t } = useTranslation();
  const { speaker } = useClient();
  return (
    <Button
      look="filled"
      strong
      icon={<Square size={16} fill="currentColor" />}
      onClick={() => void speaker.stop()}
    >
      {t('speak.stop')}
    </Button>
  );
}
