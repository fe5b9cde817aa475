// The launcher: ./wocloud up, down, test, lab, gateway, bench, check, gen.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { LauncherError } from './steps.ts';

const ROOT = join(import.meta.dirname, '..');

/** Hands over to another program of the tree and ends with its exit code. */
function handOver(file: string, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, file), ...args], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void child.kill(signal));
    child.on('error', reject);
    child.on('close', (code) => {
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}

const program = new Command('wocloud')
  .description('Wocloud on this machine')
  .exitOverride()
  .showSuggestionAfterError();

program
  .command('up')
  .description(
    'install what is missing and start everything; protects the VMs of this host, or a lab of its own',
  )
  .option('--lab', 'boot the lab: real VMs of two tenants and an attacker, on a host of their own')
  .option('--scenario <name>', 'which lab', 'demo')
  .option('--port <port>', 'of console and API, on 127.0.0.1', '8080')
  .option('--link-port <port>', 'where engines of other hosts connect, on 127.0.0.1; 0 picks one', '8444')
  .option('--libvirt <socket>', 'libvirt of this host', '/run/libvirt/libvirt-sock')
  .addOption(
    new Option(
      '--bridged-frames <mode>',
      "where another firewall would drop what enforcing shows it: accept puts rules for traffic within the VMs' bridges before its own; observe (at first) leaves those VMs observed; remembered",
    ).choices(['observe', 'accept']),
  )
  .option('-y, --yes', 'install without asking')
  .action(async (options) => (await import('./up.ts')).up(options));
program
  .command('down')
  .description('stop everything and leave no process, tap, bridge, namespace or nft table of ours')
  .option('--purge', 'also delete all data')
  .action(async (options) => (await import('./down.ts')).down(options));
program
  .command('test [paths...]')
  .description('run the tests (all, or those of folders or files)')
  .option('-y, --yes', 'install without asking')
  .action(async (paths, options) => (await import('./suite.ts')).test(paths, options));
program
  .command('check')
  .description('types, lint, format')
  .option('--full', 'also the long fuzz runs')
  .option('-y, --yes', 'install without asking')
  .action(async (options) => (await import('./suite.ts')).check(options));
program
  .command('bench [names...]')
  .description('measure, as ratios against peers in the same run; writes docs/benchmarks.md')
  .option('-y, --yes', 'install without asking')
  .action(async (names: string[], options: { yes?: boolean }) => {
    const { ensurePackages } = await import('./packages.ts');
    await ensurePackages(['platform', 'engine', 'lab', 'test', 'bench'], { yes: options.yes ?? false });
    await handOver('bench/main.ts', names);
  });
const gateway = program
  .command('gateway')
  .description("the images of this host's security gateways: build, list, remove");
gateway
  .command('build')
  .description('build the image of this tree, unless it is there')
  .option('-y, --yes', 'install without asking')
  .action(async (options) => (await import('./gateway.ts')).build(options));
gateway
  .command('list')
  .description('the images on this host, the newest first')
  .option('--json', 'for programs')
  .action(async (options) => (await import('./gateway.ts')).list(options));
gateway
  .command('remove <versions...>')
  .description('remove images that no gateway runs from')
  .action(async (versions) => (await import('./gateway.ts')).remove(versions));
program
  .command('gen')
  .description('write the generated documents again: docs/openapi.json')
  .action(() => handOver('platform/http/generate.ts', []));
program
  .command('lab')
  .description('the lab by itself: build, up, status, exec, down')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[args...]')
  .action((args: string[]) => handOver('lab/main.ts', args));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof LauncherError) {
    console.error(`wocloud: ${error.message}\n  ${error.action}`);
    process.exitCode = error.exitCode;
  } else {
    console.error(error);
    process.exitCode = 70;
  }
}
