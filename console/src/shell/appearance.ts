// Light, dark, or as the system: chosen, remembered, and followed while the page stands.
import { useSyncExternalStore } from 'react';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED = 'wocloud.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const watchers = new Set<() => void>();

function read(): Theme {
  try {
    const kept = localStorage.getItem(STORED);
    return THEMES.find((t) => t === kept) ?? 'system';
  } catch {
    return 'system';
  }
}

let theme = read();

function show(): void {
  const dark = theme === 'dark' || (theme === 'system' && system.matches);
  document.documentElement.classList.toggle('pf-v6-theme-dark', dark);
  for (const watcher of watchers) watcher();
}
system.addEventListener('change', show);

export function chooseTheme(next: Theme): void {
  theme = next;
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  show();
}

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};
export const useTheme = (): Theme => useSyncExternalStore(watch, () => theme);

/** Whether the page is dark now, for what cannot be styled by CSS. */
export const useDark = (): boolean =>
  useSyncExternalStore(watch, () => document.documentElement.classList.contains('pf-v6-theme-dark'));
