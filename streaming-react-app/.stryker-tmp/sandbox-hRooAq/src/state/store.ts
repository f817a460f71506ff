/** Small observable stores: zustand's, under the names that this page uses. */
// @ts-nocheck

import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { StoreApi } from 'zustand/vanilla';

export type Store<T> = StoreApi<T>;
export { createStore, useStore };

/** A store of plain values, to be changed with `setState`. */
export function values<T extends object>(initial: T): Store<T> {
  return createStore<T>(() => initial);
}
