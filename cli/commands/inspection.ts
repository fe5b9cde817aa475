// inspection, gateways: what the security gateways saw in the traffic, and how they are.
import type { Command } from 'commander';
import type { InspectionQuery } from '@wocloud/protocol/api.ts';
import { EVENT_FIELDS, EVENT_LANGUAGE, parseFilter, type EventField } from '@wocloud/protocol/filter.ts';
import { EVENT_ACTIONS, EVENT_TYPES } from '@wocloud/protocol/inspection.ts';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { stringify } from 'yaml';
import { connect } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { follow } from '../follow.ts';
import { instanceColumns } from '../kinds.ts';
import { whole } from '../numbers.ts';
import {
  GrowingColumns,
  clean,
  forPeople,
  moment,
  outputOption,
  paint,
  parseFormat,
  printList,
  type Color,
  type Column,
  type Format,
} from '../output.ts';
import { endName, tenants } from './traffic.ts';

const FIELDS: Record<EventField, string> = {
  type: EVENT_TYPES.join(', '),
  action: EVENT_ACTIONS.join(', '),
  signature: 'id of the rule (sid)',
  application: 'application protocol: http, tls, dns, …',
  vm: 'either end is this VM',
  ip: 'either address (or prefix)',
  port: 'port of either end, or range',
  tenant: 'tenant of either end',
  network: 'network',
  host: 'host',
  gateway: 'gateway, or one of its instances: edge/1',
};

/** What happened, in the words of the event: the rule that matched, or what the type is about. */
const said = (e: InspectionView): string =>
  e.signature > 0 ? `${e.title}${e.subject ? ` (${e.subject})` : ''}` : e.subject || e.title;

const severity = (e: InspectionView): Color | undefined => {
  if (e.action === 'blocked') return 'red';
  if (e.type !== 'alert') return undefined;
  return e.priority === 1 ? 'red' : 'yellow';
};
/** What it is, and what became of it where the gateway decided. */
const outcome = (e: InspectionView): string => (e.action === 'blocked' ? `${e.type}, blocked` : e.type);

const between = (e: InspectionView): string => {
  if (e.src.ip === '' && e.dst.ip === '') return '-';
  const port = !e.protocol.startsWith('icmp');
  return `${endName(e.src, port)} → ${endName(e.dst, port)} ${e.application || e.protocol}`;
};

/** Lines of `inspection -f`. */
class EventLines {
  readonly #columns = new GrowingColumns([14, 8, 36]);

  /** One event as one line: time, type, tenants, source → destination, what was seen. */
  line(event: InspectionView): string {
    const [what = '', ...rest] = this.#columns.pad([outcome(event), tenants(event), between(event)]);
    const id = event.signature > 0 ? `${event.signature} ` : '';
    return [moment(event.time).slice(11), paint(what, severity(event)), ...rest, clean(`${id}${said(event)}`)]
      .join('  ')
      .trimEnd();
  }
}

const COLUMNS = [
  { title: 'TIME', value: (e: InspectionView) => moment(e.time), whole: true },
  { title: 'TYPE', value: outcome, color: severity },
  { title: 'TENANT', value: tenants },
  { title: 'SOURCE', value: (e) => endName(e.src, true) },
  { title: 'DESTINATION', value: (e) => endName(e.dst, true) },
  { title: 'PROTOCOL', value: (e) => e.application || e.protocol },
  { title: 'SIGNATURE', value: (e) => (e.signature > 0 ? String(e.signature) : ''), align: 'right' },
  { title: 'WHAT', value: said },
  { title: 'PRIORITY', value: (e) => (e.priority > 0 ? String(e.priority) : ''), align: 'right', wide: true },
  { title: 'CATEGORY', value: (e) => e.category, wide: true },
  { title: 'TECHNIQUE', value: (e) => e.technique, wide: true },
  { title: 'GATEWAY', value: (e) => e.gateway, wide: true },
  { title: 'NETWORK', value: (e) => e.network, wide: true },
  { title: 'FLOW', value: (e) => (e.flow === '0' ? '' : e.flow), wide: true },
] satisfies Column<InspectionView>[];

/** The day is said only where it is not today for all of them, or everything is asked for. */
function columnsFor(rows: readonly InspectionView[], format: Format): Column<InspectionView>[] {
  const today = moment(new Date().toISOString()).slice(0, 10);
  if (format === 'wide' || rows.some((e) => !moment(e.time).startsWith(today))) return COLUMNS;
  return [{ title: 'TIME', value: (e) => moment(e.time).slice(11), whole: true }, ...COLUMNS.slice(1)];
}

interface InspectionOptions {
  follow?: boolean;
  output: string;
  limit: string;
  flow?: string;
  find?: string;
  since: string;
  until?: string;
  [field: string]: unknown;
}

/** Flags and words → what is asked for; words win over the flag of the same field. @throws CliError */
function eventQuery(words: readonly string[], options: InspectionOptions): InspectionQuery {
  const { query, errors } = parseFilter(words.join(' '), EVENT_LANGUAGE);
  const [first] = errors;
  if (first) throw new CliError(first.message, 'usage', 'See how: wocloud help filters');
  const flags = [...EVENT_FIELDS, 'since', 'until', 'flow'].flatMap((field) =>
    options[field] === undefined ? [] : [[field, options[field]]],
  );
  return {
    ...(Object.fromEntries(flags) as InspectionQuery),
    ...(options.find === undefined ? {} : { q: options.find }),
    ...(query as InspectionQuery),
  };
}

export function addInspectionCommands(program: Command): void {
  const inspection = program
    .command('inspection [filter...]')
    .description(
      'what the gateways saw in the traffic, newest last; by flags or words: type:alert vm:web-1 (wocloud help filters)',
    )
    .option('-f, --follow', 'go on showing new ones')
    .option('-n, --limit <n>', 'at most', '100')
    .addOption(outputOption())
    .option('--since <when>', 'from: 90s, 15m, 24h, 7d or an RFC 3339 time', '1h')
    .option('--until <when>', 'until')
    .option('--flow <id>', 'all about one flow')
    .option('--find <text>', 'whose words contain this');
  for (const field of EVENT_FIELDS) inspection.option(`--${field} <value...>`, FIELDS[field]);
  inspection.action(async (words: string[], options: InspectionOptions) => {
    const format = parseFormat(options.output);
    const limit = whole(options.limit, '--limit', 1, 1000);
    const query = eventQuery(words, options);
    const client = connect();
    const past = async () =>
      (await client.call('inspection.list', { query: { ...query, limit } })).items.toReversed();
    if (!options.follow) {
      const rows = await past();
      const empty = 'The gateways saw nothing like this in this time. A longer one: --since 24h';
      return printList(rows, columnsFor(rows, format), format, empty);
    }
    const lines = new EventLines();
    const { since: _, until: __, ...live } = query;
    await follow(client, 'inspection', {
      query: live,
      past,
      key: (event) => event.id,
      print(event) {
        if (forPeople(format)) console.log(lines.line(event));
        else if (format === 'yaml') process.stdout.write(`---\n${stringify(event)}`);
        else console.log(JSON.stringify(event));
      },
    });
  });

  program
    .command('gateways')
    .description('the gateway instances of all hosts and how they are (their documents: get gateways)')
    .option('--host <name>', 'of this host')
    .option('--gateway <name>', 'of this gateway')
    .addOption(outputOption())
    .action(async (options: { host?: string; gateway?: string; output: string }) => {
      const { items } = await connect().call('instances.list', {
        query: {
          ...(options.host === undefined ? {} : { host: options.host }),
          ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
        },
      });
      printList(
        items,
        instanceColumns,
        parseFormat(options.output),
        'No gateway runs. Declare one: wocloud help apply, kind Gateway',
      );
    });
}
