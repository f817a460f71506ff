// @ts-nocheck
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';

const NEAR_PX = 64;
const UPWARDS = new Set(['ArrowUp', 'PageUp', 'Home']);

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
    const measure = () => ({
      top: box.scrollTop,
      content: box.scrollHeight,
      window: box.clientHeight,
    });
    let last = measure();
    const follow = (yes: boolean) => {
      following.current = yes;
      setStuck(yes);
    };
    const scrolled = () => {
      const now = measure();
      const atEnd = now.content - now.top - now.window < NEAR_PX;
      // Content that grows or a window that changes moves the end away, not the person.
      const byPerson = now.content === last.content && now.window === last.window;
      if (now.top > last.top && atEnd) follow(true);
      else if (byPerson && now.top < last.top - 2) follow(false);
      last = now;
    };
    // The wish is known before the scrolling is: new text must not pull the person back meanwhile.
    const upwards = () => {
      if (box.scrollHeight > box.clientHeight && box.scrollTop > 0) follow(false);
    };
    const wheeled = (event: WheelEvent) => event.deltaY < 0 && upwards();
    const typed = (event: KeyboardEvent) => UPWARDS.has(event.key) && upwards();
    let touchedAt = 0;
    const touched = (event: TouchEvent) => (touchedAt = event.touches[0]?.clientY ?? 0);
    const dragged = (event: TouchEvent) =>
      (event.touches[0]?.clientY ?? 0) > touchedAt + 8 && upwards();
    const resized = new ResizeObserver(() => {
      if (following.current) toEnd(box);
      last = measure();
    });
    const passive = { passive: true };
    box.addEventListener('scroll', scrolled, passive);
    box.addEventListener('wheel', wheeled, passive);
    box.addEventListener('keydown', typed);
    box.addEventListener('touchstart', touched, passive);
    box.addEventListener('touchmove', dragged, passive);
    resized.observe(box);
    if (box.firstElementChild) resized.observe(box.firstElementChild);
    return () => {
      box.removeEventListener('scroll', scrolled);
      box.removeEventListener('wheel', wheeled);
      box.removeEventListener('keydown', typed);
      box.removeEventListener('touchstart', touched);
      box.removeEventListener('touchmove', dragged);
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
