// A host of its own for a test: this process's main thread moves into fresh network and mount namespaces, and guests
// are further namespaces wired to bridges. Everything disappears with the process.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { checked, sys } from '../../netlink/libc.ts';

const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWNET = 0x4000_0000;

/** Moves this thread, and all threads and programs it starts from now on. Needs root; once per process. */
export function enterHost(): void {
  checked('unshare', sys.unshare(CLONE_NEWNS | CLONE_NEWNET));
  run('mount --make-rprivate /');
  run('mount -t sysfs sysfs /sys');
  run('mkdir -p /run/netns');
  run('mount -t tmpfs tmpfs /run/netns');
  run('ip link set lo up');
}

/** Runs one program to its end; throws with its stderr when it fails. */
export function run(command: string, input = ''): string {
  const [program = '', ...args] = command.split(' ');
  return execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

export function nft(rules: string): void {
  run('nft -f -', rules);
}

/** Sets a value under /proc/sys of this namespace, by dotted name. */
export function sysctl(name: string, value: number): void {
  writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, String(value));
}

export function bridge(name: string, ...addresses: string[]): void {
  run(`ip link add ${name} type bridge`);
  run(`ip link set ${name} up`);
  for (const address of addresses) run(`ip addr add ${address} dev ${name}${noDad(address)}`);
}

const noDad = (address: string) => (address.includes(':') ? ' nodad' : '');

export interface GuestOptions {
  bridge: string;
  mac: string;
  addresses: string[];
}

/** A namespace with one interface, whose other end is a port named `tap` of the bridge. */
export class Guest {
  readonly name: string;
  readonly tap: string;

  constructor(name: string, options: GuestOptions) {
    this.name = name;
    this.tap = `tap-${name}`;
    run(`ip netns add ${name}`);
    run(`ip link add ${this.tap} type veth peer name eth0 address ${options.mac} netns ${name}`);
    run(`ip link set ${this.tap} master ${options.bridge}`);
    run(`ip link set ${this.tap} up`);
    this.run('ip link set lo up');
    this.run('ip link set eth0 up');
    for (const address of options.addresses) this.run(`ip addr add ${address} dev eth0${noDad(address)}`);
  }

  run(command: string, input = ''): string {
    return run(`ip netns exec ${this.name} ${command}`, input);
  }

  /** Runs JavaScript (a module's body) in this guest; resolves to what it printed. */
  async script(code: string): Promise<string> {
    const { stdout } = await promisify(execFile)(
      'ip',
      ['netns', 'exec', this.name, process.execPath, '--input-type=module', '-e', code],
      { timeout: 30_000 },
    );
    return stdout.trim();
  }

  /** Starts JavaScript in this guest and waits for its first line of output. */
  async serve(code: string): Promise<ChildProcess> {
    const child = spawn(
      'ip',
      ['netns', 'exec', this.name, process.execPath, '--input-type=module', '-e', code],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (status) => reject(new Error(`${this.name}: server exited (${status})`)));
      child.stdout.once('data', () => resolve());
    });
    return child;
  }
}

/** Polls until the condition gives something, or throws after `ms`. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false,
  ms = 10_000,
): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const got = condition();
    if (got !== undefined && got !== false) return got;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
