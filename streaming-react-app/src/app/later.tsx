/** Parts of the page that come when they are wanted, and what is said when they do not come. */
import { useEffect, useState } from 'react';
import type { ComponentType } from 'react';
import { useTranslation } from '../i18n';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';

const AGAIN_MS = 3000;
/** A page that is missing its views is loaded anew, but not over and over. */
const RELOAD_AGAIN_MS = 60_000;

/** `unreachable`: the server is away. `outdated`: it is there, with the files of a newer page. */
type Trouble = 'unreachable' | 'outdated';

async function reachable(): Promise<boolean> {
  try {
    const page = new URL('manifest.webmanifest', document.baseURI);
    return (await fetch(page, { cache: 'no-store' })).status < 500;
  } catch {
    return false;
  }
}

function reloadOnce(): void {
  const last = Number(sessionStorage.getItem('seamless.reloaded') ?? 0);
  if (Date.now() - last < RELOAD_AGAIN_MS) return;
  sessionStorage.setItem('seamless.reloaded', String(Date.now()));
  window.location.reload();
}

interface Options {
  /** Without it there is nothing to see, so a newer page may be loaded unasked. */
  view?: boolean;
}

type Part<P> = ComponentType<P> & { preload: () => void };

/** A component whose code is fetched when it is first drawn, again and again until it is there. */
export function later<P extends object>(
  load: () => Promise<{ default: ComponentType<P> }>,
  { view = false }: Options = {},
): Part<P> {
  let loaded: ComponentType<P> | null = null;
  const fetchPart = async () => {
    loaded = (await load()).default;
    return loaded;
  };

  function Later(props: P) {
    const [Here, setHere] = useState(() => loaded);
    const [trouble, setTrouble] = useState<Trouble | null>(null);
    useEffect(() => {
      if (loaded) return;
      let over = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const look = async (answered: number): Promise<void> => {
        const part = await fetchPart().catch(() => null);
        if (over) return;
        if (part) {
          setHere(() => part);
          return;
        }
        const there = await reachable();
        if (over) return;
        // Once may be the moment in which the server came back.
        const outdated = there && answered > 0;
        if (outdated && view) reloadOnce();
        if (outdated || !there) setTrouble(there ? 'outdated' : 'unreachable');
        timer = setTimeout(() => void look(there ? answered + 1 : 0), AGAIN_MS);
      };
      void look(0);
      return () => {
        over = true;
        clearTimeout(timer);
      };
    }, []);
    if (Here) return <Here {...props} />;
    return trouble && <NotThere trouble={trouble} onClose={closing(props)} />;
  }
  return Object.assign(Later, {
    preload: () => void fetchPart().catch(() => undefined),
  });
}

/** What opened with a click can be closed. */
const closing = (props: { onClose?: () => void }) => props.onClose;

function NotThere({ trouble, onClose }: { trouble: Trouble; onClose: (() => void) | undefined }) {
  const { t } = useTranslation();
  return (
    <Notice
      kind="error"
      className="part-missing"
      title={t('part.title')}
      onClose={onClose}
      action={trouble === 'outdated' && <Reload />}
    >
      {t(`part.${trouble}`)}
    </Notice>
  );
}

export function Reload() {
  const { t } = useTranslation();
  return (
    <Button look="outlined" size="small" onClick={() => window.location.reload()}>
      {t('part.reload')}
    </Button>
  );
}
