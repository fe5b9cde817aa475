// Shell completion made from the commands themselves: bash, zsh and fish. Names of objects are asked of the platform.
import { Option, type Command } from 'commander';
import { EVENT_ACTIONS, EVENT_TYPES } from '@wocloud/protocol/inspection.ts';
import { GRANT_RIGHTS } from '@wocloud/protocol/views.ts';
import { connect } from './credentials.ts';
import { CliError } from './errors.ts';
import { TOPICS } from './help.ts';
import { findNoun, NOUNS } from './kinds.ts';
import { FORMATS } from './output.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Values that are known beforehand, by option or argument. */
const VALUES: Record<string, readonly string[]> = {
  '--output': FORMATS,
  '--verdict': ['allowed', 'dropped', 'rejected', 'observed'],
  '--staged': ['allowed', 'dropped', 'rejected', 'none'],
  '--protocol': ['tcp', 'udp', 'icmp', 'icmpv6'],
  '--type': EVENT_TYPES,
  '--action': EVENT_ACTIONS,
  '--by': ['group', 'vm'],
  '--state': ['open', 'acknowledged', 'resolved'],
  '--role': ['system-admin', 'security-admin', 'auditor', 'none'],
  '--tenant-role': ['owner', 'member'],
  kind: NOUNS.map((n) => n.plural),
  scope: ['vm', 'tenant', 'host'],
  shell: SHELLS,
  topic: Object.keys(TOPICS),
  rights: [...GRANT_RIGHTS, 'none'],
};
/** Values that are names of a kind. */
const NAMES: Record<string, string> = {
  '--vm': 'vms',
  '--from': 'vms',
  '--to': 'vms',
  '--tenant': 'tenants',
  '--host': 'hosts',
  '--gateway': 'gateways',
  '--who': 'users',
  vm: 'vms',
  user: 'users',
  source: 'vms',
  destination: 'vms',
};

/** What may stand at one place of the line: fixed words, or the names of a kind. */
interface Place {
  words: readonly string[];
  names?: string;
}

/** What may come after `words`, the last of which is being typed. */
export function candidates(program: Command, words: readonly string[]): Place {
  let at = program;
  const given: string[] = [];
  let pending: Option | undefined;
  for (const word of words.slice(0, -1)) {
    const option = at.options.find((o) => o.long === word || o.short === word);
    if (option) pending = option.required || option.optional ? option : undefined;
    else if (pending) pending = pending.variadic ? pending : undefined;
    else {
      const next = given.length === 0 ? at.commands.find((c) => c.name() === word) : undefined;
      if (next) at = next;
      else given.push(word);
    }
  }
  const last = words.at(-1) ?? '';
  if (last.startsWith('-')) return { words: at.options.flatMap((o) => (o.long ? [o.long] : [])) };
  if (pending) return place(pending.long ?? '');
  if (given.length === 0 && at.commands.length > 0)
    return { words: at.commands.filter((c) => !c.name().startsWith('_')).map((c) => c.name()) };
  const argument = at.registeredArguments[given.length] ?? at.registeredArguments.findLast((a) => a.variadic);
  if (!argument) return { words: [] };
  if (argument.name() === 'name' && given[0] !== undefined) return { words: [], names: given[0] };
  if (argument.name() === 'name' && at.parent?.name() === 'host') return { words: [], names: 'hosts' };
  if (argument.name() === 'name' && at.parent?.name() === 'user') return { words: [], names: 'users' };
  return place(argument.name());
}

const place = (key: string): Place => {
  const names = NAMES[key];
  return names ? { words: [], names } : { words: VALUES[key] ?? [] };
};

/** The names of what there is of a kind, as far as the platform answers. */
async function namesOf(kind: string): Promise<string[]> {
  try {
    const rows = await findNoun(kind).list(connect(), {});
    return rows.flatMap((row) => {
      const { name, id, metadata } = row as { name?: string; id?: unknown; metadata?: { name: string } };
      const found = metadata?.name ?? name ?? id;
      return typeof found === 'string' || typeof found === 'number' ? [String(found)] : [];
    });
  } catch {
    // A line that is being typed is no place for an error.
    return [];
  }
}

export function completion(shell: string): string {
  if (shell === 'bash') return BASH;
  if (shell === 'zsh') return ZSH;
  if (shell === 'fish') return FISH;
  throw new CliError(`${shell} is not a shell known here`, 'usage', `Shells: ${SHELLS.join(', ')}`);
}

const BASH = `_wocloud() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$cur"))
}
complete -o default -F _wocloud wocloud
`;
const ZSH = `#compdef wocloud
_wocloud() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _wocloud wocloud
`;
const FISH = `function __wocloud
  set -l line (commandline -opc) (commandline -ct)
  $line[1] __complete $line[2..-1] 2>/dev/null
end
complete -c wocloud -a '(__wocloud)'
`;

const HOW = `
bash   source <(wocloud completion bash)          in ~/.bashrc
zsh    source <(wocloud completion zsh)           in ~/.zshrc, after compinit
fish   wocloud completion fish | source           in ~/.config/fish/config.fish`;

export function addCompletionCommands(program: Command): void {
  program
    .command('completion <shell>')
    .description('print completion for bash, zsh or fish')
    .addHelpText('after', HOW)
    .action((shell: string) => void process.stdout.write(completion(shell)));
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(async (_: string[], __: object, command: Command) => {
      // As they stand in the line: an option of what is typed is none of this command's.
      const { words, names } = candidates(program, command.args);
      for (const word of names ? await namesOf(names) : words) console.log(word);
    });
}
