// changes, publish, rollback: what waits, into force with a receipt from every host, and back.
import type { Command } from 'commander';
import type { Client } from '@wocloud/protocol/client.ts';
import type { Publication } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { changeColumns } from '../kinds.ts';
import { whole } from '../numbers.ts';
import {
  age,
  clean,
  forPeople,
  many,
  outputOption,
  paint,
  parseFormat,
  printDiff,
  printList,
  printOne,
  type Format,
} from '../output.ts';
import { confirm } from '../prompt.ts';

/** Waits until no host's receipt is outstanding, telling how far it is. */
async function follow(client: Client, publication: Publication, seconds: number): Promise<Publication> {
  const deadline = Date.now() + seconds * 1000;
  let now = publication;
  while (now.state === 'publishing' && Date.now() < deadline) {
    const wait = Math.max(1, Math.min(20, Math.ceil((deadline - Date.now()) / 1000)));
    now = await client.call('publications.get', { params: { id: String(now.id) }, query: { wait } });
    const done = now.hosts.filter((h) => h.state !== 'pending').length;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${done} of ${now.hosts.length} hosts`);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  return now;
}

function report(publication: Publication, format: Format): void {
  if (!forPeople(format)) return printOne(publication, format);
  for (const h of publication.hosts) {
    const color = h.state === 'applied' ? 'green' : h.state === 'failed' ? 'red' : 'yellow';
    console.log(
      clean(`  ${h.name}  `) +
        paint(h.state, color) +
        clean(
          `  generation ${h.generation}${h.took === null ? '' : `  ${h.took.toFixed(0)} ms`}${h.error ? `  ${h.error}` : ''}`,
        ),
    );
  }
  console.log(
    `publication ${publication.id}: ${publication.state}, ${many(publication.changes.length, 'change')}`,
  );
  if (publication.state === 'publishing')
    console.error(`Receipts are still coming: wocloud get publications ${publication.id} -o yaml`);
}

const exitOf = (p: Publication) => (p.state === 'published' ? EXIT.ok : EXIT.differs);

export function addPublishingCommands(program: Command): void {
  program
    .command('changes')
    .description('what publish would put in force, with what differs; exit 0 nothing, 1 something')
    .option('-t, --tenant <name>', "only this tenant's drafts")
    .addOption(outputOption())
    .action(async (options: { tenant?: string; output: string }) => {
      const format = parseFormat(options.output);
      const { items } = await connect().call('changes.list', {
        query: options.tenant ? { tenant: options.tenant } : {},
      });
      printList(items, changeColumns, format, 'Everything saved is in force.');
      if (format === 'table') printDiff(items);
      if (items.length > 0) process.exitCode = EXIT.differs;
    });

  program
    .command('publish')
    .description('put drafts in force; returns when every host has proven it')
    .option('-m, --message <text>', 'why')
    .option('-t, --tenant <name>', "only this tenant's drafts")
    .option('--timeout <seconds>', 'patience', '60')
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption())
    .action(
      async (options: {
        message?: string;
        tenant?: string;
        timeout: string;
        yes?: boolean;
        output: string;
      }) => {
        const format = parseFormat(options.output);
        const timeout = whole(options.timeout, '--timeout', 0, 86_400);
        const client = connect();
        const scope = options.tenant ? { tenant: options.tenant } : {};
        const changes = await client.call('changes.list', { query: scope });
        if (changes.items.length === 0) {
          console.error('Nothing to publish: what is in force is what was last applied.');
          return;
        }
        if (process.stdin.isTTY && !options.yes) {
          for (const c of changes.items)
            console.log(
              clean(`  ${c.action} ${c.kind} ${c.tenant ? `${c.tenant}/` : ''}${c.name} by ${c.by}`),
            );
          await confirm(`Publish ${many(changes.items.length, 'change')}?`, false);
        }
        const started = await client.call('publications.create', {
          body: { ...scope, ...(options.message ? { message: options.message } : {}) },
        });
        const result = await follow(client, started, timeout);
        report(result, format);
        process.exitCode = exitOf(result);
      },
    );

  program
    .command('rollback [publication]')
    .description('return to an earlier publication (the one before the last unless given)')
    .option('-m, --message <text>', 'why')
    .option('--timeout <seconds>', 'patience', '60')
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption())
    .action(
      async (
        id: string | undefined,
        options: { message?: string; timeout: string; yes?: boolean; output: string },
      ) => {
        const format = parseFormat(options.output);
        const timeout = whole(options.timeout, '--timeout', 0, 86_400);
        const client = connect();
        const target = id
          ? await client.call('publications.get', { params: { id }, query: {} })
          : (await client.call('publications.list', { query: { limit: 2 } })).items[1];
        if (target === undefined)
          throw new CliError(
            'There is no earlier publication',
            'usage',
            'See them: wocloud get publications',
          );
        const said = clean(target.message) || 'no message';
        await confirm(
          `Return to publication ${target.id} (${said}, ${age(target.at)} ago by ${target.by})?`,
          options.yes,
        );
        const started = await client.call('publications.rollback', {
          params: { id: String(target.id) },
          body: options.message ? { message: options.message } : {},
        });
        const result = await follow(client, started, timeout);
        report(result, format);
        process.exitCode = exitOf(result);
      },
    );
}
