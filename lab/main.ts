/** The command `wocloud lab`: build the images, boot a scenario, look at it, run programs in it, end it. */
import { parseArgs } from 'node:util';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import { guestImage } from './image/build.ts';
import { attachLab, clean, defaultLabDir, startLab, type Lab } from './lab.ts';

const USAGE = `Usage: wocloud lab COMMAND [OPTIONS]

  build                build the guest image and the gateways', unless they are there
  up [SCENARIO]        boot a scenario (default: demo); a name or a YAML file
  status               hosts, sockets and VMs of the running lab; --json for programs
  exec VM -- COMMAND   run a program in a guest, through the lab's own channel
  enter [-- COMMAND]   run a program (default: a shell) inside the lab host
  down                 end the lab and remove everything of it

Options:
  --dir DIR            where the lab lives (default: ${defaultLabDir('SCENARIO')})
  --scenario NAME      which lab status, exec, enter and down are about (default: demo)
  --host NAME          which host enter is about (default: the first)
  --json               status as JSON`;

const EXIT_USAGE = 2;
const EXIT_NOT_RUNNING = 3;

class UsageError extends Error {}

async function main(argv: readonly string[]): Promise<number> {
  const split = argv.indexOf('--');
  const command = split < 0 ? [] : argv.slice(split + 1);
  const { values, positionals } = parseArgs({
    args: [...(split < 0 ? argv : argv.slice(0, split))],
    allowPositionals: true,
    options: {
      dir: { type: 'string' },
      scenario: { type: 'string', default: 'demo' },
      host: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const progress = (line: string): boolean => process.stderr.write(`${line}\n`);
  const dir = values.dir ?? defaultLabDir(values.scenario);
  const [verb, subject] = positionals;
  if (values.help || verb === undefined || verb === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return values.help || verb === 'help' ? 0 : EXIT_USAGE;
  }
  switch (verb) {
    case 'build':
      process.stdout.write(`${(await guestImage({ onProgress: progress })).dir}\n`);
      process.stdout.write(`${(await gatewayImage({ onProgress: progress })).dir}\n`);
      return 0;
    case 'up': {
      const scenario = subject ?? values.scenario;
      const lab = await startLab({
        scenario,
        ...(values.dir === undefined ? {} : { dir: values.dir }),
        detached: true,
        onProgress: progress,
      });
      process.stdout.write(table(lab));
      return 0;
    }
    case 'status': {
      const lab = await running(dir);
      if (lab === undefined) return notRunning(dir);
      process.stdout.write(values.json ? `${JSON.stringify(summary(lab), null, 2)}\n` : table(lab));
      return 0;
    }
    case 'exec': {
      if (subject === undefined || command.length === 0) throw new UsageError('exec needs: VM -- COMMAND');
      const lab = await running(dir);
      if (lab === undefined) return notRunning(dir);
      const { code, stdout, stderr } = await lab.vm(subject).exec(command, { timeout: 600_000 });
      process.stdout.write(stdout);
      process.stderr.write(stderr);
      return code < 0 ? 128 - code : code;
    }
    case 'enter': {
      const lab = await running(dir);
      if (lab === undefined) return notRunning(dir);
      const host = values.host === undefined ? lab.host : lab.hosts.get(values.host);
      if (host === undefined)
        throw new UsageError(`no host ${values.host}; there are ${[...lab.hosts.keys()].join(', ')}`);
      const { child } = host.spawn(command.length > 0 ? command : ['sh', '-i'], { stdio: 'inherit' });
      return new Promise((done, fail) => {
        child.once('error', fail);
        child.once('exit', (code) => done(code ?? 1));
      });
    }
    case 'down':
      await clean(dir);
      return 0;
    default:
      throw new UsageError(`no command ${verb}`);
  }
}

const running = (dir: string): Promise<Lab | undefined> => attachLab(dir);

function notRunning(dir: string): number {
  process.stderr.write(`no lab runs in ${dir}; start one with: wocloud lab up\n`);
  return EXIT_NOT_RUNNING;
}

function summary(lab: Lab): object {
  return {
    scenario: lab.scenario.name,
    dir: lab.dir,
    accelerator: lab.accelerator,
    hosts: [...lab.hosts.values()].map((host) => ({
      name: host.name,
      socket: host.socket,
      netns: host.netns,
      mountns: host.mountns,
      enter: host.enter([], '/'),
    })),
    vms: [...lab.vms.values()].map(({ name, uuid, tenant, labels, nics, host }) => ({
      name,
      uuid,
      tenant,
      labels,
      host: host.name,
      nics,
    })),
  };
}

function table(lab: Lab): string {
  const rows = [['VM', 'TENANT', 'HOST', 'ADDRESSES']];
  for (const vm of lab.vms.values()) {
    const addresses = vm.nics.map(
      (nic) =>
        `${nic.network}${nic.vlan === undefined ? '' : `.${nic.vlan}`}: ${[nic.ipv4 ?? 'dhcp', nic.ipv6].filter(Boolean).join(' ')}`,
    );
    rows.push([vm.name, vm.tenant ?? '-', vm.host.name, addresses.join(', ')]);
  }
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const hosts = [...lab.hosts.values()].map((host) => `host ${host.name}: libvirt ${host.socket}`);
  return `${[...hosts, ...lines].join('\n')}\n`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage =
    error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`wocloud lab: ${(error as Error).message}\n${usage ? `\n${USAGE}\n` : ''}`);
  process.exitCode = usage ? EXIT_USAGE : 1;
}
