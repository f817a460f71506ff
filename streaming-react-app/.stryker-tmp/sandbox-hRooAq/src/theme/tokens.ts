/** Colours of the three looks. Every text colour is readable on both grounds (see the test). */
// @ts-nocheck


export type Look = 'light' | 'dark' | 'contrast';

export interface Tokens {
  ground: string;
  surface: string;
  text: string;
  /** Text that steps back: older captions, hints. */
  quiet: string;
  primary: string;
  onPrimary: string;
  /** Something is live: an open microphone. */
  live: string;
  onLive: string;
  /** Borders of controls: they must be seen. */
  outline: string;
  /** Lines that only divide. */
  divider: string;
  tint: string;
}

export const TOKENS: Record<Look, Tokens> = {
  light: {
    ground: '#f6f5f1',
    surface: '#ffffff',
    text: '#16211f',
    quiet: '#52605d',
    primary: '#0b5563',
    onPrimary: '#ffffff',
    live: '#b3261e',
    onLive: '#ffffff',
    outline: '#7d8a87',
    divider: '#e2dfd7',
    tint: '#e4eff0',
  },
  dark: {
    ground: '#0f1415',
    surface: '#192122',
    text: '#ebf1f0',
    quiet: '#a5b4b2',
    primary: '#86d1dd',
    onPrimary: '#06282f',
    live: '#ff9384',
    onLive: '#3a0905',
    outline: '#71817f',
    divider: '#2a3637',
    tint: '#1d3135',
  },
  contrast: {
    ground: '#000000',
    surface: '#000000',
    text: '#ffffff',
    quiet: '#ffffff',
    primary: '#ffe14d',
    onPrimary: '#000000',
    live: '#ff9d92',
    onLive: '#000000',
    outline: '#ffffff',
    divider: '#8a8a8a',
    tint: '#2b2600',
  },
};

function luminance(hex: string): number {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

/** Contrast ratio of two colours, as WCAG 2 defines it. */
export function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}
