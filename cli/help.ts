// help: any command's, and what is told of none: exit codes, the environment, output formats, filters.
import type { Command } from 'commander';
import { CliError } from './errors.ts';

export const TOPICS: Record<string, string> = {
  'exit-codes': `Exit codes
   0  yes, or done
   1  no: differs (diff, changes), not healthy (status), not allowed (trace), not intact (audit verify),
      something stands in the way (host check), not every host has proven it (publish, rollback)
   2  wrong usage: an unknown command or flag, a value that cannot be, a question nobody could answer
   3  not signed in, or not permitted
   4  not found, or not yours to see
   5  the platform does not answer
   6  refused: invalid, conflicting or stale; nothing was changed
  70  a defect of this command`,
  environment: `Environment
  WOCLOUD_URL     the platform (else the one signed in to, else http://127.0.0.1:8080)
  WOCLOUD_TOKEN   an API token, instead of signing in (wocloud token create)
  NO_COLOR        no colours, also on a terminal
  LANG, LC_ALL    zh…: status speaks Chinese
  XDG_CONFIG_HOME where login keeps the token (~/.config/wocloud/credentials.json, mode 0600)`,
  output: `Output (-o)
  table   for people: fits the terminal, long values are cut with … (piped, they are whole)
  wide    every column, nothing cut
  json    the whole answer, stable
  jsonl   one JSON document a line
  yaml    documents that apply takes back
Times are local in table and wide, RFC 3339 in UTC elsewhere. Bytes are decimal: 1.5 kB is 1,500.`,
  filters: `Filters of flows, topology, histogram and inspection
  As flags:   --vm web-1 --verdict dropped rejected --port '!22' --since 1h
  As words:   vm:web-1 verdict:dropped,rejected 'port:!22' since:1h
  Fields:     vm from to ip port protocol verdict staged rule tenant network host since until
  inspection: type action signature application vm ip port tenant network host gateway since until
  Several values of a field: any of them. A value that starts with ! excludes.`,
};

export function addHelpCommand(program: Command): void {
  program
    .helpCommand(false)
    .command('help [topic...]')
    .description(`a command's help, or ${Object.keys(TOPICS).join(', ')}`)
    .action((words: string[]) => {
      const [first] = words;
      const topic = first === undefined ? undefined : TOPICS[first];
      if (topic !== undefined) {
        console.log(topic);
        return;
      }
      let at = program;
      for (const word of words) {
        const next = at.commands.find((c) => c.name() === word);
        if (!next)
          throw new CliError(
            `There is no help on ${words.join(' ')}`,
            'usage',
            `Topics: ${Object.keys(TOPICS).join(', ')}; commands: wocloud --help`,
          );
        at = next;
      }
      at.outputHelp();
    });
  program.addHelpText(
    'after',
    `
On this machine: wocloud up [--lab] | down [--purge] | test | lab | bench | check | gen   (each with --help)
More help: wocloud help ${Object.keys(TOPICS).join(' | ')}`,
  );
}
