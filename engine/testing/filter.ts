// The filter on a host of its own: bridges and guests in namespaces stand for libvirt's, everything else is real.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EMPTY_STATE,
  type DesiredChain,
  type DesiredNic,
  type DesiredRule,
  type DesiredState,
} from '@wocloud/protocol/desired.ts';
import type { Receipt } from '@wocloud/protocol/reports.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import { DesiredStore } from '../filter/desired-store.ts';
import { DriftWatch } from '../filter/drift.ts';
import { Enforcer } from '../filter/enforcer.ts';
import { Kernel } from '../filter/kernel.ts';
import { Nft } from '../filter/nft.ts';
import type { Placement } from '../filter/placement.ts';
import { Slots } from '../filter/slots.ts';
import { Switches } from '../filter/switches.ts';
import { NftWatch } from '../filter/watch.ts';
import { Guest, until } from '../flows/testing/namespace.ts';
import type { UnderWay } from '../flows/flows.ts';
import type { Notice } from '../health/facts.ts';
import { NO_BRIDGES, readBridges, type Bridges } from '../inventory/bridges.ts';
import { nicFacts, nicId, type KnownVm } from '../inventory/observed.ts';
import { LiveDirectory } from '../live-directory.ts';
import { openLog } from '../log.ts';
import type { BridgedFrames } from '../options.ts';
import { NO_BUCKETS } from '../steering/buckets.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const HOST = '99999999-9999-4999-8999-999999999999';
export const hostKey = publicKey;

export interface TestVm {
  id: string;
  mac: string;
  ip: string;
  guest: Guest;
}

const vmId = (n: number): string => `0000000${n}-0000-4000-8000-000000000000`;

/** Guest number `n` (1..9) on a bridge, with 10.0.0.n. */
export function makeVm(n: number, bridge = 'br0'): TestVm {
  const mac = `52:54:00:00:00:0${n}`;
  return {
    id: vmId(n),
    mac,
    ip: `10.0.0.${n}`,
    guest: new Guest(`g${n}`, { bridge, mac, addresses: [`10.0.0.${n}/24`] }),
  };
}

/** Inventory as the enforcer reads it. */
class FakeInventory {
  readonly vms = new Map<string, KnownVm>();
  bridges: Bridges = NO_BRIDGES;
  isKnown = true;

  add({ id, mac, guest }: TestVm, bridge = 'br0'): void {
    const metadata = { tenant: null, labels: {}, addresses: [], problems: [] };
    const nic = {
      mac,
      model: 'virtio',
      link: 'bridge' as const,
      source: bridge,
      bridge,
      tap: guest.tap,
      vlan: null,
    };
    const domain = {
      id,
      name: guest.name,
      title: '',
      vcpus: 1,
      memoryKiB: 1,
      metadata,
      nics: [nic],
      agent: false,
    };
    this.vms.set(id, { domain, state: 'running', nics: [{ ...nic, unprotectable: '' }] });
  }

  async refreshBridges(): Promise<void> {
    this.bridges = await readBridges();
  }
}

export interface TestFilter {
  readonly enforcer: Enforcer;
  readonly kernel: Kernel;
  readonly inventory: FakeInventory;
  readonly directory: LiveDirectory;
  readonly receipts: Receipt[];
  readonly alerts: NewAlert[];
  notices: readonly Notice[];
  /** What observation would say goes on. */
  underWay: UnderWay[];
  /** Which gateway gets which connections. */
  buckets: readonly number[];
  /** What stands after the last round. */
  readonly placement: Placement | undefined;
  /** Wants a state; resolves with its receipt. */
  want(state: DesiredState): Promise<Receipt>;
  close(): Promise<void>;
}

export const stateDir = (): string => mkdtempSync(join(tmpdir(), 'engine-filter-'));

/** @param watched whether changes from outside are noticed. */
export async function startFilter(
  dir: string,
  vms: readonly TestVm[],
  bridgedFrames: BridgedFrames = 'observe',
  watched = true,
  onPlaced: (placement: Placement) => void = () => {},
): Promise<TestFilter> {
  const log = openLog(process.env['WOCLOUD_TEST_LOG'] ?? 'silent');
  const inventory = new FakeInventory();
  for (const vm of vms) inventory.add(vm);
  await inventory.refreshBridges();
  const slots = new Slots(join(dir, 'slots.json'));
  const directory = new LiveDirectory((slot) => slots.rule(slot));
  const desired = new DesiredStore(join(dir, 'desired.json'), (error) =>
    log.error({ err: error }, 'the desired state cannot be kept on disk'),
  );
  const nft = new Nft();
  const watch = new NftWatch();
  const kernel = new Kernel(nft, watch);
  const receipts: Receipt[] = [];
  const alerts: NewAlert[] = [];
  const filter = {
    notices: [] as readonly Notice[],
    underWay: [] as UnderWay[],
    buckets: NO_BUCKETS,
    placement: undefined as Placement | undefined,
  };
  const enforcer = new Enforcer({
    dir,
    kernel,
    slots,
    desired,
    inventory,
    directory,
    bridgedFrames,
    log,
    buckets: () => filter.buckets,
    onPlaced: (placement) => {
      filter.placement = placement;
      onPlaced(placement);
    },
    switches: new Switches(join(dir, 'switches.json')),
    ends: { routed: () => undefined, own: new Set() },
    identity: () => ({ host: HOST, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }),
    onReceipt: (receipt) => receipts.push(receipt),
    underWay: async () => filter.underWay,
    onBridges: () => {},
    onProtection: () => {},
    onNotices: (notices) => (filter.notices = notices),
    onTurned: () =>
      alerts.push({
        kind: 'firewall.drift',
        key: 'switches',
        severity: 'high',
        title: '',
        vm: null,
        evidence: {},
      }),
  });
  const drift = watched
    ? new DriftWatch({ enforcer, kernel, watch, alert: (alert) => alerts.push(alert), log })
    : undefined;
  directory.setState(desired.state);
  directory.setFacts(nicFacts(inventory.vms.values(), () => []));
  return {
    enforcer,
    kernel,
    inventory,
    directory,
    receipts,
    alerts,
    get notices() {
      return filter.notices;
    },
    get underWay() {
      return filter.underWay;
    },
    set underWay(list) {
      filter.underWay = list;
    },
    get buckets() {
      return filter.buckets;
    },
    set buckets(list) {
      filter.buckets = list;
    },
    get placement() {
      return filter.placement;
    },
    async want(state) {
      const before = receipts.length;
      desired.set(state);
      directory.setState(state);
      enforcer.signal(performance.now());
      await enforcer.idle();
      return until('a receipt', () => receipts.slice(before).find((r) => r.generation === state.generation));
    },
    async close() {
      await drift?.close();
      await enforcer.close();
      await desired.close();
      await nft.close();
      kernel.close();
      watch.close();
    },
  };
}

/** A rule for one TCP port, or for everything. */
export const rule = (id: string, action: DesiredRule['action'], port?: number): DesiredRule => ({
  id,
  action,
  staged: false,
  peers: ['any'],
  services: port === undefined ? [] : [{ protocol: 6, ports: [[port, port]], icmpTypes: null }],
  log: false,
});

/** One network on br0; what every VM may receive; all of them enforced, or only observed. */
export function stateOf(
  generation: number,
  vms: readonly TestVm[],
  inbound: DesiredRule[],
  mode: DesiredNic['mode'] = 'enforce',
): DesiredState {
  const chains: DesiredChain[] = [
    { id: 'in-a', rules: [...inbound, rule('default/within', 'drop')] },
    { id: 'out-a', rules: [rule('acme/base/out', 'allow')] },
  ];
  return {
    ...EMPTY_STATE,
    generation,
    networks: [{ id: 'n1', name: 'n1', bridge: 'br0', vlan: null, zone: 1 }],
    nics: vms.map((vm) => ({
      id: nicId(vm.id, vm.mac),
      vm: vm.id,
      name: vm.guest.name,
      tenant: 'acme',
      mac: vm.mac,
      network: 'n1',
      mode,
      addresses: [vm.ip],
      out: 'out-a',
      in: 'in-a',
    })),
    chains,
    sets: [],
  };
}
