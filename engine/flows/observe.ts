// Keeps the observation table as the bridges are: which ports, which VLANs, which numbers. Touches no packet and
// nothing that is not in this table.
import type { Directory, LocalNic } from '../directory.ts';
import { Nft } from '../filter/nft.ts';
import { readBridges } from '../inventory/bridges.ts';
import { interfaceIndex } from '../netlink/libc.ts';
import {
  baseRules,
  networkChain,
  networkRules,
  OBSERVE_TABLE,
  removeAll,
  removeNetwork,
} from './observe-rules.ts';

/** An L2 segment we observe. */
interface Segment {
  number: number;
  bridge: string;
  vlan: number | null;
}

const segmentKey = (bridge: string, vlan: number | null) => `${bridge}/${vlan ?? ''}`;
const MAX_NUMBER = 65_535;

/** Element of a verdict map, in words: `5 : goto n1`. */
type Elements = ReadonlyMap<string, string>;

export interface ObserveOptions {
  directory: Directory;
  bridges(): readonly string[];
  /** These networks' sets stand in the kernel now. */
  networks(numbers: number[]): void;
  log: { warn(fields: object, message: string): void };
}

export class Observation {
  readonly counters = { 'observe.networks': 0, 'observe.failures': 0 };
  readonly #o: ObserveOptions;
  readonly #undo: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #segments = new Map<string, Segment>();
  readonly #byNumber = new Map<number, Segment>();
  #nft: Nft | undefined;
  #hasBase = false;
  #ports: Elements = new Map();
  #tagged: Elements = new Map();
  #lastNumber = 0;
  #warned = '';
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: ObserveOptions) {
    this.#o = options;
    this.#undo = options.directory.onChange(() => void this.reconcile());
    // Ports that are no NIC of ours come and go without the directory's notice.
    this.#timer = setInterval(() => void this.reconcile(), 2000);
    this.#timer.unref();
  }

  /** The segment of a number the reading thread tells; of the past too, for ends that come late. */
  segment(number: number): { bridge: string; vlan: number | null } | undefined {
    return this.#byNumber.get(number);
  }

  /** True where this bridge's traffic is told by observation. */
  observes(bridge: string | null): boolean {
    return bridge !== null && this.#hasBase && [...this.#segments.values()].some((s) => s.bridge === bridge);
  }

  /** Makes the table fit the bridges; resolves when it does. Failures are logged once and tried again. */
  async reconcile(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#run();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      if (this.#closed) return;
      try {
        await this.#fit();
        this.#warned = '';
      } catch (error) {
        this.counters['observe.failures']++;
        const { message } = error as Error;
        if (message !== this.#warned) this.#o.log.warn({ error: message }, 'bridges are not observed');
        this.#warned = message;
        // What stands in the kernel now is unknown: begin anew.
        this.#hasBase = false;
      }
    } while (this.#again);
  }

  async #fit(): Promise<void> {
    const wanted = new Set(this.#o.bridges());
    if (wanted.size === 0 && !this.#hasBase) return;
    this.#nft ??= new Nft();
    const { segments, ports, tagged } = await readSegments(wanted, this.#o.directory.nics());
    let text = '';
    if (!this.#hasBase) {
      text += baseRules();
      this.#segments.clear();
      this.#ports = this.#tagged = new Map();
    }
    const gone = [...this.#segments].filter(([key]) => !segments.has(key));
    for (const [key, { bridge, vlan }] of segments) {
      if (this.#segments.has(key)) continue;
      const number = this.#freeNumber();
      const segment = { number, bridge, vlan };
      text += networkRules(number);
      this.#segments.set(key, segment);
      this.#byNumber.set(number, segment);
    }
    const portElements = this.#elements(ports);
    const taggedElements = this.#elements(tagged);
    text += changes('ports', this.#ports, portElements) + changes('tagged', this.#tagged, taggedElements);
    for (const [key, { number }] of gone) {
      text += removeNetwork(number);
      this.#segments.delete(key);
    }
    if (text === '') return;
    await this.#nft.apply(text);
    this.#hasBase = true;
    this.#ports = portElements;
    this.#tagged = taggedElements;
    this.counters['observe.networks'] = this.#segments.size;
    this.tellNetworks();
  }

  #elements(of: ReadonlyMap<string, string>): Elements {
    return new Map(
      [...of].map(([key, segment]) => [
        key,
        `goto ${networkChain(this.#segments.get(segment)?.number ?? 0)}`,
      ]),
    );
  }

  #freeNumber(): number {
    const used = new Set([...this.#segments.values()].map((s) => s.number));
    do this.#lastNumber = (this.#lastNumber % MAX_NUMBER) + 1;
    while (used.has(this.#lastNumber));
    return this.#lastNumber;
  }

  /** Says which networks' sets stand in the kernel: on each change, and to a reading thread that has begun anew. */
  tellNetworks(): void {
    this.#o.networks(this.#hasBase ? [...this.#segments.values()].map((s) => s.number) : []);
  }

  /** Takes the table away. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#undo();
    await this.#running;
    if (!this.#nft) return;
    try {
      await this.#nft.apply(removeAll);
    } catch (error) {
      this.#o.log.warn({ error: (error as Error).message }, `table bridge ${OBSERVE_TABLE} is left behind`);
    }
    await this.#nft.close();
  }
}

/** The commands that turn one map's elements into another's. */
function changes(map: string, from: Elements, to: Elements): string {
  const gone = [...from].filter(([key, verdict]) => to.get(key) !== verdict);
  const fresh = [...to].filter(([key, verdict]) => from.get(key) !== verdict);
  const list = (entries: [string, string][]) =>
    entries.map(([key, verdict]) => `${key} : ${verdict}`).join(', ');
  return (
    (gone.length > 0 ? `delete element bridge ${OBSERVE_TABLE} ${map} { ${list(gone)} }\n` : '') +
    (fresh.length > 0 ? `add element bridge ${OBSERVE_TABLE} ${map} { ${list(fresh)} }\n` : '')
  );
}

/** The segments of the wanted bridges; what each port's untagged frames belong to, and each port's tagged ones. */
async function readSegments(
  wanted: ReadonlySet<string>,
  nics: readonly LocalNic[],
): Promise<{
  segments: Map<string, { bridge: string; vlan: number | null }>;
  ports: Map<string, string>;
  tagged: Map<string, string>;
}> {
  const segments = new Map<string, { bridge: string; vlan: number | null }>();
  const ports = new Map<string, string>();
  const tagged = new Map<string, string>();
  const { ports: all, bridges } = await readBridges();
  const add = (bridge: string, vlan: number | null) =>
    segments.set(segmentKey(bridge, vlan), { bridge, vlan });
  const mine = [...all.values()].flatMap(({ device, bridge, vlan }) => {
    const index = bridge !== null && wanted.has(bridge) && bridges.has(bridge) ? interfaceIndex(device) : 0;
    return index === 0 || bridge === null ? [] : [{ index, bridge, vlan }];
  });
  for (const { bridge, vlan } of mine) add(bridge, vlan);
  for (const { bridge, vlan } of nics)
    if (bridge !== null && wanted.has(bridge) && bridges.has(bridge)) add(bridge, vlan);
  for (const { index, bridge, vlan } of mine) {
    ports.set(String(index), segmentKey(bridge, vlan));
    for (const [key, segment] of segments)
      if (segment.bridge === bridge && segment.vlan !== null) tagged.set(`${index} . ${segment.vlan}`, key);
  }
  return { segments, ports, tagged };
}
