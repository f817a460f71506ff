import MenuItem from '@mui/material/MenuItem';
import TextField from '@mui/material/TextField';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useStore } from '../state/store';

/** Which model translates, where the server has several. */
export function ModelPicker() {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const model = useStore(speaker.state, (state) => state.model);
  if (!agents || agents.length < 2) return null;
  return (
    <TextField
      select
      size="small"
      fullWidth
      label={t('speak.model')}
      value={model ?? agents[0]?.name ?? ''}
      onChange={(event) => speaker.state.setState({ model: event.target.value })}
    >
      {agents.map((agent) => (
        <MenuItem key={agent.name} value={agent.name}>
          {agent.name}
        </MenuItem>
      ))}
    </TextField>
  );
}
