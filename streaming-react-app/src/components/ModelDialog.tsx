import { useTranslation } from '../i18n';
import type { Key } from '../i18n';
import { useClient } from '../app/client';
import { firstTarget, translates } from '../app/models';
import { useSpeakerOffer } from '../app/useOffer';
import { nativeName } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';
import { Dialog } from '../ui/Dialog';

/** So many languages are named, more are counted. */
const NAMED = 5;

/** Every model with what it can do; which one translates is left to the server, or chosen. */
export default function ModelDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities) ?? [];
  const languages = useStore(serverInfo, (info) => info.languages);
  const state = useStore(speaker.state);
  const offer = useSpeakerOffer();
  const { sourceLanguage, targetLanguage } = state;
  const nameOf = (code: string) => {
    const language = languages.find((item) => item.code === code);
    return language ? nativeName(language) : code;
  };
  const listed = (codes: readonly string[]) =>
    codes.length > NAMED
      ? t('model.languages', { count: codes.length })
      : codes.map(nameOf).join(', ');
  const written = ({ targetLangs, captionLangs }: Capability) =>
    [
      ...(captionLangs.length > 0 ? [t('model.spoken')] : []),
      listed(targetLangs.filter((code) => !captionLangs.includes(code))),
    ]
      .filter(Boolean)
      .join(', ');
  const choose = (name: string | null) => {
    const able = agents.filter((agent) => name === null || agent.name === name);
    const heard = new Set(able.flatMap((agent) => agent.sourceLangs));
    const [only] = heard.size === 1 ? heard : [];
    const source =
      sourceLanguage !== null && heard.has(sourceLanguage) ? sourceLanguage : (only ?? null);
    speaker.state.setState({ model: name });
    void speaker.setLanguages({ source, target: firstTarget(able, targetLanguage, source) });
    onClose();
  };
  const facts = (model: Capability): [Key, string][] => [
    ['model.hears', listed(model.sourceLangs)],
    ['model.writes', written(model)],
    ['model.speaks', listed(model.speechLangs) || t('model.silent')],
  ];
  return (
    <Dialog title={t('speak.model')} onClose={onClose}>
      <ul className="models">
        <li>
          <button
            type="button"
            aria-pressed={state.model === null}
            onClick={() => choose(null)}
            data-testid="model-auto"
          >
            <b>{t('model.auto')}</b>
            <small>{t('model.autoHint')}</small>
          </button>
        </li>
        {agents.map((agent) => {
          const able = translates(agent, sourceLanguage, targetLanguage ?? '');
          return (
            <li key={agent.name}>
              <button
                type="button"
                aria-pressed={state.model === agent.name}
                onClick={() => choose(agent.name)}
              >
                <b>
                  {agent.name}
                  {agent.demonstration && <em>{t('model.demo')}</em>}
                  {state.model === null && offer.model === agent && <em>{t('model.chosen')}</em>}
                </b>
                {facts(agent).map(([key, value]) => (
                  <small key={key}>
                    {t(key)}: {value}
                  </small>
                ))}
                {!able && targetLanguage !== null && (
                  <small className="wrong">
                    {sourceLanguage === null
                      ? t('model.cannotInto', { target: nameOf(targetLanguage) })
                      : t('model.cannot', {
                          source: nameOf(sourceLanguage),
                          target: nameOf(targetLanguage),
                        })}
                  </small>
                )}
              </button>
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
