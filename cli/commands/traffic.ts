// flows, trace: what talks to what, who stopped it, and what would happen.
import { Option, type Command } from 'commander';
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { openEvents } from '../events.ts';
import {
  bytes,
  clean,
  FORMATS,
  paint,
  parseFormat,
  printList,
  printOne,
  type Color,
  type Column,
} from '../output.ts';

const VERDICT_COLOR: Record<string, Color> = {
  allowed: 'green',
  dropped: 'red',
  rejected: 'red',
  observed: 'dim',
};

const end = (e: FlowView['src'], port: boolean) => {
  const name = e.name ?? e.ip;
  return port && e.port ? (name.includes(':') ? `[${name}]:${e.port}` : `${name}:${e.port}`) : name;
};

/** One flow as one line, read like a sentence: time, verdict, tenant, source → destination, rule, bytes. */
export function flowLine(flow: FlowView): string {
  const time = new Date(flow.time).toLocaleTimeString('en-GB', { hour12: false });
  const tenant =
    flow.src.tenant === flow.dst.tenant || !flow.dst.tenant
      ? (flow.src.tenant ?? '-')
      : `${flow.src.tenant ?? '-'}→${flow.dst.tenant}`;
  const icmp = flow.protocol.startsWith('icmp');
  const parts = [
    time,
    paint(flow.verdict.padEnd(8), VERDICT_COLOR[flow.verdict]),
    flow.kind.padEnd(6),
    clean(tenant).padEnd(8),
    clean(`${end(flow.src, false)} → ${end(flow.dst, !icmp)} ${flow.protocol}`),
    clean(flow.rule || '-'),
    bytes(flow.bytesOut + flow.bytesIn),
  ];
  if (flow.stagedVerdict !== 'none')
    parts.push(paint(clean(`staged: ${flow.stagedVerdict} by ${flow.stagedRule}`), 'yellow'));
  return parts.join('  ');
}

const COLUMNS = [
  { title: 'TIME', value: (f: FlowView) => new Date(f.time).toISOString().replace('T', ' ').slice(0, 19) },
  { title: 'VERDICT', value: (f) => f.verdict, color: (f) => VERDICT_COLOR[f.verdict] },
  { title: 'TENANT', value: (f) => f.src.tenant ?? f.dst.tenant ?? '' },
  { title: 'SOURCE', value: (f) => end(f.src, false) },
  { title: 'DESTINATION', value: (f) => end(f.dst, !f.protocol.startsWith('icmp')) },
  { title: 'PROTOCOL', value: (f) => f.protocol },
  { title: 'RULE', value: (f) => f.rule },
  { title: 'BYTES', value: (f) => bytes(f.bytesOut + f.bytesIn), align: 'right' },
  { title: 'STATE', value: (f) => (f.kind === 'drop' ? 'refused' : f.end ? 'ended' : 'open'), wide: true },
  {
    title: 'STAGED',
    value: (f) => (f.stagedVerdict === 'none' ? '' : `${f.stagedVerdict} by ${f.stagedRule}`),
    wide: true,
  },
  { title: 'NETWORK', value: (f) => f.network, wide: true },
  { title: 'HOST', value: (f) => f.host, wide: true },
] satisfies Column<FlowView>[];

interface FlowOptions {
  follow?: boolean;
  output: string;
  limit: string;
  [field: string]: unknown;
}

const FIELDS = [
  'vm',
  'from',
  'to',
  'ip',
  'port',
  'protocol',
  'verdict',
  'staged',
  'rule',
  'network',
  'host',
  'tenant',
] as const;

function queryOf(options: FlowOptions): FlowQuery {
  const query: Record<string, unknown> = {};
  for (const field of FIELDS) if (options[field] !== undefined) query[field] = options[field];
  for (const field of ['since', 'until']) if (options[field] !== undefined) query[field] = options[field];
  return query as FlowQuery;
}

export function addTrafficCommands(program: Command): void {
  const flows = program
    .command('flows')
    .description('connections and refused packets, newest last; a value starting with ! excludes')
    .option('-f, --follow', 'go on showing new ones')
    .option('--since <when>', 'from: 90s, 15m, 24h, 7d or an RFC 3339 time', '15m')
    .option('--until <when>', 'until')
    .option('-n, --limit <n>', 'at most', '100')
    .addOption(new Option('-o, --output <format>', FORMATS.join(', ')).default('table'));
  const words: Record<(typeof FIELDS)[number], string> = {
    vm: 'either end is this VM',
    from: 'source VM, group or address',
    to: 'destination VM, group or address',
    ip: 'either address (or prefix)',
    port: 'destination port or range',
    protocol: 'tcp, udp, icmp, …',
    verdict: 'allowed, dropped, rejected, observed',
    staged: 'what staged policies would do',
    rule: 'rule or policy that decided',
    network: 'network',
    host: 'host',
    tenant: 'tenant of either end',
  };
  for (const field of FIELDS) flows.option(`--${field} <value...>`, words[field]);
  flows.action(async (options: FlowOptions) => {
    const client = connect();
    const format = parseFormat(options.output);
    const limit = Number(options.limit);
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
      throw new CliError(`--limit ${options.limit} is not a number from 1 to 1000`, 'usage', '');
    const query = queryOf(options);
    const print = (flow: FlowView) =>
      console.log(format === 'table' || format === 'wide' ? flowLine(flow) : JSON.stringify(flow));
    const { items } = await client.call('flows.list', { query: { ...query, limit } });
    const rows = items.toReversed();
    if (!options.follow)
      return printList(rows, COLUMNS, format, 'No flows in this time. A longer one: --since 24h');
    rows.forEach(print);
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    const { since: _, until: __, ...live } = query;
    try {
      for await (const event of openEvents(client, { ...live, topics: ['flow'] }, stop.signal)) {
        if (event.topic === 'flow') print(event.data);
        else if (event.topic === 'lost')
          console.error(
            paint(`… ${event.data.count} not shown: this terminal is slower than the flows`, 'yellow'),
          );
      }
      if (!stop.signal.aborted)
        throw new CliError('The platform closed the stream', 'unreachable', 'Run the command again.');
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  });

  program
    .command('trace <source> <destination> <service>')
    .description(
      'the verdict for a packet, the rule, where and why: wocloud trace web-1 db-1 tcp/5432; exit 0 allowed, 1 not',
    )
    .option('--network <id>', 'which network, when both are on several')
    .addOption(new Option('-o, --output <format>', 'table, json, yaml').default('table'))
    .action(
      async (src: string, dst: string, service: string, options: { network?: string; output: string }) => {
        const trace = await connect().call('trace.create', {
          body: { src, dst, service, ...(options.network ? { network: options.network } : {}) },
        });
        if (options.output !== 'table') printOne(trace, parseFormat(options.output));
        else {
          console.log(
            `${paint(trace.verdict, VERDICT_COLOR[trace.verdict] ?? 'yellow')}  ${clean(trace.rule)}`,
          );
          console.log(`  ${clean(trace.why)}`);
          for (const s of trace.steps)
            console.log(
              clean(
                `  ${s.direction === 'out' ? 'leaving ' : 'entering'} ${s.vm ?? s.where}: ${s.action} by ${s.rule}${s.tier ? ` (${s.tier})` : ''}${s.staged ? ' [staged]' : ''} ${s.why}`,
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
