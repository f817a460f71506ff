// @ts-nocheck
import { useEffect, useState } from 'react';

/** As in the original demo: a letter each 6 ms, and a cursor where the text goes on. */
const LETTER_MS = 6;
/** Drawn together, or slow devices would fall behind. */
const AT_ONCE = 3;

export function Letters({ text, cursor }: { text: string; cursor: boolean }) {
  const [count, setCount] = useState(0);
  const letters = [...text];
  const over = count >= letters.length;
  useEffect(() => {
    if (over) return;
    const timer = setInterval(() => setCount((now) => now + AT_ONCE), AT_ONCE * LETTER_MS);
    return () => clearInterval(timer);
  }, [over]);
  return (
    <>
      {letters.slice(0, count).join('')}
      {cursor && <span className="cursor" aria-hidden="true" />}
    </>
  );
}
