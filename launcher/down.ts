// down: takes away everything `up` brought, in the opposite order; what others put on the machine stays.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { liveFlowsFile, paths } from '@wocloud/protocol/paths.ts';
import { clean, defaultLabDir } from '@wocloud/lab/lab.ts';
import { listServices, stopService, stopSupervisor } from './services.ts';
import { LauncherError, step } from './steps.ts';

const ENGINE = join(import.meta.dirname, '..', 'engine', 'main.ts');

export async function down(options: { purge?: boolean }): Promise<void> {
  if (process.getuid?.() !== 0) throw new LauncherError('This needs root, as up did', 'Run it with sudo.');
  const { home, run, log } = paths();
  const services = (await listServices()) ?? [];
  if (services.some((s) => s.name === 'engine') || existsSync(join(home, 'engine')))
    await step('Take the firewall out of the kernel', async () => {
      if (services.some((s) => s.name === 'engine')) await stopService('engine');
      await program(process.execPath, [ENGINE, '--remove', ...whereItWorked(join(home, 'engine'))]);
    });
  if (services.some((s) => s.name === 'engine-lab'))
    await step('Stop the engine of the lab', () => stopService('engine-lab'));
  // The lab's engine leaves its kernel with the lab; this one file it shares with the machine.
  rmSync(liveFlowsFile(join(home, 'engine-lab')), { force: true });
  await stopLabs(home);
  if (services.length > 0) await step('Stop the platform and the database', stopSupervisor);
  else await stopSupervisor();
  rmSync(run, { recursive: true, force: true });
  if (options.purge)
    await step('Delete all data', async () => {
      for (const dir of [home, log]) rmSync(dir, { recursive: true, force: true });
    });
  console.error(
    options.purge
      ? 'Nothing of Wocloud is left but this folder.'
      : `Stopped. Data is kept in ${home}; ./wocloud down --purge deletes it.`,
  );
}

/** The engine's state, and the libvirt that `up` gave it. */
function whereItWorked(state: string): string[] {
  const file = join(state, 'libvirt-socket');
  const libvirt = existsSync(file) ? ['--libvirt', readFileSync(file, 'utf8')] : [];
  return ['--state', state, ...libvirt];
}

/** Ends every lab below `home`, also one that a crash left behind. */
async function stopLabs(home: string): Promise<void> {
  const labs = existsSync(join(home, 'lab'))
    ? readdirSync(join(home, 'lab')).filter((name) => name !== 'images')
    : [];
  for (const scenario of labs) await step(`Stop the lab (${scenario})`, () => clean(defaultLabDir(scenario)));
}

function program(command: string, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(
            new LauncherError(
              `The engine could not clean up:\n${output.slice(-2000)}`,
              'Look with: nft list tables',
            ),
          ),
    );
  });
}
