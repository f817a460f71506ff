import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';

const NEAR_PX = 64;

function toEnd(box: HTMLElement | null): void {
  box?.scrollTo({ top: box.scrollHeight });
}

/**
 * Keeps a scrolling element at its end while `content` grows, until the person scrolls up; `jump`
 * goes back to the end.
 */
export function useStickToEnd(element: RefObject<HTMLElement | null>, content: unknown) {
  const [stuck, setStuck] = useState(true);
  const following = useRef(true);

  useLayoutEffect(() => {
    if (following.current) toEnd(element.current);
  }, [content, element]);

  useEffect(() => {
    const box = element.current;
    if (!box) return;
    let lastTop = box.scrollTop;
    const scrolled = () => {
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
      // Content that grows or a window that shrinks moves the end away, not the person.
      if (atEnd) following.current = true;
      else if (box.scrollTop < lastTop - 2) following.current = false;
      lastTop = box.scrollTop;
      setStuck(following.current);
    };
    const resized = new ResizeObserver(() => {
      if (following.current) toEnd(box);
    });
    box.addEventListener('scroll', scrolled, { passive: true });
    resized.observe(box);
    return () => {
      box.removeEventListener('scroll', scrolled);
      resized.disconnect();
    };
  }, [element]);

  const jump = () => {
    following.current = true;
    setStuck(true);
    toEnd(element.current);
  };

  return { stuck, jump };
}
