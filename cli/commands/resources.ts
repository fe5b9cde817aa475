// get, describe, apply, diff, delete, label, enforce, observe: what there is, and what it should be.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { parseDocuments, formatDetail } from '@wocloud/protocol/documents.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { ApplyResult, VmView } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { findNoun, NOUNS } from '../kinds.ts';
import { colored, FORMATS, paint, parseFormat, printList, printOne } from '../output.ts';
import { confirm } from '../prompt.ts';

const output = () => new Option('-o, --output <format>', FORMATS.join(', ')).default('table');
const tenant = () => new Option('-t, --tenant <name>', 'of this tenant');
const files = () =>
  new Option(
    '-f, --file <file...>',
    'file or folder of YAML or JSON, - for standard input',
  ).makeOptionMandatory();

/** All documents of the files, or the first file's errors as one CliError. */
export function readFiles(names: string[]): unknown[] {
  return names.flatMap((name) => {
    const paths =
      name !== '-' && isFolder(name)
        ? readdirSync(name)
            .filter((f) => /\.(ya?ml|json)$/.test(f))
            .sort()
            .map((f) => join(name, f))
        : [name];
    return paths.flatMap((path) => {
      const { documents, errors } = parseDocuments(readText(path));
      if (errors.length > 0)
        throw new CliError(
          `${path === '-' ? 'standard input' : path}: ${errors.length} ${errors.length === 1 ? 'error' : 'errors'}, nothing was changed`,
          'refused',
          errors.map(formatDetail).join('\n  '),
        );
      return documents;
    });
  });
}

const isFolder = (path: string) => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new CliError(`${path} cannot be read: ${(cause as Error).message}`, 'usage', '');
  }
}

function printDiff(results: ApplyResult[]): void {
  for (const line of results.flatMap((r) => r.diff.split('\n')).filter(Boolean))
    console.log(
      colored()
        ? paint(
            line,
            line.startsWith('+')
              ? 'green'
              : line.startsWith('-')
                ? 'red'
                : line.startsWith('@')
                  ? 'dim'
                  : undefined,
          )
        : line,
    );
}

const named = (r: ApplyResult) => `${r.kind.toLowerCase()} ${r.tenant ? `${r.tenant}/` : ''}${r.name}`;

export function addResourceCommands(program: Command): void {
  program
    .command('get <kind> [name]')
    .description(`list or show: ${NOUNS.map((n) => n.plural).join(', ')}`)
    .addOption(output())
    .addOption(tenant())
    .option('-l, --selector <selector>', 'labels: app=web,env!=prod')
    .option('-a, --all', 'also what is gone or resolved')
    .action(
      async (
        kind: string,
        name: string | undefined,
        options: { output: string; tenant?: string; selector?: string; all?: boolean },
      ) => {
        const noun = findNoun(kind);
        const format = parseFormat(options.output);
        const client = connect();
        if (name === undefined) {
          const rows = await noun.list(client, options);
          return printList(
            rows as never[],
            noun.columns,
            format,
            `No ${noun.plural}${options.selector || options.tenant ? ' match' : ' yet'}.`,
          );
        }
        const one = await noun.get(client, name, options);
        if (format === 'table' || format === 'wide') printList([one] as never[], noun.columns, format, '');
        else printOne(one, format);
      },
    );

  program
    .command('describe <kind> <name>')
    .description('everything about one object')
    .addOption(tenant())
    .action(async (kind: string, name: string, options: { tenant?: string }) =>
      printOne(await findNoun(kind).get(connect(), name, options), 'yaml'),
    );

  program
    .command('apply')
    .description('create or change documents, all or none; policies take effect with publish')
    .addOption(files())
    .option('--dry-run', 'check and show, change nothing')
    .option('--reason <text>', 'kept with the version')
    .addOption(output())
    .action(async (options: { file: string[]; dryRun?: boolean; reason?: string; output: string }) => {
      const { results } = await connect().call('documents.apply', {
        query: {
          ...(options.dryRun ? { dryRun: true } : {}),
          ...(options.reason ? { reason: options.reason } : {}),
        },
        body: { documents: readFiles(options.file) },
      });
      const format = parseFormat(options.output);
      if (format !== 'table' && format !== 'wide') return printOne(results, format);
      for (const r of results) console.log(`${named(r)} ${r.action}${options.dryRun ? ' (dry run)' : ''}`);
      const drafts = results.filter((r) => r.action !== 'unchanged' && KINDS[r.kind as Kind].published);
      if (drafts.length > 0 && !options.dryRun)
        console.error(
          `${drafts.length} ${drafts.length === 1 ? 'change is a draft' : 'changes are drafts'}: wocloud publish puts them in force.`,
        );
    });

  program
    .command('diff')
    .description('what apply would change; exit 0 nothing, 1 something')
    .addOption(files())
    .action(async (options: { file: string[] }) => {
      const { results } = await connect().call('documents.apply', {
        query: { dryRun: true },
        body: { documents: readFiles(options.file) },
      });
      printDiff(results);
      if (results.some((r) => r.action !== 'unchanged')) process.exitCode = EXIT.differs;
    });

  program
    .command('delete <kind> <name>')
    .description('delete a document (its history stays)')
    .addOption(tenant())
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show what would go')
    .action(
      async (kind: string, name: string, options: { tenant?: string; yes?: boolean; dryRun?: boolean }) => {
        const noun = findNoun(kind);
        if (!Object.values(KINDS).some((k) => k.plural === noun.plural))
          throw new CliError(
            `${noun.plural} are not deleted this way`,
            'usage',
            `Documents are: ${Object.values(KINDS)
              .map((k) => k.plural)
              .join(', ')}`,
          );
        if (!options.dryRun) await confirm(`Delete ${kind} ${name}?`, options.yes);
        const result = await connect().call(`${noun.plural}.delete` as 'policies.delete', {
          params: { name },
          query: {
            ...(options.tenant ? { tenant: options.tenant } : {}),
            ...(options.dryRun ? { dryRun: true } : {}),
          },
        });
        if (options.dryRun) printDiff([result]);
        console.log(`${named(result)} ${result.action}${options.dryRun ? ' (dry run)' : ''}`);
      },
    );

  program
    .command('label <vm> <labels...>')
    .description('set labels of a VM: app=web, or app- to remove')
    .action(async (id: string, changes: string[]) => {
      const client = connect();
      const vm: VmView = await client.call('vms.get', { params: { id } });
      const labels = { ...vm.labels };
      for (const change of changes) {
        const at = change.indexOf('=');
        if (at > 0) labels[change.slice(0, at)] = change.slice(at + 1);
        else if (change.endsWith('-')) delete labels[change.slice(0, -1)];
        else throw new CliError(`${change} is not a label`, 'usage', 'Write key=value, or key- to remove');
      }
      const after = await client.call('vms.update', { params: { id: vm.id }, body: { labels } });
      console.log(
        `vm ${after.name} ${Object.entries(after.labels)
          .map(([k, v]) => `${k}=${v}`)
          .join(' ')}`,
      );
    });

  for (const mode of ['enforce', 'observe'] as const) {
    program
      .command(`${mode} <scope> <name>`)
      .description(
        mode === 'enforce'
          ? 'apply policy to a vm, tenant or host'
          : 'stop applying policy to a vm, tenant or host; only watch',
      )
      .option('--unset', 'return to what the wider scope says')
      .action(async (scope: string, name: string, options: { unset?: boolean }) => {
        if (scope !== 'vm' && scope !== 'tenant' && scope !== 'host')
          throw new CliError(`${scope} is not a scope`, 'usage', 'Scopes: vm, tenant, host');
        const { vms } = await connect().call('enforcement.put', {
          body: { scope, name, mode: options.unset ? null : mode },
        });
        console.log(
          `${scope} ${name}: ${options.unset ? 'unset' : mode}, ${vms} ${vms === 1 ? 'VM' : 'VMs'}`,
        );
      });
  }
}
