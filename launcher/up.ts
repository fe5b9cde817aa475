// up: everything that runs on one machine, in order; each step says what it does and can be done again.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@wocloud/protocol/client.ts';
import { paths } from '@wocloud/protocol/paths.ts';
import { adminClient, ADMIN, passwordFile } from './admin.ts';
import { ensureConsole } from './console-build.ts';
import { startDemoLab, type DemoLab } from './demo.ts';
import { ensurePackages } from './packages.ts';
import { ensureService, ensureSupervisor } from './services.ts';
import { LauncherError, step } from './steps.ts';
import { until } from './wait.ts';

export interface UpOptions {
  lab?: boolean;
  yes?: boolean;
  port: string;
  linkPort: string;
  scenario: string;
  libvirt: string;
  bridgedFrames?: string;
}

const ROOT = join(import.meta.dirname, '..');
const log = (name: string) => join(paths().log, `${name}.log`);

export async function up(options: UpOptions): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new LauncherError('This needs root: it runs VMs and a firewall in the kernel', 'Run it with sudo.');
  const baseUrl = `http://127.0.0.1:${options.port}`;
  await ensurePackages(options.lab ? ['platform', 'engine', 'lab'] : ['platform', 'engine'], {
    yes: options.yes ?? false,
  });
  await ensureConsole();
  const { home, linkSocket } = paths();
  mkdirSync(home, { recursive: true });
  // The database runs as an account of its own, which has to pass through.
  chmodSync(home, 0o711);
  await ensureSupervisor();
  await step('Start the database', async () => {
    await ensureService({
      name: 'postgres',
      command: process.execPath,
      args: [join(ROOT, 'launcher/postgres.ts')],
      stopSeconds: 30,
    });
  });
  await step('Start the platform', async () => {
    await ensureService({
      name: 'platform',
      command: process.execPath,
      args: [
        join(ROOT, 'platform/main.ts'),
        '--home',
        home,
        '--http-port',
        options.port,
        '--link-port',
        options.linkPort,
        '--link-socket',
        linkSocket,
        '--first-admin',
        passwordFile(),
      ],
      stopSeconds: 20,
    });
    await until(
      async () => ((await fetch(`${baseUrl}/readyz`)).ok ? true : undefined),
      60,
      "The platform's start",
      `See ${log('platform')}`,
    );
  });
  const client = await adminClient(baseUrl);
  const lab = options.lab ? await startDemoLab(options.scenario) : undefined;
  await startEngine(client, lab, options);
  if (lab) await lab.applyPolicies(client);
  await step('Wait for every host to be as it should', () => settled(client));
  await farewell(client, baseUrl);
}

async function startEngine(client: Client, lab: DemoLab | undefined, options: UpOptions): Promise<void> {
  const { home, linkSocket } = paths();
  const name = lab ? 'engine-lab' : 'engine';
  const libvirt = lab?.libvirtSocket ?? options.libvirt;
  if (!lab && !existsSync(libvirt))
    throw new LauncherError(
      `There is no libvirt at ${libvirt}`,
      'Start libvirtd (systemctl start libvirtd), name its socket with --libvirt, or try the lab: ./wocloud up --lab',
    );
  await step(`Start the engine of ${lab?.hostName ?? hostname()}`, async () => {
    const state = join(home, name);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    writeFileSync(join(state, 'libvirt-socket'), libvirt);
    const tokenFile = join(state, 'join-token');
    if (!existsSync(join(state, 'host.crt'))) {
      const { token } = await client.call('joinTokens.create', { body: { expiresInMinutes: 10 } });
      rmSync(tokenFile, { force: true });
      writeFileSync(tokenFile, token, { mode: 0o600 });
    }
    const engine = [
      process.execPath,
      join(ROOT, 'engine/main.ts'),
      '--platform',
      `unix:${linkSocket}`,
      '--join-token-file',
      tokenFile,
      '--state',
      state,
      '--libvirt',
      libvirt,
      ...bridgedFrames(state, options.bridgedFrames),
    ];
    const [command = '', ...args] = lab ? lab.enter(engine) : engine;
    await ensureService({ name, command, args, stopSeconds: 15 });
    await until(
      async () =>
        (await client.call('hosts.list', { query: {} })).items.find(
          (h) => h.name === (lab?.hostName ?? hostname()) && h.state === 'connected',
        ),
      60,
      "The engine's connection to the platform",
      `See ${log(name)}`,
    );
  });
}

/** How the operator wants other people's firewalls dealt with: as said now or the last time, else as the engine's own
 * configuration says. */
function bridgedFrames(state: string, said: string | undefined): string[] {
  const file = join(state, 'bridged-frames');
  if (said !== undefined) writeFileSync(file, said, { mode: 0o600 });
  return existsSync(file) ? ['--bridged-frames', readFileSync(file, 'utf8').trim()] : [];
}

async function settled(client: Client): Promise<void> {
  await until(
    async () => {
      const { hosts } = await client.call('status.get');
      return hosts.total > 0 && hosts.connected === hosts.total && hosts.behind === 0 ? true : undefined;
    },
    60,
    'Every host reaching its generation',
    'See ./wocloud host check',
  );
}

async function farewell(client: Client, baseUrl: string): Promise<void> {
  const status = await client.call('status.get');
  console.log(`
${status.sentence.en}

  Console   ${baseUrl}
  Sign in   ${ADMIN}, password in ${passwordFile()}
  Terminal  ./wocloud login ${baseUrl} -u ${ADMIN} --password-file ${passwordFile()}
            ./wocloud status; ./wocloud get vms; ./wocloud flows -f
  Stop      ./wocloud down
`);
}
