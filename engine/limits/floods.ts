// Floods of connection attempts → alerts that name the VM, where it went, and how many were refused. The kernel's log
// says that there is one; how many, the kernel counts itself, per tap, destination and port.
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Directory, LocalNic } from '../directory.ts';
import { readEvidence } from '../flows/evidence.ts';
import { ipText } from '../flows/packet.ts';
import type { NicFinder } from '../flows/ports.ts';
import type { Forgery } from '../flows/reading.ts';
import { NetlinkExchange } from '../netlink/exchange.ts';
import { NetlinkError } from '../netlink/libc.ts';
import { eachElement, setDumpRequest } from '../netlink/set-message.ts';
import { NETLINK_NETFILTER } from '../netlink/socket.ts';

/** While a flood goes on it is counted so often. */
const EVERY_MS = 1_000;
const NETDEV = 5;
const TABLE = 'wocloud';
/** An interface's name, as a key has it. */
const NAME = 16;

export interface RefusedPair {
  tap: string;
  destination: string;
  port: number;
  /** Attempts refused since it is refused. */
  packets: number;
}

/** Reads what taps are refused now. */
export type ReadRefused = () => Promise<RefusedPair[]>;

export class Floods {
  readonly counters = { 'floods.refused': 0, 'floods.failures': 0 };
  readonly #directory: Directory;
  readonly #finder: NicFinder;
  readonly #alert: (alert: EngineAlert) => void;
  readonly #read: ReadRefused;
  /** Logged since the last look, by NIC. */
  #logged = new Map<string, { nic: LocalNic; forgery: Forgery }>();
  #known = new Map<string, number>();
  #lookedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    directory: Directory,
    finder: NicFinder,
    alert: (alert: EngineAlert) => void,
    read: ReadRefused = readRefused,
  ) {
    this.#directory = directory;
    this.#finder = finder;
    this.#alert = alert;
    this.#read = read;
  }

  /** An attempt that was refused. */
  take(forgery: Forgery): void {
    const nic = this.#finder.byPort(forgery.inIndex);
    if (!nic) return;
    if (!this.#logged.has(nic.id)) this.#logged.set(nic.id, { nic, forgery });
    this.#schedule(this.#lookedAt + EVERY_MS - performance.now());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(inMs: number): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => void this.#look(), Math.max(0, inMs)).unref();
  }

  async #look(): Promise<void> {
    const since = performance.now() - this.#lookedAt;
    this.#lookedAt = performance.now();
    const logged = this.#logged;
    this.#logged = new Map();
    let pairs: RefusedPair[] = [];
    try {
      pairs = await this.#read();
    } catch {
      // Told without numbers.
      this.counters['floods.failures']++;
    }
    this.#timer = undefined;
    if (this.#closed) return;
    const fresh = this.#count(pairs);
    for (const [tap, list] of fresh) {
      const nic = this.#directory.byTap(tap);
      if (nic) logged.delete(nic.id);
      this.#alert(describe(nic, tap, list, since));
    }
    // No place was left to count them by pair.
    for (const { nic, forgery } of logged.values()) this.#alert(describeCrowd(nic, forgery));
    if (fresh.size > 0) this.#schedule(EVERY_MS);
  }

  /** What is new since the last look, by tap, the most refused first. */
  #count(pairs: readonly RefusedPair[]): Map<string, RefusedPair[]> {
    const known = new Map<string, number>();
    const fresh = new Map<string, RefusedPair[]>();
    for (const pair of pairs) {
      const key = `${pair.tap} ${pair.destination} ${pair.port}`;
      const before = this.#known.get(key) ?? 0;
      known.set(key, pair.packets);
      // Fewer than before: it was forgotten meanwhile, and is refused again.
      const packets = pair.packets < before ? pair.packets : pair.packets - before;
      if (packets === 0) continue;
      this.counters['floods.refused'] += packets;
      fresh.set(pair.tap, [...(fresh.get(pair.tap) ?? []), { ...pair, packets }]);
    }
    this.#known = known;
    for (const list of fresh.values()) list.sort((a, b) => b.packets - a.packets);
    return fresh;
  }
}

function describe(
  nic: LocalNic | undefined,
  tap: string,
  pairs: readonly RefusedPair[],
  since: number,
): EngineAlert {
  const [worst] = pairs as [RefusedPair];
  const count = pairs.reduce((sum, { packets }) => sum + packets, 0);
  // The first look at a flood does not know how long it has been going on.
  const perSecond = since < 2 * EVERY_MS ? Math.round((count * 1000) / since) : undefined;
  const others = pairs.length === 1 ? '' : `, and ${pairs.length - 1} more`;
  return alertOf(nic, tap, count, {
    title: `floods ${worst.destination} port ${worst.port}${others} with attempts to connect${perSecond === undefined ? '' : ` (${perSecond} a second too many)`}; they are refused`,
    evidence: {
      destination: worst.destination,
      destinationPort: worst.port,
      refused: count,
      destinations: pairs.length,
      ...(perSecond === undefined ? {} : { refusedPerSecond: perSecond }),
    },
  });
}

const describeCrowd = (nic: LocalNic, forgery: Forgery): EngineAlert =>
  alertOf(nic, nic.tap ?? '', forgery.packets, {
    title: 'floods more destinations with attempts to connect than can be counted; they are refused',
    evidence: readEvidence(forgery),
  });

const alertOf = (
  nic: LocalNic | undefined,
  tap: string,
  count: number,
  { title, evidence }: Pick<EngineAlert, 'title' | 'evidence'>,
): EngineAlert => ({
  kind: 'syn.flood',
  key: nic?.id ?? tap,
  severity: 'high',
  title: `${nic ? `VM ${nic.name}` : `The guest behind ${tap}`} ${title}`.slice(0, 300),
  vm: nic?.vm ?? null,
  time: Date.now() * 1000,
  count,
  evidence: { ...evidence, tap, ...(nic ? { nic: nic.id } : {}) },
});

/** From the kernel. Throws NetlinkError. */
export async function readRefused(): Promise<RefusedPair[]> {
  const exchange = new NetlinkExchange(NETLINK_NETFILTER);
  const found: RefusedPair[] = [];
  try {
    for (const family of [4, 6] as const)
      await exchange.dump(
        (sequence) => setDumpRequest(sequence, NETDEV, TABLE, `syn-refused${family}`),
        (view, { start, end }) =>
          eachElement(view, start, end, ({ key, keyEnd, packets }) => {
            const bytes = new Uint8Array(view.buffer, view.byteOffset + key, keyEnd - key);
            const address = NAME + (family === 4 ? 4 : 16);
            if (bytes.length < address + 2) return;
            found.push({
              tap: Buffer.from(bytes.subarray(0, NAME)).toString('latin1').replace(/\0.*$/s, ''),
              destination: ipText(bytes, NAME, family),
              port: view.getUint16(key + address),
              packets,
            });
          }),
      );
  } catch (error) {
    // Nothing is enforced any more.
    if (!(error instanceof NetlinkError && error.errno === 'ENOENT')) throw error;
  } finally {
    exchange.close();
  }
  return found;
}
