// @ts-nocheck
import { useEffect } from 'react';

/** Nothing behind what is drawn: a streaming program puts its picture there. */
export function useTransparentPage(): void {
  useEffect(() => {
    document.documentElement.classList.add('transparent');
    return () => document.documentElement.classList.remove('transparent');
  }, []);
}
