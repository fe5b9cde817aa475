// How inspection events are named, found again and followed to the flow they are about.
import type { InspectionQuery } from '@wocloud/protocol/api.ts';
import { printFilter } from '@wocloud/protocol/filter.ts';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import type { State } from '../state/StateWord.tsx';

/** What an event is in a few words: the rule's message, else what it is about. */
export const eventTitle = (event: Pick<InspectionView, 'title' | 'subject'>) => event.title || event.subject;

/** Shape and word of what became of the packet; null where nothing was decided. */
export const actionState = (action: InspectionView['action']): State | null =>
  action === 'blocked' ? 'event-blocked' : action === 'allowed' ? 'allowed' : null;

export interface EventRef {
  id: string;
  /** Milliseconds since the epoch. */
  time: number;
  port: number;
  ip: string;
}

/** There is no way to ask by id alone, so its moment and one end go along. */
export const eventRef = (event: InspectionView) =>
  [event.id, Date.parse(event.time), event.dst.port, event.src.ip].join('@');

/** Takes an event's reference apart; null when it is malformed. */
export function readEventRef(ref: string): EventRef | null {
  const match = /^(.+)@(\d+)@(\d+)@([0-9a-fA-F.:]*)$/.exec(ref);
  if (!match) return null;
  const [, id, time, port, ip] = match;
  return { id: id!, time: Number(time), port: Number(port), ip: ip! };
}

/** The question that finds it. */
export const eventQuestion = ({ time, port, ip }: EventRef): InspectionQuery => ({
  since: new Date(time - 1000).toISOString(),
  until: new Date(time + 1000).toISOString(),
  ...(ip ? { ip: [ip] } : {}),
  ...(port > 0 ? { port: [String(port)] } : {}),
  limit: 1000,
});

/** How long before and after an event its flow may have begun and ended. */
const AROUND_MS = 300_000;

/**
 * The flow list's filter and time that show an event's flow. A gateway names the ends as the packet did, so either of
 * them may have opened the connection.
 */
export function flowsOf(event: InspectionView): { q: string; since: string; until: string } {
  const ends = [event.src.ip, event.dst.ip];
  const ports = [...new Set([event.src.port, event.dst.port])].filter((p) => p > 0).map(String);
  const at = Date.parse(event.time);
  return {
    q: printFilter({
      from: ends,
      to: ends,
      ...(ports.length > 0 ? { port: ports } : {}),
      ...(event.protocol ? { protocol: [event.protocol] } : {}),
      ...(event.network ? { network: [event.network] } : {}),
    }),
    since: new Date(at - AROUND_MS).toISOString(),
    until: new Date(at + AROUND_MS).toISOString(),
  };
}
