// Questions to a person at a terminal; secrets are not echoed, and come from files or stdin in scripts.
import { confirm as ask, isCancel, password, text } from '@clack/prompts';
import { CliError } from './errors.ts';
import { readInput } from './input.ts';

const interactive = () => process.stdin.isTTY && process.stderr.isTTY;

function answered<T>(value: T): Exclude<T, symbol> {
  if (isCancel(value) || typeof value === 'symbol') throw new CliError('Cancelled', 'usage', '');
  return value as Exclude<T, symbol>;
}

export async function askText(message: string, flag: string): Promise<string> {
  if (!interactive()) throw new CliError(`${message} is missing`, 'usage', `Give it with ${flag}`);
  return answered(await text({ message }));
}

/** A secret from `file` ("-": stdin), or asked for. Never from the command line: others can read that. */
export async function askSecret(
  message: string,
  file: string | undefined,
  flag = '--password-file',
): Promise<string> {
  if (file !== undefined) return (await readInput(file)).replace(/\r?\n$/, '');
  if (!interactive())
    throw new CliError(
      `${message} is missing`,
      'usage',
      `Give it with ${flag} FILE, or - for standard input`,
    );
  return answered(await password({ message }));
}

/** True when the person agrees; without a terminal `yes` has to be given. */
export async function confirm(message: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!interactive()) throw new CliError(`${message} needs a yes`, 'usage', 'Add --yes');
  if (!answered(await ask({ message, initialValue: false })))
    throw new CliError('Nothing was changed', 'usage', '');
}
