// topology, histogram: traffic in sum, between whom and over time.
import type { Command } from 'commander';
import type { HistogramBucket, Topology } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { whole } from '../numbers.ts';
import {
  bytes,
  forPeople,
  moment,
  outputOption,
  parseFormat,
  printList,
  printOne,
  type Column,
} from '../output.ts';
import { addFlowFilter, flowQuery, VERDICT_COLOR } from './traffic.ts';

type Edge = Topology['edges'][number];

const edgeColumns = (nodes: Topology['nodes']) => {
  const names = new Map(nodes.map((n) => [n.id, n.tenant ? `${n.tenant}/${n.name}` : n.name]));
  const name = (id: string) => (id === 'external' ? 'outside' : (names.get(id) ?? id));
  return [
    { title: 'FROM', value: (e: Edge) => name(e.from) },
    { title: 'TO', value: (e) => name(e.to) },
    { title: 'VERDICT', value: (e) => e.verdict, color: (e) => VERDICT_COLOR[e.verdict] ?? 'yellow' },
    { title: 'FLOWS', value: (e) => String(e.flows), align: 'right' },
    { title: 'BYTES', value: (e) => bytes(e.bytes), align: 'right' },
    { title: 'SERVICES', value: (e) => e.services.join(', ') },
    { title: 'RULES', value: (e) => e.rules.join(', ') },
  ] satisfies Column<Edge>[];
};

const bar = (n: number, most: number) => '█'.repeat(Math.ceil((n / Math.max(1, most)) * 30));

const bucketColumns = (most: number) =>
  [
    { title: 'FROM', value: (b: HistogramBucket) => moment(b.time), whole: true },
    { title: 'ALLOWED', value: (b) => String(b.allowed), align: 'right' },
    { title: 'DROPPED', value: (b) => String(b.dropped), align: 'right', color: () => 'red' },
    { title: 'REJECTED', value: (b) => String(b.rejected), align: 'right', color: () => 'red' },
    { title: 'OBSERVED', value: (b) => String(b.observed), align: 'right' },
    { title: 'BYTES', value: (b) => bytes(b.bytes), align: 'right' },
    { title: 'FLOWS', value: (b) => bar(total(b), most) },
  ] satisfies Column<HistogramBucket>[];

const total = (b: HistogramBucket) => b.allowed + b.dropped + b.rejected + b.observed;

interface TopologyOptions {
  by: string;
  output: string;
  [field: string]: unknown;
}

export function addTopologyCommands(program: Command): void {
  const topology = program
    .command('topology [filter...]')
    .description('who talks to whom in sum, groups first; filter as in flows')
    .option('--by <what>', 'group or vm', 'group')
    .addOption(outputOption());
  addFlowFilter(topology, '1h').action(async (words: string[], options: TopologyOptions) => {
    const format = parseFormat(options.output);
    const { by } = options;
    if (by !== 'group' && by !== 'vm')
      throw new CliError(`--by ${by} is not known`, 'usage', 'By: group, vm');
    const answer = await connect().call('topology.get', { query: { ...flowQuery(words, options), by } });
    if (!forPeople(format)) return printOne(answer, format);
    printList(
      answer.edges.toSorted((a, b) => b.flows - a.flows),
      edgeColumns(answer.nodes),
      format,
      'Nothing talked to anything in this time. A longer one: --since 24h',
    );
  });

  const histogram = program
    .command('histogram [filter...]')
    .description('flows over time by verdict; filter as in flows')
    .option('--buckets <n>', 'into so many spans', '30')
    .addOption(outputOption());
  addFlowFilter(histogram, '1h').action(
    async (words: string[], options: { buckets: string; output: string; [field: string]: unknown }) => {
      const format = parseFormat(options.output);
      const buckets = whole(options.buckets, '--buckets', 1, 500);
      const answer = await connect().call('flows.histogram', {
        query: { ...flowQuery(words, options), buckets },
      });
      const most = Math.max(...answer.buckets.map(total), 1);
      printList(
        answer.buckets,
        bucketColumns(most),
        format,
        'No flows in this time. A longer one: --since 24h',
      );
    },
  );
}
