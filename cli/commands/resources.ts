// get, describe, apply, diff, delete, history: what there is, and what it should be.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { MAX_RULE_DOCUMENT_BYTES, formatDetail, parseDocuments } from '@wocloud/protocol/documents.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { ApplyResult, StoredVersion } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { readInput } from '../input.ts';
import { findNoun, NOUNS } from '../kinds.ts';
import {
  age,
  clean,
  forPeople,
  many,
  moment,
  outputOption,
  paint,
  parseFormat,
  printDiff,
  printList,
  printOne,
  type Column,
} from '../output.ts';
import { confirm } from '../prompt.ts';

const tenant = () => new Option('-t, --tenant <name>', 'of this tenant');
const files = () =>
  new Option(
    '-f, --file <file...>',
    'file or folder of YAML or JSON, - for standard input',
  ).makeOptionMandatory();

/** All documents of the files, or the first file's errors as one CliError. */
export async function readFiles(names: string[]): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const path of names.flatMap(filesOf)) {
    const { documents, errors } = parseDocuments(await readInput(path), MAX_RULE_DOCUMENT_BYTES);
    if (errors.length > 0)
      throw new CliError(
        `${path === '-' ? 'standard input' : path}: ${many(errors.length, 'error')}, nothing was changed`,
        'refused',
        errors.map(formatDetail).join('\n  '),
      );
    all.push(...documents);
  }
  return all;
}

/** A file itself, or the documents in a folder. */
const filesOf = (name: string) =>
  name !== '-' && isFolder(name)
    ? readdirSync(name)
        .filter((f) => /\.(ya?ml|json)$/.test(f))
        .toSorted()
        .map((f) => join(name, f))
    : [name];

const isFolder = (path: string) => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

const VERSION_COLUMNS = [
  { title: 'VERSION', value: (v: StoredVersion) => String(v.version), align: 'right' },
  { title: 'AGE', value: (v) => age(v.at), align: 'right' },
  { title: 'BY', value: (v) => v.by },
  { title: 'WHY', value: (v) => (v.deleted ? `deleted${v.reason ? `: ${v.reason}` : ''}` : v.reason) },
  { title: 'AT', value: (v) => moment(v.at), wide: true },
] satisfies Column<StoredVersion>[];

/** The kind of document a person means. @throws CliError for what is none */
function documentKind(text: string): Kind {
  const { plural } = findNoun(text);
  const kind = KIND_NAMES.find((k) => KINDS[k].plural === plural);
  if (kind) return kind;
  throw new CliError(
    `${plural} are no documents`,
    'usage',
    `Documents are: ${KIND_NAMES.map((k) => KINDS[k].plural).join(', ')}`,
  );
}
const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** What became of each document, what is hardly meant, and what is left to do. */
export function reportApplied(results: readonly ApplyResult[], dryRun: boolean): void {
  for (const r of results) {
    console.log(`${named(r)} ${r.action}${dryRun ? ' (dry run)' : ''}`);
    for (const warning of r.warnings ?? []) console.error(`  ${paint(clean(warning), 'yellow')}`);
  }
  const drafts = results.filter((r) => r.action !== 'unchanged' && KINDS[r.kind as Kind].published);
  if (drafts.length > 0 && !dryRun)
    console.error(
      `${many(drafts.length, 'change is a draft', 'changes are drafts')}: wocloud publish puts ${drafts.length === 1 ? 'it' : 'them'} in force.`,
    );
}

const named = (r: ApplyResult) => `${r.kind.toLowerCase()} ${r.tenant ? `${r.tenant}/` : ''}${r.name}`;

export function addResourceCommands(program: Command): void {
  program
    .command('get <kind> [name]')
    .description(`list or show: ${NOUNS.map((n) => n.plural).join(', ')}`)
    .addOption(outputOption())
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
        if (forPeople(format)) printList([one].flat() as never[], noun.columns, format, '');
        else printOne(one, format);
      },
    );

  program
    .command('describe <kind> <name>')
    .description('everything about one object')
    .addOption(tenant())
    .addOption(outputOption('yaml'))
    .action(async (kind: string, name: string, options: { tenant?: string; output: string }) =>
      printOne(await findNoun(kind).get(connect(), name, options), parseFormat(options.output)),
    );

  program
    .command('apply')
    .description('create or change documents, all or none; policies take effect with publish')
    .addOption(files())
    .option('--dry-run', 'check and show, change nothing')
    .option('--reason <text>', 'kept with the version')
    .addOption(outputOption())
    .action(async (options: { file: string[]; dryRun?: boolean; reason?: string; output: string }) => {
      const { results } = await connect().call('documents.apply', {
        query: {
          ...(options.dryRun ? { dryRun: true } : {}),
          ...(options.reason ? { reason: options.reason } : {}),
        },
        body: { documents: await readFiles(options.file) },
      });
      const format = parseFormat(options.output);
      if (!forPeople(format)) return printOne(results, format);
      reportApplied(results, options.dryRun ?? false);
    });

  program
    .command('diff')
    .description('what apply would change; exit 0 nothing, 1 something')
    .addOption(files())
    .addOption(outputOption())
    .action(async (options: { file: string[]; output: string }) => {
      const { results } = await connect().call('documents.apply', {
        query: { dryRun: true },
        body: { documents: await readFiles(options.file) },
      });
      const format = parseFormat(options.output);
      if (forPeople(format)) printDiff(results);
      else printOne(results, format);
      if (results.some((r) => r.action !== 'unchanged')) process.exitCode = EXIT.differs;
    });

  program
    .command('delete <kind> <name>')
    .description('delete a document (its history stays)')
    .addOption(tenant())
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show what would go')
    .option('--reason <text>', 'kept with the version')
    .action(
      async (
        kind: string,
        name: string,
        options: { tenant?: string; yes?: boolean; dryRun?: boolean; reason?: string },
      ) => {
        const { plural, published } = KINDS[documentKind(kind)];
        if (!options.dryRun) await confirm(`Delete ${kind} ${name}?`, options.yes);
        const result = await connect().call(`${plural}.delete` as 'policies.delete', {
          params: { name },
          query: {
            ...(options.tenant ? { tenant: options.tenant } : {}),
            ...(options.dryRun ? { dryRun: true } : {}),
            ...(options.reason ? { reason: options.reason } : {}),
          },
        });
        if (options.dryRun) printDiff([result]);
        console.log(`${named(result)} ${result.action}${options.dryRun ? ' (dry run)' : ''}`);
        if (published && !options.dryRun) console.error('What was in force stays so until wocloud publish.');
      },
    );

  program
    .command('history <kind> <name> [version]')
    .description(
      'versions of a document, newest first; with a version, that document, to look at or to apply again',
    )
    .addOption(tenant())
    .addOption(outputOption())
    .action(
      async (
        kind: string,
        name: string,
        version: string | undefined,
        options: { tenant?: string; output: string },
      ) => {
        const format = parseFormat(options.output);
        const { plural } = KINDS[documentKind(kind)];
        const { items } = await connect().call(`${plural}.versions` as 'policies.versions', {
          params: { name },
          query: {
            ...(options.tenant ? { tenant: options.tenant } : {}),
            ...(version !== undefined && /^[1-9]\d{0,8}$/.test(version) ? { version: Number(version) } : {}),
          },
        });
        if (version === undefined)
          return printList(items, VERSION_COLUMNS, format, `${name} has no versions.`);
        const found = items.find((v) => String(v.version) === version);
        if (!found)
          throw new CliError(
            `${name} has no version ${version}`,
            'notFound',
            `See which it has: wocloud history ${kind} ${name}`,
          );
        printOne(found.document, forPeople(format) ? 'yaml' : format);
      },
    );
}
