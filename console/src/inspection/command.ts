// The command that lists the same events in a terminal.
import { EVENT_LANGUAGE, filterFlags, type EventField, type Filter } from '@wocloud/protocol/filter.ts';
import { quoted } from '../screen/quoted.ts';

type Query = Filter<EventField> & { q?: string; flow?: string };

export function inspectionCommand({ q, flow, ...filter }: Query, follow: boolean): string {
  return [
    'wocloud inspection',
    follow ? '-f' : '',
    filterFlags(filter, EVENT_LANGUAGE),
    q ? `--find ${quoted(q)}` : '',
    flow ? `--flow ${flow}` : '',
  ]
    .filter(Boolean)
    .join(' ');
}
