import IconButton from '@mui/material/IconButton';
import Tooltip from '@mui/material/Tooltip';
import { Download } from 'lucide-react';
import { Suspense, lazy, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { NameOf } from '../transcript/formats';

const KeepChoices = lazy(() => import('./KeepChoices'));

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
    <>
      <Tooltip title={t('keep.menu')}>
        <IconButton
          aria-label={t('keep.menu')}
          aria-haspopup="menu"
          aria-expanded={anchor !== null}
          onClick={(event) => {
            setAnchor(event.currentTarget);
            setOpened(true);
          }}
        >
          <Download size={20} />
        </IconButton>
      </Tooltip>
      {opened && (
        <Suspense>
          <KeepChoices {...props} anchor={anchor} onClose={() => setAnchor(null)} />
        </Suspense>
      )}
    </>
  );
}
