/** Why a source may fail to open: each has a title and a cure in the interface's words. */
// @ts-nocheck

export type CaptureProblem =
  | 'insecure-origin'
  | 'unsupported'
  | 'permission-denied'
  | 'permission-blocked'
  | 'no-device'
  | 'device-gone'
  | 'device-busy'
  | 'device-muted'
  | 'tab-without-sound'
  | 'cancelled'
  | 'not-audio'
  | 'clip-missing'
  | 'unknown';

export class CaptureError extends Error {
  constructor(readonly problem: CaptureProblem) {
    super(problem);
    this.name = 'CaptureError';
  }
}

/** What the browser's exception means for a microphone. */
export function microphoneProblem(error: unknown): CaptureProblem {
  if (error instanceof CaptureError) return error.problem;
  switch (error instanceof Error || error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'permission-denied';
    case 'NotFoundError':
      return 'no-device';
    case 'OverconstrainedError':
      return 'device-gone';
    case 'NotReadableError':
    case 'AbortError':
      return 'device-busy';
    default:
      return 'unknown';
  }
}

export interface PreflightEnvironment {
  secure: boolean;
  hasMediaDevices: boolean;
  permission: () => Promise<PermissionState | null>;
  inputs: () => Promise<number | null>;
}

/** What would keep the microphone from opening, found before anybody is asked for anything. */
export async function preflight(environment: PreflightEnvironment): Promise<CaptureProblem | null> {
  if (!environment.secure) return 'insecure-origin';
  if (!environment.hasMediaDevices) return 'unsupported';
  if ((await environment.permission()) === 'denied') return 'permission-blocked';
  if ((await environment.inputs()) === 0) return 'no-device';
  return null;
}

export function browserEnvironment(): PreflightEnvironment {
  return {
    secure: window.isSecureContext,
    hasMediaDevices: 'mediaDevices' in navigator,
    permission: async () => {
      try {
        return (await navigator.permissions.query({ name: 'microphone' })).state;
      } catch {
        return null;
      }
    },
    inputs: async () => {
      try {
        const devices = await navigator.mediaDevices.enumerateDevices();
        return devices.filter((device) => device.kind === 'audioinput').length;
      } catch {
        return null;
      }
    },
  };
}
