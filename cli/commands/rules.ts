// rules import: files of Suricata rules as a rule set.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ApiError, type Client } from '@wocloud/protocol/client.ts';
import type { DocumentOf } from '@wocloud/protocol/resources/kinds.ts';
import { MAX_RULE_TEXT, type RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';
import { connect } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { readInput } from '../input.ts';
import { bytes, forPeople, outputOption, parseFormat, printOne } from '../output.ts';
import { reportApplied } from './resources.ts';

const LISTS = ['enable', 'disable', 'drop'] as const;
type Lists = Partial<Record<(typeof LISTS)[number], string[]>>;

interface ImportOptions extends Lists {
  name: string;
  onlyOn?: boolean;
  description?: string;
  dryRun?: boolean;
  reason?: string;
  output: string;
}

/** Sids, written apart or with commas. @throws CliError */
function sids(texts: readonly string[], flag: string): number[] {
  const words = texts.flatMap((text) => text.split(',')).filter((word) => word !== '');
  return words.map((word) => {
    const sid = /^[1-9]\d{0,9}$/.test(word) ? Number(word) : NaN;
    if (!(sid <= 4_294_967_295))
      throw new CliError(`${flag} ${word} is no sid`, 'usage', 'Sids are numbers: --disable 2001219,2002910');
    return sid;
  });
}

/** A file itself, or the *.rules of a folder. */
const rulesFiles = (path: string): string[] =>
  path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(path)
        .filter((name) => name.endsWith('.rules'))
        .toSorted()
        .map((name) => join(path, name))
    : [path];

/** The files as one text. @throws CliError when there is nothing in them, or more than a set takes */
async function readRules(files: readonly string[], onlyOn: boolean): Promise<string> {
  const parts: string[] = [];
  for (const file of files.flatMap(rulesFiles)) {
    const text = (await readInput(file)).replaceAll('\r\n', '\n');
    const kept = onlyOn ? text.replaceAll(/^[ \t]*(#.*)?\n/gm, '') : text;
    parts.push(kept.endsWith('\n') || kept === '' ? kept : `${kept}\n`);
  }
  const all = parts.join('');
  if (all.trim() === '') throw new CliError('There are no rules in it', 'usage', 'Name files as of ET Open');
  if (all.length > MAX_RULE_TEXT)
    throw new CliError(
      `${bytes(all.length)} of rules, a set takes ${bytes(MAX_RULE_TEXT)}`,
      'refused',
      'Leave out what the files have off (--only-on), or import them into several sets',
    );
  return all;
}

async function existing(client: Client, name: string): Promise<RuleSetSpec | undefined> {
  try {
    return (await client.call('rule-sets.get', { params: { name }, query: {} })).spec as RuleSetSpec;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The set with these rules; what it says beside them stays unless it is said anew. */
function ruleSet(rules: string, options: ImportOptions, old: RuleSetSpec | undefined): DocumentOf<'RuleSet'> {
  const lists = Object.fromEntries(
    LISTS.flatMap((list) => {
      const given = options[list];
      return given === undefined ? [] : [[list, sids(given, `--${list}`)]];
    }),
  ) as Partial<RuleSetSpec>;
  return {
    apiVersion: 'wocloud/v1',
    kind: 'RuleSet',
    metadata: { name: options.name },
    spec: {
      ...old,
      ...(options.description === undefined ? {} : { description: options.description }),
      ...lists,
      rules,
    },
  };
}

export function addRuleCommands(program: Command): void {
  const rules = program.command('rules').description('rule sets from files (list them: get rule-sets)');
  rules
    .command('import <file...>')
    .description(
      'create a rule set from files (or folders) of Suricata rules, such as ET Open; again: replace its rules, keep its lists',
    )
    .requiredOption('--name <name>', 'of the rule set')
    .option('--disable <sid...>', 'rules to switch off: 2001219,2002910')
    .option('--enable <sid...>', 'rules to switch on that the files have off')
    .option('--drop <sid...>', 'rules that drop where the files have them alert')
    .option('--only-on', 'leave out comments and rules that the files have off')
    .option('--description <text>', 'what it is')
    .option('--dry-run', 'check and show, change nothing')
    .option('--reason <text>', 'kept with the version')
    .addOption(outputOption())
    .addHelpText('after', '\n-o yaml and -o json print the document instead of applying it.')
    .action(async (files: string[], options: ImportOptions) => {
      const format = parseFormat(options.output);
      const text = await readRules(files, options.onlyOn ?? false);
      if (!forPeople(format)) return printOne(ruleSet(text, options, undefined), format);
      const client = connect();
      const { name } = options;
      const result = await client.call('rule-sets.put', {
        params: { name },
        query: {
          ...(options.dryRun ? { dryRun: true } : {}),
          ...(options.reason ? { reason: options.reason } : {}),
        },
        body: ruleSet(text, options, await existing(client, name)),
      });
      reportApplied([result], options.dryRun ?? false);
    });
}
