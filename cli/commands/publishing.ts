// publish, rollback: drafts into force, with a receipt from every host, and back.
import type { Command } from 'commander';
import type { Client } from '@wocloud/protocol/client.ts';
import type { Publication } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { clean, paint, printOne } from '../output.ts';
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

function report(publication: Publication, json: boolean): void {
  if (json) return printOne(publication, 'json');
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
  console.log(`publication ${publication.id}: ${publication.state}, ${publication.changes.length} changes`);
}

const exitOf = (p: Publication) => (p.state === 'published' ? EXIT.ok : EXIT.differs);

export function addPublishingCommands(program: Command): void {
  program
    .command('publish')
    .description('put drafts in force; returns when every host has proven it')
    .option('-m, --message <text>', 'why')
    .option('-t, --tenant <name>', "only this tenant's drafts")
    .option('--timeout <seconds>', 'patience', '60')
    .option('-y, --yes', 'do not ask')
    .option('-o, --output <format>', 'table or json', 'table')
    .action(
      async (options: {
        message?: string;
        tenant?: string;
        timeout: string;
        yes?: boolean;
        output: string;
      }) => {
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
          await confirm(`Publish ${changes.items.length} changes?`, false);
        }
        const started = await client.call('publications.create', {
          body: { ...scope, ...(options.message ? { message: options.message } : {}) },
        });
        const result = await follow(client, started, Number(options.timeout));
        report(result, options.output === 'json');
        process.exitCode = exitOf(result);
      },
    );

  program
    .command('rollback [publication]')
    .description('return to an earlier publication (the one before the last unless given)')
    .option('-m, --message <text>', 'why')
    .option('--timeout <seconds>', 'patience', '60')
    .option('-y, --yes', 'do not ask')
    .option('-o, --output <format>', 'table or json', 'table')
    .action(
      async (
        id: string | undefined,
        options: { message?: string; timeout: string; yes?: boolean; output: string },
      ) => {
        const client = connect();
        const target = id ?? (await client.call('publications.list', { query: { limit: 2 } })).items[1]?.id;
        if (target === undefined)
          throw new CliError(
            'There is no earlier publication',
            'usage',
            'See them: wocloud get publications',
          );
        await confirm(`Return to the policies of publication ${target}?`, options.yes);
        const started = await client.call('publications.rollback', {
          params: { id: String(target) },
          body: options.message ? { message: options.message } : {},
        });
        const result = await follow(client, started, Number(options.timeout));
        report(result, options.output === 'json');
        process.exitCode = exitOf(result);
      },
    );
}
