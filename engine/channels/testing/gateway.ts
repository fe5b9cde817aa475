// A gateway for tests: the daemon as the program it is, with the real Suricata on a wire between two guests, and two
// more guests whose frames it gets as copies. To be used in a host of the test's own (flows/testing/namespace.ts).
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bridge, Guest, nft, run } from '../../flows/testing/namespace.ts';
import { running, withCommand } from '@wocloud/gateway/process-table.ts';
import { imageSuricata } from '@wocloud/gateway/testing/suricata.ts';

const DAEMON = new URL('../../../gateway/main.ts', import.meta.url).pathname;

export const MACS = {
  left: '52:54:00:00:00:0a',
  right: '52:54:00:00:00:0b',
  seen: '52:54:00:00:00:0c',
  other: '52:54:00:00:00:0d',
};

export class TestGateway {
  readonly dir = mkdtempSync(join(tmpdir(), 'wogw-'));
  readonly left: Guest;
  readonly right: Guest;
  /** Between these two everything is copied to the gateway. */
  readonly seen: Guest;
  readonly other: Guest;
  readonly #servers: ChildProcess[] = [];
  #daemon: ChildProcess | undefined;
  #written = '';
  readonly #suricata: string;

  /** @param image folder of a gateway image, for its Suricata */
  constructor(image: string) {
    this.#suricata = imageSuricata(image, this.dir);
    for (const [name, device] of [
      ['br-left', 'in0'],
      ['br-right', 'in1'],
    ] as const) {
      bridge(name);
      port(device, `${name}-w`);
      run(`ip link set ${name}-w master ${name}`);
    }
    port('mir0', 'feed');
    port('mir1', 'nowhere');
    bridge('br-seen');
    this.left = guest('left', 'br-left', MACS.left, '10.0.0.1', 'fd00::1');
    this.right = guest('right', 'br-right', MACS.right, '10.0.0.2', 'fd00::2');
    this.seen = guest('seen', 'br-seen', MACS.seen, '10.0.0.3', 'fd00::3');
    this.other = guest('other', 'br-seen', MACS.other, '10.0.0.4', 'fd00::4');
    nft(`table netdev copies {
      chain from { type filter hook ingress device "tap-seen" priority 0; ether type { ip, ip6 } dup to "feed"; }
      chain to { type filter hook egress device "tap-seen" priority 0; ether type { ip, ip6 } dup to "feed"; }
    }`);
  }

  get channel(): string {
    return join(this.dir, 'channel.sock');
  }
  get log(): string {
    return this.#written;
  }
  /** Process ids of the Suricatas that are the wire. */
  get suricatas(): number[] {
    const args = ['-c', join(this.dir, 'suricata.yaml'), '--af-packet'];
    return withCommand('suricata', args).map((p) => p.pid);
  }

  start(): void {
    const daemon = spawn(process.execPath, [DAEMON], {
      env: {
        ...process.env,
        WOCLOUD_GATEWAY_CHANNEL: this.channel,
        WOCLOUD_GATEWAY_RUN: this.dir,
        WOCLOUD_GATEWAY_IMAGE: '0123456789abcdef',
        WOCLOUD_GATEWAY_MEMORY_MIB: '512',
        WOCLOUD_GATEWAY_CPUS: '1',
        WOCLOUD_GATEWAY_SURICATA: this.#suricata,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    daemon.stderr.on('data', (part: Buffer) => (this.#written += part.toString()));
    this.#daemon = daemon;
  }

  /** Runs JavaScript in a guest until the end of the test; resolves with its first output. */
  async serve(guest: Guest, code: string): Promise<ChildProcess> {
    const server = await guest.serve(code);
    this.#servers.push(server);
    return server;
  }

  /** Ends the daemon alone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    daemon.kill(signal);
    await once(daemon, 'exit');
  }

  /** Stops the daemon alone where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#daemon?.kill(signal);
  }

  /** What Suricata has printed. */
  suricataLog(): string {
    return readFileSync(join(this.dir, 'suricata.log'), 'utf8');
  }

  async stop(): Promise<void> {
    await this.kill();
    for (const server of this.#servers) server.kill('SIGKILL');
    for (const pid of this.suricatas) if (running(pid)) process.kill(pid, 'SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A device of the gateway and the other end of its cable, with nothing left to the hardware. */
function port(device: string, far: string): void {
  run(`ip link add ${device} type veth peer name ${far}`);
  for (const name of [device, far]) {
    run(`ip link set ${name} arp off multicast off up`);
    run(`ethtool -K ${name} tso off gso off tx off rx off gro off`);
  }
}

function guest(name: string, on: string, mac: string, ...addresses: [ip4: string, ip6: string]): Guest {
  const [ip4, ip6] = addresses;
  const made = new Guest(name, { bridge: on, mac, addresses: [`${ip4}/24`, `${ip6}/64`] });
  made.run('ethtool -K eth0 tso off gso off tx off rx off gro off');
  return made;
}
