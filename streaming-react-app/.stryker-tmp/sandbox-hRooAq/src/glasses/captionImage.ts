/** Captions as a picture: a canvas draws every script, whatever the glasses' own fonts know. */
// @ts-nocheck


export interface Caption {
  text: string;
  /** BCP 47. */
  lang: string;
  direction: 'ltr' | 'rtl';
}

export const WIDTH = 1024;
export const HEIGHT = 384;
const LETTERS = 60;
const LINE = 80;
const MARGIN = 36;
const MOST_LINES = 4;

/** Cuts a text into lines that fit, between words, or between letters where there are none. */
export function wrapped(
  text: string,
  lang: string,
  width: number,
  measure: (text: string) => number,
): string[] {
  const words = [...new Intl.Segmenter(lang, { granularity: 'word' }).segment(text)];
  const lines: string[] = [];
  let line = '';
  for (const { segment } of words) {
    if (line.trim() !== '' && measure(line + segment) > width) {
      lines.push(line.trim());
      line = '';
    }
    line += segment;
  }
  return line.trim() === '' ? lines : [...lines, line.trim()];
}

/** Draws the latest lines, the newest at the bottom. */
export function drawCaptions(
  context: CanvasRenderingContext2D,
  captions: readonly Caption[],
): void {
  context.clearRect(0, 0, WIDTH, HEIGHT);
  context.font = `600 ${String(LETTERS)}px system-ui, 'Noto Sans', sans-serif`;
  const lines = captions
    .flatMap(({ text, lang, direction }) =>
      wrapped(text, lang, WIDTH - 2 * MARGIN, (part) => context.measureText(part).width).map(
        (line) => ({ line, direction }),
      ),
    )
    .slice(-MOST_LINES);
  if (lines.length === 0) return;
  const height = lines.length * LINE + MARGIN;
  context.fillStyle = 'rgb(0 0 0 / 72%)';
  context.beginPath();
  context.roundRect(0, HEIGHT - height, WIDTH, height, 28);
  context.fill();
  context.fillStyle = '#fff';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  lines.forEach(({ line, direction }, i) => {
    context.direction = direction;
    const y = HEIGHT - height + MARGIN / 2 + (i + 0.5) * LINE;
    context.fillText(line, WIDTH / 2, y);
  });
}
