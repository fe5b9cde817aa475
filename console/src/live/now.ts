// The console's one clock: ages tick together, once a second, and rest while the tab is hidden.
import { useSyncExternalStore } from 'react';

let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

function tick(): void {
  if (document.hidden) return;
  now = Date.now();
  for (const watcher of watchers) watcher();
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(tick, 1000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

function read(): number {
  // With nobody watching the clock stands; whoever looks first sets it.
  if (timer === null && Date.now() - now > 1000) now = Date.now();
  return now;
}

/** Milliseconds since the epoch, moving each second. */
export const useNow = (): number => useSyncExternalStore(watch, read);
