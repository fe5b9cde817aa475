// Desired state and this host's facts → the kernel, by one loop that takes no input: each round looks at what is wanted
// and what is there, and makes the one into the other. Signalled by every change, and periodic.
import { join } from 'node:path';
import { Evaluator } from '@wocloud/policy/evaluate.ts';
import { ruleIds } from '@wocloud/policy/render/local.ts';
import {
  buildRuleset,
  deltaScript,
  fullScript,
  quietDelta,
  quietScript,
  removalScript,
  settleScript,
} from '@wocloud/policy/render/script.ts';
import { EMPTY_STATE } from '@wocloud/protocol/desired.ts';
import type { Receipt } from '@wocloud/protocol/reports.ts';
import type { Logger } from 'pino';
import type { UnderWay } from '../flows/flows.ts';
import type { Notice } from '../health/facts.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { BridgedFrames } from '../options.ts';
import { devicesOf, inDoubt, readRecord, recordOf, without, writeRecord, type Applied } from './applied.ts';
import type { DesiredStore } from './desired-store.ts';
import { passage, removePassages, type Passage } from './foreign/passage.ts';
import { handOver } from './handover.ts';
import type { Kernel } from './kernel.ts';
import { place, type Placement, type Protection } from './placement.ts';
import { disproof } from './proof.ts';
import { signReceipt } from './receipt.ts';
import { endRefused, mayRevoke, type Ends } from './revoke.ts';
import type { Slots } from './slots.ts';
import type { Switches } from './switches.ts';
import type { Directory } from '../directory.ts';

export interface EnforcerOptions {
  dir: string;
  kernel: Kernel;
  switches: Switches;
  slots: Slots;
  desired: DesiredStore;
  inventory: Pick<Inventory, 'vms' | 'bridges' | 'isKnown' | 'refreshBridges'>;
  directory: Directory;
  ends: Ends;
  bridgedFrames: BridgedFrames;
  /** Gateway instance by sixteenth of the connections; the same array as long as it says the same. */
  buckets: () => readonly number[];
  /** A round is done: this stands in the kernel. */
  onPlaced: (placement: Placement) => void;
  /** Host id and PEM of its key. */
  identity: () => { host: string; key: string };
  onReceipt: (receipt: Receipt) => void;
  /** What goes on on bridges where nothing is enforced yet. */
  underWay: () => Promise<UnderWay[]>;
  /** The bridges on which something is enforced are others, or known for the first time. */
  onBridges: () => void;
  /** Protections have changed. */
  onProtection: () => void;
  onNotices: (notices: readonly Notice[]) => void;
  /** Switches of the kernel that someone turned back. */
  onTurned: (paths: string[]) => void;
  log: Logger;
}

const ATTEMPTS = 3;
const RETRY_MS = { first: 500, most: 30_000 };
const RECORD_AFTER_MS = 200;

export class Enforcer {
  readonly counters = {
    'filter.rounds': 0,
    'filter.transactions': 0,
    'filter.failures': 0,
    'filter.adopted': 0,
    'filter.connectionsEnded': 0,
    'filter.handedOver': 0,
  };
  readonly #o: EnforcerOptions;
  readonly #evaluator = new Evaluator(EMPTY_STATE);
  /** Undefined: what stands in the kernel is not known to be ours; the next round takes it over as a whole. */
  #applied: Applied | undefined;
  #generation = 0;
  #protections: ReadonlyMap<string, Protection> = new Map();
  #receipt: Receipt | undefined;
  #passage: (Passage & { asked: string }) | undefined;
  #placement: Placement | undefined;
  #bridges: ReadonlySet<string> | undefined;
  /** Bridges and VLAN switch as they were last set. */
  #switched: string | undefined;
  #arrived: number | undefined;
  #dirty = false;
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MS.first;
  #record: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: EnforcerOptions) {
    this.#o = options;
  }

  /** Generation that stands in the kernel, proven. */
  get generation(): number {
    return this.#generation;
  }
  get receipt(): Receipt | undefined {
    return this.#receipt;
  }
  /** Bridges on which something is enforced; undefined before the first round. */
  get bridges(): ReadonlySet<string> | undefined {
    return this.#bridges;
  }
  get isEnforcing(): boolean {
    return (this.#placement?.state.nics.length ?? 0) > 0;
  }

  protectionOf(nic: string): Protection {
    return this.#protections.get(nic) ?? { protection: 'observed', reason: '' };
  }

  /** Something may have changed. `arrived`: when a new desired state came, of the monotonic clock. */
  signal(arrived?: number): void {
    this.#arrived ??= arrived;
    this.#dirty = true;
    // The platform may speak before libvirt does. A host not yet looked at has no taps: their rules would be taken away.
    if (!this.#stopped && this.#o.inventory.isKnown)
      this.#running ??= this.#rounds().finally(() => (this.#running = undefined));
  }

  /** The firewalls of others may have changed: look at them again. */
  foreignChanged(): void {
    this.#passage = undefined;
    this.signal();
  }

  /** What stands in the kernel is not ours any more: take it over as a whole. */
  distrust(): void {
    this.#applied = undefined;
    this.signal();
  }

  /** Someone may have turned a switch of the kernel: look, in the next round. */
  checkSwitches(): void {
    this.#switched = undefined;
    if (this.isEnforcing) this.signal();
  }

  /** Objects in the kernel that differ from what we left there, not counting those that went with their device. */
  async drift(): Promise<string[]> {
    await this.#o.inventory.refreshBridges();
    await this.#forgetGone();
    return this.#o.kernel.drift();
  }

  /** Runs something between rounds: meanwhile nothing of ours changes in the kernel. */
  async between<T>(work: () => Promise<T>): Promise<T> {
    // Not by `idle()`: a round could begin between its answer and the work.
    while (this.#running) await this.#running;
    const result = work();
    const done = () => {
      this.#running = undefined;
      if (this.#dirty) this.signal();
    };
    this.#running = result.then(done, done);
    return result;
  }

  /** Waits for the rounds under way. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Ends the loop. What stands in the kernel goes on standing. */
  async close(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.idle();
    if (this.#record) this.#writeRecord();
  }

  async #rounds(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      clearTimeout(this.#retry);
      const arrived = this.#arrived ?? performance.now();
      this.#arrived = undefined;
      this.counters['filter.rounds']++;
      try {
        await this.#round(arrived);
        this.#retryMs = RETRY_MS.first;
      } catch (error) {
        this.#failed(error, arrived);
      }
    }
  }

  async #round(arrived: number): Promise<void> {
    const { desired, kernel } = this.#o;
    const { state } = desired;
    let placement = await this.#place();
    for (let attempt = 1; ; attempt++)
      try {
        await this.#enforce(placement);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        // A device may have gone in between, or someone has touched our tables: look again, and take over.
        this.#o.log.warn({ err: error }, 'a ruleset did not stand; once more');
        this.#applied = undefined;
        await this.#o.inventory.refreshBridges();
        placement = await this.#place();
      }
    const known = this.#bridges && [...this.#bridges].join(' ');
    const changed = known !== [...placement.bridges].join(' ');
    // Only now do the rules of others see no frames any more of what is enforced no longer.
    if (changed) await removePassages(placement.bridges);
    this.#bridges = placement.bridges;
    if (changed) this.#o.onBridges();
    this.#generation = state.generation;
    this.#o.onPlaced(placement);
    this.#tell(
      { generation: state.generation, digest: kernel.digest, took: performance.now() - arrived, error: '' },
      placement.protections,
    );
  }

  async #place(): Promise<Placement> {
    const { desired, inventory, switches, bridgedFrames, onNotices } = this.#o;
    const { state } = desired;
    const used = new Set(state.nics.map((nic) => nic.network));
    const enforced = new Set(state.nics.filter((nic) => nic.mode === 'enforce').map((nic) => nic.network));
    const bridges = new Set<string>();
    const wanted = new Set<string>();
    const off = new Set<string>();
    for (const { id, bridge } of state.networks) {
      if (!used.has(id) || !inventory.bridges.bridges.has(bridge)) continue;
      const isOff = !(await switches.isOn(bridge));
      // Where frames were shown to IP's rules before us, enforcing changes nothing for the rules of others.
      if (!isOff && !switches.hasSwitched(bridge)) continue;
      bridges.add(bridge);
      if (enforced.has(id)) wanted.add(bridge);
      if (isOff) off.add(bridge);
    }
    const asked = [...bridges].map((bridge) => (wanted.has(bridge) ? `${bridge}!` : bridge)).join(' ');
    if (this.#passage?.asked !== asked) {
      this.#passage = { asked, ...(await passage(bridges, wanted, bridgedFrames)) };
      onNotices(this.#passage.notices);
    }
    // What is on stays on: switching it off would open what is closed. The notice says who drops frames there.
    const blocked = new Map([...this.#passage.blocked].filter(([bridge]) => off.has(bridge)));
    this.#placement = settled(
      this.#placement,
      place({ state, vms: inventory.vms, bridges: inventory.bridges, blocked, buckets: this.#o.buckets() }),
    );
    return this.#placement;
  }

  async #enforce(placement: Placement): Promise<void> {
    const { kernel, switches, slots, inventory } = this.#o;
    if (placement.state.nics.length === 0) return this.#withdraw();
    await switches.loadBridgeFilter();
    slots.assign(ruleIds(placement.state));
    const ruleset = buildRuleset(placement.state, {
      taps: placement.taps,
      networks: placement.networks,
      slots: slots.all,
      gateways: placement.gateways,
      buckets: placement.buckets,
      shapers: placement.shapers,
      ports: placement.ports,
    });
    await this.#forgetGone();
    const before = this.#applied ?? (await this.#adopt(ruleset, placement));
    const script = before ? deltaScript(before.ruleset, ruleset) : fullScript(ruleset, kernel.existing());
    if (script !== '') {
      this.#applied = undefined;
      const quiet = before ? quietDelta(before.ruleset, ruleset) : '';
      if (quiet !== '') await kernel.apply(quiet);
      const keys = await kernel.apply(script);
      this.counters['filter.transactions']++;
      const wrong = disproof(ruleset, kernel.blocks, keys);
      if (wrong.length > 0)
        throw new Error(`the kernel does not hold what was asked for: ${wrong.slice(0, 5).join('; ')}`);
    }
    this.#applied = { ruleset, state: placement.state, devices: devicesOf(ruleset, inventory.bridges) };
    await this.#handOver(placement);
    await this.#switch(placement);
    if (script !== '' || !before) this.#recordSoon();
    if (!before || mayRevoke(before.state, placement.state)) await this.#revoke();
  }

  /** Before a bridge is switched on: what goes on there is to go on, as far as the rules allow it. */
  async #handOver({ bridges, state }: Placement): Promise<void> {
    const { kernel, switches, slots, directory, underWay } = this.#o;
    const fresh = new Set<string>();
    for (const bridge of bridges) if (!(await switches.isOn(bridge))) fresh.add(bridge);
    if (fresh.size === 0) return;
    const slot = (rule: string) => slots.slot(rule);
    this.counters['filter.handedOver'] += await handOver(state, fresh, await underWay(), directory, slot);
    await kernel.apply(settleScript(fresh));
  }

  async #switch({ bridges, vlans }: Placement): Promise<void> {
    const { switches, onTurned } = this.#o;
    const now = [...bridges, vlans].join(' ');
    if (this.#switched === now) return;
    const turned = await switches.setBridges(bridges, vlans);
    await switches.accounting();
    this.#switched = now;
    if (turned.length > 0) onTurned(turned);
  }

  /** Nothing is to be enforced: nothing of ours stays in the kernel. */
  async #withdraw(): Promise<void> {
    const { kernel, switches, slots } = this.#o;
    await switches.setBridges(new Set(), false);
    this.#switched = undefined;
    if (this.#applied === undefined) await kernel.read();
    if (kernel.blocks.size > 0) {
      await kernel.apply(quietScript());
      await kernel.apply(removalScript());
      this.counters['filter.transactions']++;
    }
    slots.keepOnly(new Set());
    this.#applied = { ruleset: new Map(), state: EMPTY_STATE, devices: new Map() };
    this.#recordSoon();
  }

  /** A restarted engine finds its rules: when they are just what it would write, it writes nothing. */
  async #adopt(ruleset: Applied['ruleset'], placement: Placement): Promise<Applied | undefined> {
    const { kernel, dir, inventory } = this.#o;
    await kernel.read();
    const record = readRecord(join(dir, 'applied.json'));
    if (record?.digest !== kernel.digest || record.script !== recordOf(0, '', ruleset).script)
      return undefined;
    this.counters['filter.adopted']++;
    return { ruleset, state: placement.state, devices: devicesOf(ruleset, inventory.bridges) };
  }

  /** Chains that the kernel itself took away with their devices are known to be gone; nobody else's doing. */
  async #forgetGone(): Promise<void> {
    const { kernel, inventory } = this.#o;
    if (!this.#applied) return;
    const doubtful = inDoubt(this.#applied, inventory.bridges);
    if (doubtful.size === 0) return;
    const gone = await kernel.forgetAbsent(doubtful);
    this.#applied = without(this.#applied, gone, inventory.bridges);
  }

  async #revoke(): Promise<void> {
    const { directory, ends, slots, log } = this.#o;
    const state = this.#applied?.state ?? EMPTY_STATE;
    this.#evaluator.update(state);
    const ended = await endRefused(this.#evaluator, directory, ends);
    this.counters['filter.connectionsEnded'] += ended;
    if (ended > 0) log.info({ ended }, 'connections ended that the rules no longer allow');
    if (slots.size > 2 * ruleIds(state).size + 1_000) slots.keepOnly(ruleIds(state));
  }

  #failed(error: unknown, arrived: number): void {
    const { desired, kernel, log } = this.#o;
    this.counters['filter.failures']++;
    log.error(
      { err: error, generation: desired.state.generation },
      'the desired state could not be enforced; what stood before still stands',
    );
    const took = performance.now() - arrived;
    const message = error instanceof Error ? error.message : String(error);
    this.#tell(
      { generation: desired.state.generation, digest: kernel.digest, took, error: message },
      this.#protections,
    );
    this.#retry = setTimeout(() => this.signal(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2);
  }

  /** A receipt for everything that is new in it; equal ones are not repeated. */
  #tell(
    what: { generation: number; digest: string; took: number; error: string },
    protections: ReadonlyMap<string, Protection>,
  ): void {
    const changed = JSON.stringify([...protections]) !== JSON.stringify([...this.#protections]);
    this.#protections = protections;
    const last = this.#receipt;
    if (
      !changed &&
      last &&
      last.generation === what.generation &&
      last.digest === what.digest &&
      last.error === what.error.slice(0, 2000)
    )
      return;
    if (changed) this.#o.onProtection();
    // Nothing has been asked for yet.
    if (what.generation === 0) return;
    const { host, key } = this.#o.identity();
    this.#receipt = signReceipt(host, key, { ...what, protections });
    this.#o.onReceipt(this.#receipt);
  }

  #recordSoon(): void {
    this.#record ??= setTimeout(() => this.#writeRecord(), RECORD_AFTER_MS);
  }

  #writeRecord(): void {
    clearTimeout(this.#record);
    this.#record = undefined;
    if (!this.#applied) return;
    const record = recordOf(this.#generation, this.#o.kernel.digest, this.#applied.ruleset);
    writeRecord(join(this.#o.dir, 'applied.json'), record);
  }
}

/** The new placement, with the old one's maps where they say the same: rendering goes by identity. */
function settled(old: Placement | undefined, now: Placement): Placement {
  if (!old) return now;
  const keep = <K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>) =>
    JSON.stringify([...a]) === JSON.stringify([...b]) ? a : b;
  const sameNics =
    old.state.nics.length === now.state.nics.length &&
    now.state.nics.every((nic, i) => nic === old.state.nics[i]);
  const sameNetworks =
    old.state.networks.length === now.state.networks.length &&
    now.state.networks.every((network, i) => network === old.state.networks[i]);
  return {
    ...now,
    state: {
      ...now.state,
      nics: sameNics ? old.state.nics : now.state.nics,
      networks: sameNetworks ? old.state.networks : now.state.networks,
    },
    taps: keep(old.taps, now.taps),
    networks: keep(old.networks, now.networks),
    gateways: keep(old.gateways, now.gateways),
    shapers: keep(old.shapers, now.shapers),
    ports: keep(old.ports, now.ports),
  };
}
