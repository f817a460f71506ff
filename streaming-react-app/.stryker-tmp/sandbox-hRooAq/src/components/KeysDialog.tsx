// @ts-nocheck
import { useTranslation } from '../i18n';
import { Dialog } from '../ui/Dialog';

/** The keys that work in a room. */
export default function KeysDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const keys = [
    ['M', t('room.keyMute')],
    ['␣', t('room.keyTalk')],
    ['+ −', t('room.keyCaptions')],
    ['?', t('room.keyHelp')],
  ];
  return (
    <Dialog title={t('room.keys')} onClose={onClose}>
      <dl className="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
