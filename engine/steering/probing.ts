// The prober's thread, less its loop: sends probes through every watched gateway, and keeps set alive to those through
// which they pass both ways and to whose present devices the rules point. What is not so is taken out at once.
import { instanceDevices } from '../gateways/runner.ts';
import { interfaceIndex, NetlinkError } from '../netlink/libc.ts';
import type { AliveSet } from './alive-set.ts';
import { Lane, median } from './lane.ts';
import { PacketSocket } from './packet-socket.ts';
import { decodeProbe, encodeProbe, newNonce, type Way } from './probe-frame.ts';

/** The devices an instance's rules point to, by their kernel numbers. */
export interface PlacedInstance {
  number: number;
  a: number;
  b: number;
}

export type ProberCommand =
  /** Probe these, whatever else was probed before. */
  | { kind: 'watch'; numbers: number[] }
  /** A round of the enforcer is done: rules stand for these, and set alive may have been made anew. */
  | { kind: 'placed'; instances: PlacedInstance[] }
  | { kind: 'stop' };

export type Lapse = 'device' | 'probes';

/** `passing`: probes come out both ways. `alive`: traffic is sent there. Times are ms. */
export interface ProbeState {
  number: number;
  passing: boolean;
  alive: boolean;
  /** Why it does not pass. */
  lapse: Lapse | null;
  /** From the first probe that did not come out until the kernel knew; null when that is not what happened. */
  lifted: number | null;
}
export interface ProbeStatus {
  number: number;
  /** µs, median of the last ten seconds. */
  latency: number | null;
  sent: number;
  lost: number;
}
export interface ProberCounters {
  'steering.probes': number;
  'steering.probesLost': number;
  'steering.lifted': number;
  'steering.restored': number;
  'steering.writeFailures': number;
  'steering.probeFloods': number;
}
export type ProberMessage =
  | { kind: 'ready' }
  | { kind: 'state'; state: ProbeState }
  /** nftables generations that are this thread's doing. */
  | { kind: 'wrote'; generations: number[] }
  | { kind: 'status'; list: ProbeStatus[]; counters: ProberCounters }
  | { kind: 'failed'; message: string }
  | { kind: 'stopped' };

/** Probes of one socket in one tick beyond which it is left alone until the next: four can be ours. */
const FLOOD = 64;

class Watched {
  readonly number: number;
  lanes: Record<Way, Lane> = { forth: new Lane(), back: new Lane() };
  ports: { a: PacketSocket; b: PacketSocket } | undefined;
  passing: boolean;
  lapse: Lapse | null = null;

  constructor(number: number, passing: boolean) {
    this.number = number;
    this.passing = passing;
  }

  close(): void {
    this.ports?.a.close();
    this.ports?.b.close();
    this.ports = undefined;
  }
}

export interface ProbingOptions {
  alive: AliveSet;
  post: (message: ProberMessage) => void;
  /** ms of the monotonic clock. */
  now: () => number;
}

export class Probing {
  readonly #o: ProbingOptions;
  readonly #nonce = newNonce();
  readonly #watched = new Map<number, Watched>();
  /** Undefined before the first round: then what stands may be right. */
  #placed: Map<number, PlacedInstance> | undefined;
  /** What the set holds; undefined when there is none, or it is not known. */
  #written: Set<number> | undefined;
  #sequence = 0;
  #frames = 0;
  #told = new Map<number, string>();
  readonly #counters: ProberCounters = {
    'steering.probes': 0,
    'steering.probesLost': 0,
    'steering.lifted': 0,
    'steering.restored': 0,
    'steering.writeFailures': 0,
    'steering.probeFloods': 0,
  };
  /** Of lanes that are no more. */
  #gone = { sent: 0, lost: 0 };

  constructor(options: ProbingOptions) {
    this.#o = options;
    this.#written = options.alive.read();
    // What an engine before us found to work works until probes say otherwise.
    for (const number of this.#written ?? []) this.#watch(number, true);
  }

  /** Descriptors to wait for, and the instances they are of. Others after every tick and command. */
  sockets(): { fd: number; read: () => void }[] {
    return [...this.#watched.values()].flatMap((watched) => {
      const { ports } = watched;
      if (!ports) return [];
      return [ports.a, ports.b].map((port) => ({ fd: port.fd, read: () => this.#read(watched, port) }));
    });
  }

  /** More came than a tick's probes: sockets are to be left alone until the next one. */
  get isFlooded(): boolean {
    return this.#frames > FLOOD * Math.max(1, this.#watched.size);
  }

  watch(numbers: number[]): void {
    const wanted = new Set(numbers);
    for (const [number, watched] of this.#watched)
      if (!wanted.has(number)) {
        watched.close();
        for (const lane of Object.values(watched.lanes)) this.#forget(lane);
        this.#watched.delete(number);
        this.#told.delete(number);
      }
    for (const number of wanted) if (!this.#watched.has(number)) this.#watch(number, false);
    this.settle();
  }

  placed(instances: PlacedInstance[]): void {
    this.#placed = new Map(instances.map((instance) => [instance.number, instance]));
    try {
      this.#written = this.#o.alive.read();
    } catch {
      this.#counters['steering.writeFailures']++;
      this.#written = undefined;
    }
    this.settle();
  }

  /** Every PROBE_EVERY_MS. */
  tick(): void {
    this.#frames = 0;
    const now = this.#o.now();
    this.#sequence = (this.#sequence + 1) >>> 0;
    for (const watched of this.#watched.values()) {
      if (!watched.ports && !this.#open(watched)) continue;
      this.#send(watched, 'forth', now);
      this.#send(watched, 'back', now);
    }
  }

  /** When the next judgement is due by itself; undefined when none is. */
  due(): number | undefined {
    let due: number | undefined;
    for (const { lanes, ports, passing } of this.#watched.values()) {
      if (!ports || !passing) continue;
      for (const { deadline } of Object.values(lanes))
        if (deadline !== undefined && (due === undefined || deadline < due)) due = deadline;
    }
    return due;
  }

  /** Judges every instance by what is known now, and makes the set so. */
  settle(): void {
    const now = this.#o.now();
    for (const watched of this.#watched.values()) this.#judge(watched, now);
    const silent = new Map(
      [...this.#watched.values()].map(({ number, lanes }) => [
        number,
        Math.min(...Object.values(lanes).map(({ silentSince }) => silentSince ?? Infinity)),
      ]),
    );
    const changed = this.#write();
    const generations = this.#o.alive.takeGenerations();
    if (generations.length > 0) this.#o.post({ kind: 'wrote', generations });
    for (const watched of this.#watched.values()) {
      const { number, passing, lapse } = watched;
      const alive = this.#written?.has(number) === true;
      const told = `${passing} ${alive} ${lapse}`;
      if (this.#told.get(number) === told) continue;
      this.#told.set(number, told);
      const since = silent.get(number) ?? Infinity;
      const lifted = changed.has(number) && !alive && since !== Infinity ? this.#o.now() - since : null;
      this.#o.post({ kind: 'state', state: { number, passing, alive, lapse, lifted } });
    }
  }

  status(): ProberMessage {
    const now = this.#o.now();
    let { sent, lost } = this.#gone;
    const list = [...this.#watched.values()].map(({ number, lanes: { forth, back } }) => {
      sent += forth.sent + back.sent;
      lost += forth.lost + back.lost;
      return {
        number,
        latency: median([...forth.latencies(now), ...back.latencies(now)]),
        sent: forth.sent + back.sent,
        lost: forth.lost + back.lost,
      };
    });
    this.#counters['steering.probes'] = sent;
    this.#counters['steering.probesLost'] = lost;
    return { kind: 'status', list, counters: { ...this.#counters } };
  }

  close(): void {
    for (const watched of this.#watched.values()) watched.close();
  }

  #watch(number: number, passing: boolean): void {
    const watched = new Watched(number, passing);
    this.#watched.set(number, watched);
    this.#open(watched);
  }

  #forget(lane: Lane): void {
    this.#gone.sent += lane.sent;
    this.#gone.lost += lane.lost;
  }

  #open(watched: Watched): boolean {
    const devices = instanceDevices(watched.number);
    const a = interfaceIndex(devices.a);
    const b = interfaceIndex(devices.b);
    if (a === 0 || b === 0) return false;
    let first: PacketSocket | undefined;
    try {
      first = new PacketSocket(a, this.#nonce);
      watched.ports = { a: first, b: new PacketSocket(b, this.#nonce) };
      return true;
    } catch {
      // Gone again in between: the next tick looks anew.
      first?.close();
      return false;
    }
  }

  #send(watched: Watched, way: Way, now: number): void {
    const { ports, number } = watched;
    if (!ports) return;
    const from = way === 'forth' ? ports.a : ports.b;
    if (from.send(encodeProbe({ number, way, sequence: this.#sequence }, this.#nonce)))
      watched.lanes[way].send(this.#sequence, now);
    else this.#left(watched);
  }

  #read(watched: Watched, port: PacketSocket): void {
    for (let i = 0; i < FLOOD && watched.ports; i++) {
      const frame = port.receive();
      if (frame === null) return;
      if (frame === undefined) return this.#left(watched);
      if (++this.#frames === FLOOD * this.#watched.size + 1) this.#counters['steering.probeFloods']++;
      const probe = decodeProbe(frame, this.#nonce);
      // It must come out where that way ends.
      const end = probe?.way === 'forth' ? watched.ports.b : watched.ports.a;
      if (probe?.number === watched.number && end === port)
        watched.lanes[probe.way].receive(probe.sequence, this.#o.now());
    }
  }

  /** A device of it is gone or down: nothing passes, and one that comes is another. */
  #left(watched: Watched): void {
    watched.close();
    for (const lane of Object.values(watched.lanes)) this.#forget(lane);
    watched.lanes = { forth: new Lane(), back: new Lane() };
    watched.passing = false;
    watched.lapse = 'device';
  }

  #judge(watched: Watched, now: number): void {
    const { forth, back } = watched.lanes;
    if (!watched.ports) {
      watched.passing = false;
      watched.lapse = 'device';
    } else if (forth.isDead(now) || back.isDead(now)) {
      watched.passing = false;
      watched.lapse = 'probes';
    } else if (forth.isPassing() && back.isPassing()) {
      watched.passing = true;
      watched.lapse = null;
    }
  }

  #mayPass({ number, ports, passing }: Watched): boolean {
    if (!passing || !ports) return false;
    if (!this.#placed) return this.#written?.has(number) === true;
    const placed = this.#placed.get(number);
    return placed !== undefined && placed.a === ports.a.index && placed.b === ports.b.index;
  }

  /** Makes the set what it should be; which numbers changed. */
  #write(): Set<number> {
    const changed = new Set<number>();
    const { alive } = this.#o;
    const wanted = new Set([...this.#watched.values()].filter((w) => this.#mayPass(w)).map((w) => w.number));
    const written = this.#written;
    if (!written) return changed;
    try {
      for (const number of written) {
        if (wanted.has(number)) continue;
        alive.delete(number);
        written.delete(number);
        changed.add(number);
        this.#counters['steering.lifted']++;
      }
      for (const number of wanted) {
        if (written.has(number)) continue;
        // The set is gone: the next round makes it anew, and says so.
        if (!alive.add(number)) {
          this.#written = undefined;
          break;
        }
        written.add(number);
        changed.add(number);
        this.#counters['steering.restored']++;
      }
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      // Tried again with the next tick.
      this.#counters['steering.writeFailures']++;
    }
    return changed;
  }
}
