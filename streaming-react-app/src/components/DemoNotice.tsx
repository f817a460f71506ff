import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { modelsInRoom } from '../app/models';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';
import { Notice } from '../ui/Notice';

interface Props {
  /** Of this speaker; otherwise those of everybody who speaks here, else all that are served. */
  model?: Capability | null;
  brief?: boolean;
}

/** Says what a demonstration model is, so that nobody takes it for the published one. */
export function DemoNotice({ model, brief = false }: Props) {
  const { t } = useTranslation();
  const { room } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities) ?? [];
  const speaking = modelsInRoom(
    agents,
    useStore(room.view, ({ state }) => state),
  );
  const demonstrates = (one: Capability) => one.demonstration;
  const demonstration = model
    ? model.demonstration
    : speaking.length > 0
      ? speaking.some(demonstrates)
      : agents.length > 0 && agents.every(demonstrates);
  if (!demonstration) return null;
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
