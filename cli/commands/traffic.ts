// flows, trace: what talks to what, who stopped it, and what would happen.
import type { Command } from 'commander';
import {
  FILTER_FIELDS,
  LIST_FIELDS,
  parseFilter,
  type FlowFilter,
  type ListField,
} from '@wocloud/protocol/filter.ts';
import { VERDICTS } from '@wocloud/protocol/flow.ts';
import type { FlowView, Trace } from '@wocloud/protocol/views.ts';
import { stringify } from 'yaml';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { follow } from '../follow.ts';
import { whole } from '../numbers.ts';
import {
  bytes,
  GrowingColumns,
  clean,
  forPeople,
  moment,
  outputOption,
  paint,
  parseFormat,
  printList,
  printOne,
  type Color,
  type Column,
  type Format,
} from '../output.ts';

export const VERDICT_COLOR: Record<string, Color> = {
  allowed: 'green',
  dropped: 'red',
  rejected: 'red',
  observed: 'dim',
};

export const endName = (e: FlowView['src'], port: boolean): string => {
  const name = e.name ?? e.ip;
  return port && e.port ? (name.includes(':') ? `[${name}]:${e.port}` : `${name}:${e.port}`) : name;
};

/** The tenants of both ends, one when they are the same. */
export const tenants = ({ src, dst }: Pick<FlowView, 'src' | 'dst'>): string =>
  [...new Set([src.tenant, dst.tenant].filter((t) => t !== null))].join('→') || '-';

/** What became of it: nothing is counted before a connection's first bytes were. */
const outcome = (f: FlowView) =>
  f.kind === 'drop'
    ? 'refused'
    : f.kind === 'start'
      ? 'new'
      : `${bytes(f.bytesOut + f.bytesIn)}${f.end ? '' : ' so far'}`;

/** Lines of `flows -f`. */
export class FlowLines {
  readonly #columns = new GrowingColumns([8, 10, 28, 20]);

  /** One flow as one line: time, verdict, tenant, source → destination:port, rule, bytes. */
  line(flow: FlowView): string {
    const port = !flow.protocol.startsWith('icmp');
    const [verdict = '', ...rest] = this.#columns.pad([
      flow.verdict,
      tenants(flow),
      `${endName(flow.src, false)} → ${endName(flow.dst, port)} ${flow.protocol}`,
      flow.rule || '-',
    ]);
    const staged =
      flow.stagedVerdict === 'none' ? '' : clean(`  staged: ${flow.stagedVerdict} by ${flow.stagedRule}`);
    return [
      moment(flow.time).slice(11),
      paint(verdict, VERDICT_COLOR[flow.verdict]),
      ...rest,
      outcome(flow) + paint(staged, 'yellow'),
    ]
      .join('  ')
      .trimEnd();
  }
}

const COLUMNS = [
  { title: 'STARTED', value: (f: FlowView) => moment(f.start), whole: true },
  { title: 'VERDICT', value: (f) => f.verdict, color: (f) => VERDICT_COLOR[f.verdict] },
  { title: 'TENANT', value: tenants },
  { title: 'SOURCE', value: (f) => endName(f.src, false) },
  { title: 'DESTINATION', value: (f) => endName(f.dst, !f.protocol.startsWith('icmp')) },
  { title: 'PROTOCOL', value: (f) => f.protocol },
  { title: 'RULE', value: (f) => f.rule },
  {
    title: 'BYTES',
    value: (f) => (f.kind === 'drop' || f.kind === 'start' ? '' : bytes(f.bytesOut + f.bytesIn)),
    align: 'right',
  },
  { title: 'STATE', value: (f) => (f.kind === 'drop' ? 'refused' : f.end ? 'ended' : 'open'), wide: true },
  {
    title: 'STAGED',
    value: (f) => (f.stagedVerdict === 'none' ? '' : `${f.stagedVerdict} by ${f.stagedRule}`),
    wide: true,
  },
  { title: 'NETWORK', value: (f) => f.network, wide: true },
  { title: 'HOST', value: (f) => f.host, wide: true },
] satisfies Column<FlowView>[];

/** The day is said only where it is not today for all of them, or everything is asked for. */
function columnsFor(rows: readonly FlowView[], format: Format): Column<FlowView>[] {
  const today = moment(new Date().toISOString()).slice(0, 10);
  if (format === 'wide' || rows.some((f) => !moment(f.start).startsWith(today))) return COLUMNS;
  return [{ title: 'STARTED', value: (f) => moment(f.start).slice(11), whole: true }, ...COLUMNS.slice(1)];
}

/** One telling of a flow: its start, an update, its end. */
const occurrence = (flow: FlowView): string => `${flow.id} ${flow.kind} ${flow.time}`;

interface FlowOptions {
  follow?: boolean;
  output: string;
  limit: string;
  [field: string]: unknown;
}

const FIELDS: Record<ListField, string> = {
  vm: 'either end is this VM',
  from: 'source VM, group or address',
  to: 'destination VM, group or address',
  ip: 'either address (or prefix)',
  port: 'destination port or range',
  protocol: 'tcp, udp, icmp, …',
  verdict: VERDICTS.join(', '),
  staged: 'what staged policies would do: allowed, dropped, rejected, none',
  rule: 'rule or policy that decided',
  network: 'network',
  host: 'host',
  tenant: 'tenant of either end',
};

/** The filter of flows, as flags and as the words of the console's filter bar. */
export function addFlowFilter(command: Command, since: string): Command {
  command
    .option('--since <when>', 'from: 90s, 15m, 24h, 7d or an RFC 3339 time', since)
    .option('--until <when>', 'until');
  for (const field of LIST_FIELDS) command.option(`--${field} <value...>`, FIELDS[field]);
  return command;
}

/** Flags and words → what is asked for; words win over the flag of the same field. @throws CliError */
export function flowQuery(words: readonly string[], options: Record<string, unknown>): FlowFilter {
  const { query, errors } = parseFilter(words.join(' '));
  const [first] = errors;
  if (first) throw new CliError(first.message, 'usage', 'See how: wocloud help filters');
  const flags = FILTER_FIELDS.flatMap((field) =>
    options[field] === undefined ? [] : [[field, options[field]]],
  );
  return { ...Object.fromEntries(flags), ...query };
}

/** Where on its way the packet is. */
const wayOf = ({ where, direction, vm }: Trace['steps'][number]): string => {
  if (where === 'gateway' && vm === null) return 'through the gateway';
  return `${direction === 'out' ? 'leaving ' : 'entering'} ${vm ?? where}`;
};

export function addTrafficCommands(program: Command): void {
  const flows = program
    .command('flows [filter...]')
    .description(
      'connections and refused packets, newest last; by flags or as in the console: vm:web-1 verdict:dropped (wocloud help filters)',
    )
    .option('-f, --follow', 'go on showing new ones')
    .option('-n, --limit <n>', 'at most', '100')
    .addOption(outputOption());
  addFlowFilter(flows, '15m').action(async (words: string[], options: FlowOptions) => {
    const format = parseFormat(options.output);
    const limit = whole(options.limit, '--limit', 1, 1000);
    const query = flowQuery(words, options);
    const client = connect();
    const lines = new FlowLines();
    const print = (flow: FlowView) => {
      if (forPeople(format)) console.log(lines.line(flow));
      else if (format === 'yaml') process.stdout.write(`---\n${stringify(flow)}`);
      else console.log(JSON.stringify(flow));
    };
    const list = async () =>
      (await client.call('flows.list', { query: { ...query, limit } })).items.toReversed();
    if (!options.follow) {
      const rows = await list();
      return printList(
        rows,
        columnsFor(rows, format),
        format,
        'No flows in this time. A longer one: --since 24h',
      );
    }
    const { since: _, until: __, ...live } = query;
    await follow(client, 'flow', { query: live, past: list, key: occurrence, print });
  });

  program
    .command('trace <source> <destination> <service>')
    .description(
      'the verdict for a packet, the rule, where and why: wocloud trace web-1 db-1 tcp/5432; exit 0 allowed, 1 not',
    )
    .option('--network <id>', 'which network, when both are on several')
    .addOption(outputOption())
    .action(
      async (src: string, dst: string, service: string, options: { network?: string; output: string }) => {
        const format = parseFormat(options.output);
        const trace = await connect().call('trace.create', {
          body: { src, dst, service, ...(options.network ? { network: options.network } : {}) },
        });
        if (!forPeople(format)) printOne(trace, format);
        else {
          console.log(
            `${paint(trace.verdict, VERDICT_COLOR[trace.verdict] ?? 'yellow')}  ${clean(trace.rule)}`,
          );
          console.log(`  ${clean(trace.why)}`);
          for (const s of trace.steps)
            console.log(
              clean(
                `  ${wayOf(s)}: ${s.action}${s.rule ? ` by ${s.rule}` : ''}${s.tier ? ` (${s.tier})` : ''}${s.staged ? ' [staged]' : ''} ${s.why}`,
              ),
            );
          if (trace.staged)
            console.log(
              `  staged policies would say: ${trace.staged.verdict} by ${clean(trace.staged.rule)}`,
            );
        }
        if (trace.verdict === 'dropped' || trace.verdict === 'rejected') process.exitCode = EXIT.differs;
      },
    );
}
