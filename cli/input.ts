// Files that are given by name; "-" is standard input, waited for however slowly it comes.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CliError } from './errors.ts';

/** The text of a file, or of standard input. @throws CliError saying what could not be read */
export async function readInput(path: string): Promise<string> {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (cause) {
    const what = path === '-' ? 'Standard input' : path;
    throw new CliError(
      `${what} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      'usage',
      '',
    );
  }
}
