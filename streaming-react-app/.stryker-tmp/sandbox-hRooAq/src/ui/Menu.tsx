// @ts-nocheck
import { useEffect, useRef } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';

interface Props {
  label: string;
  /** The button that opened it. */
  anchor: HTMLElement;
  onClose: () => void;
  children: ReactNode;
}

const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at - 1 + count) % count,
  Home: () => 0,
  End: (_at, count) => count - 1,
};

/** A list of actions below a button (WAI-ARIA menu button pattern). */
export function Menu({ label, anchor, onClose, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const items = () => [
    ...(box.current?.querySelectorAll<HTMLElement>('[role=menuitem]:not(:disabled)') ?? []),
  ];
  useEffect(() => {
    items()[0]?.focus();
    const away = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!box.current?.contains(target) && !anchor.contains(target)) onClose();
    };
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, [anchor, onClose]);
  const key = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      const all = items();
      all[step(all.indexOf(document.activeElement as HTMLElement), all.length)]?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      onClose();
      anchor.focus();
    }
  };
  return (
    <div ref={box} className="menu" role="menu" tabIndex={-1} aria-label={label} onKeyDown={key}>
      {children}
    </div>
  );
}

export function MenuItem(props: { onClick: () => void; disabled?: boolean; children: ReactNode }) {
  return <button type="button" role="menuitem" tabIndex={-1} {...props} />;
}
