// Waiting for something to become true, with a deadline and what to say when it does not.
import { setTimeout as pause } from 'node:timers/promises';
import { LauncherError } from './steps.ts';

/**
 * Asks `ready` every 100 ms until it gives a value.
 * @throws LauncherError after `seconds`, with the last error
 */
export async function until<T>(
  ready: () => Promise<T | undefined>,
  seconds: number,
  what: string,
  action: string,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const value = await ready();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new LauncherError(
        `${what} did not happen within ${seconds} s${last ? `: ${(last as Error).message}` : ''}`,
        action,
      );
    await pause(100);
  }
}
