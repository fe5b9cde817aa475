// Numbers as people give them on the command line.
import { CliError } from './errors.ts';

/** A whole number within bounds. @throws CliError naming the flag */
export function whole(text: string, flag: string, least: number, most: number): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new CliError(`${flag} ${text} is not a number from ${least} to ${most}`, 'usage', '');
}
