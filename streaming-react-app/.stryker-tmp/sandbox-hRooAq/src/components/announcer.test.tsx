// @ts-nocheck
import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import type { Line } from '../transcript/transcript';
import { Announcer } from './Announcer';

function line(text: string, finished: boolean, freshFrom = 0): Line {
  return {
    key: text,
    speakerID: 'ann',
    stream: 0,
    segmentID: 0,
    lang: 'spa',
    pieces: [],
    text,
    freshFrom,
    finished,
  };
}

const lines = [line('Hola a todos.', true), line('Buenos días', false, 6)];

describe('Announcer', () => {
  it('says whole sentences, politely, in their language', () => {
    render(<Announcer lines={lines} mode="sentences" />);
    const region = screen.getByTestId('announcer');
    expect(region.getAttribute('aria-live')).toBe('polite');
    expect(region.textContent).toBe('Hola a todos.');
    expect(region.firstElementChild?.getAttribute('lang')).toBe('es');
  });

  it('says every phrase to those who want it, but only what is new', () => {
    const { container } = render(<Announcer lines={lines} mode="phrases" />);
    expect(container.textContent).toBe(' días');
  });

  it('is silent when it should be', () => {
    const { container } = render(<Announcer lines={lines} mode="off" />);
    expect(container.textContent).toBe('');
    expect(container.firstElementChild?.getAttribute('aria-live')).toBe('off');
  });
});
