import { render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { setUiLanguage } from '../i18n';
import { ErrorBoundary } from './ErrorBoundary';

it('says what helps when a page fails', async () => {
  await setUiLanguage('en');
  const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const Fails = () => {
    throw new Error('a bug');
  };
  render(
    <ErrorBoundary>
      <Fails />
    </ErrorBoundary>,
  );
  expect(screen.getByRole('alert').textContent).toContain('you come back into the same room');
  expect(screen.getByRole('button', { name: 'Reload the page' })).toBeTruthy();
  logged.mockRestore();
});
