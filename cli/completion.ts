// Shell completion made from the commands themselves: bash, zsh and fish.
import type { Command } from 'commander';
import { CliError } from './errors.ts';
import { NOUNS } from './kinds.ts';

interface Word {
  name: string;
  description: string;
  options: string[];
  subcommands: string[];
}

export function completion(program: Command, shell: string): string {
  const words: Word[] = program.commands.map((c) => ({
    name: c.name(),
    description: c.description().replace(/['"`$\\:[\]]/g, ''),
    options: c.options.flatMap((o) => [o.short, o.long]).filter((o): o is string => Boolean(o)),
    subcommands: ['get', 'describe', 'delete'].includes(c.name())
      ? NOUNS.map((n) => n.plural)
      : c.commands.map((s) => s.name()),
  }));
  if (shell === 'bash') return bash(words);
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
  if (shell === 'fish') return fish(words);
  throw new CliError(`${shell} is not a shell known here`, 'usage', 'Shells: bash, zsh, fish');
}

const bash = (words: Word[]) => `_wocloud() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" list=""
  if [ "$COMP_CWORD" -eq 1 ]; then list="${words.map((w) => w.name).join(' ')}"
  else case "\${COMP_WORDS[1]}" in
${words.map((w) => `    ${w.name}) list="${[...w.subcommands, ...w.options].join(' ')}" ;;`).join('\n')}
  esac; fi
  COMPREPLY=($(compgen -W "$list" -- "$cur"))
}
complete -o default -F _wocloud wocloud
`;

const fish = (words: Word[]) =>
  `complete -c wocloud -f\n${words
    .flatMap((w) => [
      `complete -c wocloud -n __fish_use_subcommand -a ${w.name} -d '${w.description}'`,
      ...w.subcommands.map((s) => `complete -c wocloud -n '__fish_seen_subcommand_from ${w.name}' -a ${s}`),
      ...w.options
        .filter((o) => o.startsWith('--'))
        .map((o) => `complete -c wocloud -n '__fish_seen_subcommand_from ${w.name}' -l ${o.slice(2)}`),
    ])
    .join('\n')}\n`;
