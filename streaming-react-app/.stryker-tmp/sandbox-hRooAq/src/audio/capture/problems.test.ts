// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { CaptureError, microphoneProblem, preflight } from './problems';
import type { PreflightEnvironment } from './problems';

const healthy: PreflightEnvironment = {
  secure: true,
  hasMediaDevices: true,
  permission: () => Promise.resolve('granted'),
  inputs: () => Promise.resolve(1),
};

describe('preflight', () => {
  it('finds nothing on a healthy machine', async () => {
    expect(await preflight(healthy)).toBeNull();
  });

  it('names an insecure origin first, since nothing else can be known there', async () => {
    const environment = { ...healthy, secure: false, hasMediaDevices: false };
    expect(await preflight(environment)).toBe('insecure-origin');
  });

  it('tells a blocked permission from a missing device', async () => {
    const blocked = { ...healthy, permission: () => Promise.resolve('denied' as const) };
    expect(await preflight(blocked)).toBe('permission-blocked');
    expect(await preflight({ ...healthy, inputs: () => Promise.resolve(0) })).toBe('no-device');
  });

  it('does not complain of what the browser will not tell', async () => {
    const silent = {
      ...healthy,
      permission: () => Promise.resolve(null),
      inputs: () => Promise.resolve(null),
    };
    expect(await preflight(silent)).toBeNull();
  });
});

describe('microphoneProblem', () => {
  it.each([
    ['NotAllowedError', 'permission-denied'],
    ['NotFoundError', 'no-device'],
    ['OverconstrainedError', 'device-gone'],
    ['NotReadableError', 'device-busy'],
    ['SomethingElse', 'unknown'],
  ])('%s means %s', (name, problem) => {
    expect(microphoneProblem(new DOMException('', name))).toBe(problem);
  });

  it('keeps a problem that is already named', () => {
    expect(microphoneProblem(new CaptureError('device-muted'))).toBe('device-muted');
  });
});
