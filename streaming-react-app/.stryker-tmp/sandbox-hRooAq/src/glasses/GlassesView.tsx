// @ts-nocheck
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from '../i18n';
import { useShown } from '../app/useShown';
import { direction, languageTag } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Notice } from '../ui/Notice';
import { openGlasses } from './session';
import type { Glasses } from './session';

/** As many sentences as the picture may need. */
const LATEST = 2;

/** While the session runs: on the device's own screen what the glasses show, and the way out. */
export default function GlassesView({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const glasses = useRef<Glasses | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [open, setOpen] = useState(false);
  const languages = useStore(serverInfo, (info) => info.languages);
  const lines = useShown()
    .filter((line) => !line.foreign && line.text !== '')
    .slice(-LATEST);

  useEffect(() => {
    let over = false;
    openGlasses(onClose).then(
      (opened) => {
        if (over) void opened.end();
        glasses.current = opened;
        setOpen(true);
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      over = true;
      void glasses.current?.end();
    };
  }, [onClose]);

  useEffect(() => {
    if (!open) return;
    glasses.current?.show(
      lines.map((line) => ({
        text: line.text,
        lang: languageTag(line.lang),
        direction: direction(languages.find((language) => language.code === line.lang)),
      })),
    );
  });

  return (
    <Dialog
      title={t('ar.enter')}
      onClose={onClose}
      actions={
        <Button look="filled" onClick={onClose}>
          {t('ar.leave')}
        </Button>
      }
    >
      {problem && <Notice kind="error">{problem}</Notice>}
      <div data-testid="glasses" data-open={open}>
        {lines.map((line) => (
          <p key={line.key} lang={languageTag(line.lang)} dir="auto">
            {line.text}
          </p>
        ))}
      </div>
    </Dialog>
  );
}
