import { ChevronDown, Cpu } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';

const ModelDialog = later(() => import('./ModelDialog'));

/** Which model translates: the one that can, or another one that the speaker chose; its name alone
 * where the server has one. */
export function ModelPicker({ model }: { model: Capability | null }) {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities) ?? [];
  const insisted = useStore(speaker.state, (state) => state.model !== null);
  const [open, setOpen] = useState(false);
  if (!agents[0]) return null;
  if (agents.length === 1) {
    return (
      <p className="hint">
        {t('speak.model')}: {agents[0].name}
      </p>
    );
  }
  const name = model?.name ?? '–';
  return (
    <>
      <button
        type="button"
        className="pick"
        aria-haspopup="dialog"
        aria-label={`${t('speak.model')}: ${name}`}
        onClick={() => setOpen(true)}
      >
        <Cpu size={20} aria-hidden="true" />
        <span>
          <small>
            {t('speak.model')}
            {!insisted && ` · ${t('model.auto')}`}
          </small>
          <b data-testid="model">{name}</b>
        </span>
        <ChevronDown size={18} aria-hidden="true" />
      </button>
      {open && <ModelDialog onClose={() => setOpen(false)} />}
    </>
  );
}
