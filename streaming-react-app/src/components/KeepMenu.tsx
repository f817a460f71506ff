import { Download } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import type { NameOf } from '../transcript/formats';
import { IconButton } from '../ui/Button';

const KeepChoices = later(() => import('./KeepChoices'));

interface Props {
  roomID: string;
  nameOf: NameOf;
  speaks: boolean;
}

/** Transcript and speech to take along; and, for speakers, clearing it for everybody. */
export function KeepMenu(props: Props) {
  const { t } = useTranslation();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [opened, setOpened] = useState(false);
  return (
    <span className="menu-place">
      <IconButton
        label={t('keep.menu')}
        aria-haspopup="menu"
        aria-expanded={anchor !== null}
        onClick={(event) => {
          setAnchor(anchor === null ? event.currentTarget : null);
          setOpened(true);
        }}
      >
        <Download size={20} />
      </IconButton>
      {opened && <KeepChoices {...props} anchor={anchor} onClose={() => setAnchor(null)} />}
    </span>
  );
}
