// The wocloud command: everything the console can do, for terminals and scripts.
import { Command, CommanderError } from 'commander';
import { addAccessCommands } from './commands/access.ts';
import { addHostCommands } from './commands/hosts.ts';
import { addInspectionCommands } from './commands/inspection.ts';
import { addOperationCommands } from './commands/operations.ts';
import { addPublishingCommands } from './commands/publishing.ts';
import { addResourceCommands } from './commands/resources.ts';
import { addRuleCommands } from './commands/rules.ts';
import { addSessionCommands } from './commands/session.ts';
import { addTopologyCommands } from './commands/topology.ts';
import { addTrafficCommands } from './commands/traffic.ts';
import { addVmCommands } from './commands/vms.ts';
import { addCompletionCommands } from './completion.ts';
import { EXIT, explain } from './errors.ts';
import { addHelpCommand } from './help.ts';
import { kindNamed } from './kinds.ts';
import { paint } from './output.ts';

export function makeProgram(): Command {
  const program = new Command('wocloud')
    .description('Security for KVM clouds: see every flow between VMs, control it, and prove it')
    .version('0.1.0')
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(wocloud --help lists the commands)')
    .configureOutput({ outputError: (text, write) => write(text + nounHint(text)) });
  program.commandsGroup('Look:');
  addOperationCommands(program);
  addTrafficCommands(program);
  addTopologyCommands(program);
  addInspectionCommands(program);
  program.commandsGroup('Documents:');
  addResourceCommands(program);
  addRuleCommands(program);
  addPublishingCommands(program);
  program.commandsGroup('VMs, hosts, people:');
  addVmCommands(program);
  addHostCommands(program);
  addAccessCommands(program);
  addSessionCommands(program);
  program.commandsGroup('This command:');
  addCompletionCommands(program);
  addHelpCommand(program);
  return program;
}

/** `wocloud vms` is what people try first: a kind is listed with get. */
function nounHint(text: string): string {
  const kind = kindNamed(/unknown command '([^']+)'/.exec(text)?.[1] ?? '');
  return kind ? `(List them: wocloud get ${kind})\n` : '';
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
