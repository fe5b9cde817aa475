/**
 * Waiting in tests: for a condition or an event, with a deadline, never for a time to pass.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { EventKind, EventOf } from '../events.ts';
import type { Session } from '../session.ts';

/** Resolves with the first truthy result; rejects after `timeoutMs`, saying `what` did not come. */
export async function until<T>(
  check: () => T | Promise<T>,
  timeoutMs = 10_000,
  what = check.toString(),
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(10);
  }
}

/** Collects a session's events of one kind, from now on. */
export function collect<K extends EventKind>(session: Session, kind: K): EventOf<K>[] {
  const events: EventOf<K>[] = [];
  session.on('event', ({ event }) => {
    if (event.kind === kind) events.push(event as unknown as EventOf<K>);
  });
  return events;
}
