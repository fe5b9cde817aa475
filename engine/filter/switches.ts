// Switches of the kernel outside nftables that we need: which bridges show their frames to IP's rules, and what
// connection tracking counts. What a switch was before is kept, so that it can be put back.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { readStateFile, writeStateFile } from '../state-file.ts';

const run = promisify(execFile);
const BRIDGE_SYSCTL = '/proc/sys/net/bridge';
const GLOBAL = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables', 'bridge-nf-call-arptables'] as const;
/** Of one bridge: shows its IPv4 and IPv6 frames. ARP is guarded at the taps. */
const PER_BRIDGE = ['nf_call_iptables', 'nf_call_ip6tables'] as const;

/** Path → what it was before us, and what we made it. */
type Changed = Record<string, { before: string; ours: string }>;

export class Switches {
  readonly #path: string;
  #changed: Changed;

  constructor(path: string) {
    this.#path = path;
    this.#changed = readChanged(path);
  }

  /**
   * Makes bridge netfilter available without switching it on anywhere: loading the module switches it on for every
   * bridge of the host, so that is taken back at once.
   */
  async loadBridgeFilter(): Promise<void> {
    if (existsSync(BRIDGE_SYSCTL)) return;
    await run('modprobe', ['br_netfilter']);
    for (const name of GLOBAL) await writeFile(`${BRIDGE_SYSCTL}/${name}`, '0');
  }

  /** True when this bridge's frames are shown to IP's rules, by its own switch or the host's. */
  async isOn(bridge: string): Promise<boolean> {
    const values = await Promise.all([
      read(`${BRIDGE_SYSCTL}/bridge-nf-call-iptables`),
      read(`/sys/class/net/${bridge}/bridge/nf_call_iptables`),
    ]);
    return values.includes('1');
  }

  /** True when this bridge is on by our hand. */
  hasSwitched(bridge: string): boolean {
    return this.#changed[`/sys/class/net/${bridge}/bridge/nf_call_iptables`] !== undefined;
  }

  /**
   * Switches exactly these bridges on, and those of before that are not among them back. Answers which switches
   * someone had turned against us since.
   */
  async setBridges(bridges: ReadonlySet<string>, vlans: boolean): Promise<string[]> {
    const turned: string[] = [];
    const set = async (path: string) => {
      if (await this.#set(path, '1')) turned.push(path);
    };
    for (const bridge of bridges)
      for (const name of PER_BRIDGE) await set(`/sys/class/net/${bridge}/bridge/${name}`);
    // Frames with a VLAN tag are shown only with this one, which is for the whole host.
    const tagged = `${BRIDGE_SYSCTL}/bridge-nf-filter-vlan-tagged`;
    if (vlans) await set(tagged);
    else await this.#restore(tagged);
    for (const path of Object.keys(this.#changed)) {
      const bridge = /^\/sys\/class\/net\/([^/]+)\/bridge\/nf_call_/.exec(path)?.[1];
      if (bridge !== undefined && !bridges.has(bridge)) await this.#restore(path);
    }
    return turned;
  }

  /** Connection tracking counts bytes, notes times and tells of events. Costs little and changes no packet. */
  async accounting(): Promise<void> {
    for (const name of ['nf_conntrack_acct', 'nf_conntrack_timestamp', 'nf_conntrack_events'])
      await this.#set(`/proc/sys/net/netfilter/${name}`, '1');
  }

  /** Puts everything back to what it was, but for what someone else has changed since. */
  async restoreAll(): Promise<void> {
    for (const path of Object.keys(this.#changed)) await this.#restore(path);
  }

  /** Paths and values that we have changed. */
  get changed(): Readonly<Changed> {
    return this.#changed;
  }

  /** True when we had set it before and find it otherwise. */
  async #set(path: string, value: string): Promise<boolean> {
    const now = await read(path);
    if (now === undefined || now === value) return false;
    const again = this.#changed[path] !== undefined;
    // Kept before it is done: a crash in between restores a value that was never changed.
    if (!again) {
      this.#changed[path] = { before: now, ours: value };
      this.#keep();
    }
    await writeFile(path, value);
    return again;
  }

  async #restore(path: string): Promise<void> {
    const change = this.#changed[path];
    if (!change) return;
    if ((await read(path)) === change.ours) await writeFile(path, change.before).catch(() => {});
    delete this.#changed[path];
    this.#keep();
  }

  #keep(): void {
    writeStateFile(this.#path, JSON.stringify(this.#changed));
  }
}

/** Trimmed content; undefined when there is no such switch (a bridge that is gone, a kernel without it). */
const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

function readChanged(path: string): Changed {
  try {
    return (JSON.parse(readStateFile(path) ?? '{}') ?? {}) as Changed;
  } catch {
    return {};
  }
}
