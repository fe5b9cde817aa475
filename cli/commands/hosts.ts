// host: join, check and forget hosts, and read what each has proven.
import type { Command } from 'commander';
import type { HostView, Receipt } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { allPages } from '../kinds.ts';
import { whole } from '../numbers.ts';
import {
  clean,
  forPeople,
  moment,
  outputOption,
  paint,
  parseFormat,
  printList,
  printOne,
  type Column,
} from '../output.ts';
import { confirm } from '../prompt.ts';

const RECEIPT_COLUMNS = [
  { title: 'GENERATION', value: (r: Receipt) => String(r.generation), align: 'right' },
  {
    title: 'RESULT',
    value: (r) => r.result,
    color: (r) => (r.result === 'applied' ? 'green' : 'red'),
  },
  { title: 'AT', value: (r) => moment(new Date(r.at / 1000).toISOString()), whole: true },
  { title: 'TOOK', value: (r) => `${Math.round(r.took)} ms`, align: 'right' },
  { title: 'DIGEST', value: (r) => r.digest.slice(0, 16) },
  { title: 'ERROR', value: (r) => r.error, color: () => 'red' },
  { title: 'FULL DIGEST', value: (r) => r.digest, wide: true },
  { title: 'SIGNATURE', value: (r) => r.signature, wide: true },
] satisfies Column<Receipt>[];

const wellSet = (h: HostView) =>
  h.state === 'connected' && !h.generation.error && (h.facts?.notices.length ?? 0) === 0;

function printCheck(h: HostView): void {
  const { applied, desired, error } = h.generation;
  console.log(
    `${h.name}: ${paint(h.state, h.state === 'connected' ? 'green' : 'red')}, generation ${applied} of ${desired}${error ? `, ${clean(error)}` : ''}`,
  );
  for (const n of h.facts?.notices ?? [])
    console.log(`  ${paint(n.code, 'yellow')}  ${clean(n.message)}\n    ${clean(n.action)}`);
  if (wellSet(h)) console.log('  nothing stands in the way of protection');
}

export function addHostCommands(program: Command): void {
  const host = program.command('host').description('join, check and forget hosts');
  host
    .command('check [name]')
    .description('what stands in the way of protection on a host; exit 0 nothing, 1 something')
    .addOption(outputOption())
    .action(async (name: string | undefined, options: { output: string }) => {
      const format = parseFormat(options.output);
      const client = connect();
      const hosts = name
        ? [await client.call('hosts.get', { params: { id: name } })]
        : await allPages((cursor) =>
            client.call('hosts.list', { query: { limit: 1000, ...(cursor ? { cursor } : {}) } }),
          );
      if (hosts.length === 0)
        throw new CliError('No hosts yet', 'notFound', 'Make a token for one: wocloud host token');
      if (forPeople(format)) hosts.forEach(printCheck);
      else
        printOne(
          hosts.map((h) => ({
            name: h.name,
            state: h.state,
            generation: h.generation,
            notices: h.facts?.notices ?? [],
          })),
          format,
        );
      if (!hosts.every(wellSet)) process.exitCode = EXIT.differs;
    });
  host
    .command('receipts <name>')
    .description('what a host has proven to stand in its kernel, newest first')
    .option('-n, --limit <n>', 'at most', '20')
    .addOption(outputOption())
    .action(async (name: string, options: { limit: string; output: string }) => {
      const limit = whole(options.limit, '--limit', 1, 1000);
      const client = connect();
      const { id } = await client.call('hosts.get', { params: { id: name } });
      const { items } = await client.call('hosts.receipts', { params: { id }, query: { limit } });
      printList(items, RECEIPT_COLUMNS, parseFormat(options.output), `${name} has proven nothing yet.`);
    });
  host
    .command('token')
    .description('make a one-time token with which a host joins')
    .option('--minutes <n>', 'valid for', '60')
    .action(async (options: { minutes: string }) => {
      const { token, expiresAt } = await connect().call('joinTokens.create', {
        body: { expiresInMinutes: whole(options.minutes, '--minutes', 1, 10_080) },
      });
      console.log(token);
      console.error(`Valid once, until ${moment(expiresAt)}.`);
    });
  host
    .command('forget <name>')
    .description('forget a host and refuse its certificate; its rules stand until its engine is stopped')
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, options: { yes?: boolean }) => {
      const client = connect();
      const found = await client.call('hosts.get', { params: { id: name } });
      await confirm(`Forget host ${found.name}? It must join again with a new token.`, options.yes);
      await client.call('hosts.delete', { params: { id: found.id } });
      console.log(`host ${found.name} forgotten`);
    });
}
