// @ts-nocheck
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Select } from '../ui/fields';

/** Which model translates: a choice where the server has several, its name where it has one. */
export function ModelPicker() {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const model = useStore(speaker.state, (state) => state.model);
  if (!agents?.[0]) return null;
  if (agents.length === 1) {
    return (
      <p className="hint">
        {t('speak.model')}: {agents[0].name}
      </p>
    );
  }
  return (
    <Select
      label={t('speak.model')}
      value={model ?? agents[0].name}
      onChange={(name) => speaker.state.setState({ model: name })}
      options={agents.map(({ name }) => ({ value: name, label: name }))}
    />
  );
}
