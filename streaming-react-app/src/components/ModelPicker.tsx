import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { firstTarget, translates } from '../app/models';
import { nativeName } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';
import { Select } from '../ui/fields';

/** So many languages are named, more are counted. */
const NAMED = 5;

/**
 * Which model translates: the one that can, or another one that the speaker insists on, with what each
 * can do; its name alone where the server has one.
 */
export function ModelPicker({ model }: { model: Capability | null }) {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities) ?? [];
  const state = useStore(speaker.state);
  if (!agents[0]) return null;
  if (agents.length === 1) {
    return (
      <p className="hint">
        {t('speak.model')}: {agents[0].name}
      </p>
    );
  }
  const choose = (name: string | null) => {
    const { sourceLanguage, targetLanguage } = state;
    const able = agents.filter((agent) => name === null || agent.name === name);
    const heard = new Set(able.flatMap((agent) => agent.sourceLangs));
    const [only] = heard.size === 1 ? heard : [];
    const source =
      sourceLanguage !== null && heard.has(sourceLanguage) ? sourceLanguage : (only ?? null);
    speaker.state.setState({ model: name });
    void speaker.setLanguages({ source, target: firstTarget(able, targetLanguage, source) });
  };
  const automatic = model && state.model === null ? `: ${model.name}` : '';
  return (
    <>
      <Select
        label={t('speak.model')}
        value={state.model ?? ''}
        onChange={(name) => choose(name || null)}
        options={[
          { value: '', label: `${t('model.auto')}${automatic}` },
          ...agents.map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <ul className="models">
        {agents.map((agent) => (
          <Abilities key={agent.name} model={agent} chosen={agent === model} />
        ))}
      </ul>
    </>
  );
}

function Abilities({ model, chosen }: { model: Capability; chosen: boolean }) {
  const { t } = useTranslation();
  const { speaker } = useClient();
  const languages = useStore(serverInfo, (info) => info.languages);
  const { sourceLanguage, targetLanguage } = useStore(speaker.state);
  const { sourceLangs, targetLangs, speechLangs, captionLangs } = model;
  const nameOf = (code: string) => {
    const language = languages.find((item) => item.code === code);
    return language ? nativeName(language) : code;
  };
  const listed = (codes: readonly string[]) =>
    codes.length > NAMED
      ? t('model.languages', { count: codes.length })
      : codes.map(nameOf).join(', ');
  const translated = listed(targetLangs.filter((code) => !captionLangs.includes(code)));
  const spoken = captionLangs.length > 0 ? t('model.spoken') : '';
  return (
    <li className={chosen ? 'chosen' : undefined}>
      <b>
        {model.name}
        {model.demonstration && <em>{t('model.demo')}</em>}
        {chosen && <em>{t('model.chosen')}</em>}
      </b>
      <span>
        {t('model.hears')}: {listed(sourceLangs)}
      </span>
      <span>
        {t('model.writes')}: {[spoken, translated].filter(Boolean).join(', ')}
      </span>
      <span>
        {t('model.speaks')}: {listed(speechLangs) || t('model.silent')}
      </span>
      {targetLanguage !== null && !translates(model, sourceLanguage, targetLanguage) && (
        <span>
          {sourceLanguage === null
            ? t('model.cannotInto', { target: nameOf(targetLanguage) })
            : t('model.cannot', {
                source: nameOf(sourceLanguage),
                target: nameOf(targetLanguage),
              })}
        </span>
      )}
    </li>
  );
}
