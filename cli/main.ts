// The wocloud command: everything the console can do, for terminals and scripts.
import { Command, CommanderError } from 'commander';
import { addOperationCommands } from './commands/operations.ts';
import { addPublishingCommands } from './commands/publishing.ts';
import { addResourceCommands } from './commands/resources.ts';
import { addSessionCommands } from './commands/session.ts';
import { addTrafficCommands } from './commands/traffic.ts';
import { completion } from './completion.ts';
import { EXIT, explain } from './errors.ts';
import { paint } from './output.ts';

export function makeProgram(): Command {
  const program = new Command('wocloud')
    .description('Security for KVM clouds: see every flow between VMs, control it, and prove it')
    .version('0.1.0')
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(wocloud --help lists the commands)')
    .addHelpText(
      'after',
      `
On this machine: wocloud up [--lab] | down [--purge] | test | lab | bench | check | gen   (each with --help)

Exit codes: 0 yes or done, 1 no (differs, not allowed, not healthy), 2 wrong usage, 3 not signed in or not
permitted, 4 not found, 5 the platform does not answer, 6 refused (invalid, conflicting or stale), 70 a defect.
Environment: WOCLOUD_URL, WOCLOUD_TOKEN, NO_COLOR.`,
    );
  addOperationCommands(program);
  addTrafficCommands(program);
  addResourceCommands(program);
  addPublishingCommands(program);
  addSessionCommands(program);
  program
    .command('completion <shell>')
    .description('print completion for bash, zsh or fish')
    .action((shell: string) => void process.stdout.write(completion(program, shell)));
  return program;
}

if (import.meta.main) {
  // A reader that has seen enough (head, less) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    await makeProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    else {
      const { lines, exitCode } = explain(error);
      console.error(`${paint('wocloud:', 'red')} ${lines.join('\n')}`);
      process.exitCode = exitCode;
    }
  }
}
