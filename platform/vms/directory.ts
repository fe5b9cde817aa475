// Everything about VMs that ingest, queries and streams look up all the time, in memory: by id, by name, by address
// on a network. Follows the database by signals, and reads it whole once a minute in case one was lost.
import type { ObservedNic, ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Context } from '../context.ts';
import type { Scope } from '../handler.ts';
import { live } from '../hosts/store.ts';
import { NetworkNames, VmDocuments, effective, type VmDocument } from './effective.ts';

export interface DirectoryVm {
  id: string;
  name: string;
  host: string;
  hostName: string;
  state: ObservedVm['state'];
  gone: boolean;
  tenant: string | null;
  labels: Record<string, string>;
  nics: readonly DirectoryNic[];
  /** Where it ran before, and when (ms) it moved. */
  moved: { from: string; at: number } | null;
}
export interface DirectoryNic {
  mac: string;
  network: string | null;
  protection: ObservedNic['protection'];
  reason: string;
  addresses: readonly string[];
}

export interface Directory {
  vm(id: string): DirectoryVm | undefined;
  /** The VM with this address on this network, by the most trusted source. */
  at(network: string, ip: string): DirectoryVm | undefined;
  /** VMs of this name, present ones first. */
  named(name: string): readonly DirectoryVm[];
  all(): Iterable<DirectoryVm>;
  hosts(): Iterable<{ id: string; name: string }>;
  hostName(id: string): string | undefined;
  /** The host's link is up. */
  isConnected(host: string): boolean;
  /** Networks this host has NICs on. */
  networksOf(host: string): ReadonlySet<string>;
  /** The VM ran on this host until a short while ago: its last records are still on their way. */
  justMoved(vm: DirectoryVm, from: string): boolean;
  /** Rises with every change: what is derived from the directory is valid as long as it stands. */
  readonly version: number;
  /** Reads everything again. */
  refresh(): Promise<void>;
  close(): void;
}

/** Whether a caller may know this VM. */
export const visible = (scope: Scope, vm: Pick<DirectoryVm, 'id' | 'tenant'>): boolean =>
  scope.all ||
  (scope.tenant !== null && vm.tenant === scope.tenant && (scope.vms === null || scope.vms.includes(vm.id)));

/** Who says that a NIC has an address, the most trusted last. A guest can make up what was only snooped. */
const TRUST = ['snooped', 'agent', 'metadata', 'lease', 'document'];
const REREAD_MS = 60_000;
const MOVED_MS = 10 * 60_000;
const NONE: ReadonlySet<string> = new Set();

interface VmRow {
  id: string;
  name: string;
  host: string;
  state: ObservedVm['state'];
  gone: boolean;
  tenant: string | null;
  labels: Record<string, string>;
  moved_from: string | null;
  moved_at: Date | null;
  nics: {
    mac: string;
    bridge: string | null;
    vlan: number | null;
    protection: ObservedNic['protection'];
    reason: string;
    addresses: { ip: string; source: string }[];
  }[];
}

/** Opens a directory and reads the database once; it follows from then on. */
export async function openDirectory({ db, signals, log }: Context): Promise<Directory> {
  let vms = new Map<string, DirectoryVm>();
  let byName = new Map<string, DirectoryVm[]>();
  let byAddress = new Map<string, { vm: DirectoryVm; trust: number }>();
  let hosts = new Map<string, { name: string; connected: boolean }>();
  let networks = new Map<string, Set<string>>();
  let version = 0;
  let closed = false;

  const read = async () => {
    const rows = await db.query<VmRow>(`
      SELECT v.id, v.name, v.host, v.state, v.gone_at IS NOT NULL AS gone, v.tenant, v.labels, v.moved_from, v.moved_at,
        coalesce((SELECT jsonb_agg(jsonb_build_object('mac', n.mac, 'bridge', n.bridge, 'vlan', n.vlan,
            'protection', n.protection, 'reason', n.reason,
            'addresses', coalesce((SELECT jsonb_agg(jsonb_build_object('ip', a.ip, 'source', a.source))
               FROM addresses a WHERE a.vm = n.vm AND a.mac = n.mac), '[]')) ORDER BY n.position)
          FROM nics n WHERE n.vm = v.id), '[]') AS nics
      FROM vms v`);
    const hostRows = await db.query<{ id: string; name: string; connected: boolean }>(
      `SELECT id, name, ${live()} AS connected FROM hosts`,
    );
    const documents = await readDocuments(db);
    hosts = new Map(hostRows.map(({ id, name, connected }) => [id, { name, connected: connected === true }]));
    const nextVms = new Map<string, DirectoryVm>();
    const nextNames = new Map<string, DirectoryVm[]>();
    const nextAddresses = new Map<string, { vm: DirectoryVm; trust: number }>();
    const nextNetworks = new Map<string, Set<string>>();
    for (const row of rows) {
      const { vm, trusted } = entry(row, hosts.get(row.host)?.name ?? '', documents);
      nextVms.set(vm.id, vm);
      const same = nextNames.get(vm.name) ?? [];
      if (vm.gone) same.push(vm);
      else same.unshift(vm);
      nextNames.set(vm.name, same);
      if (vm.gone) continue;
      for (const { network } of vm.nics)
        if (network !== null)
          nextNetworks.set(vm.host, (nextNetworks.get(vm.host) ?? new Set()).add(network));
      for (const { key, trust } of trusted) {
        const before = nextAddresses.get(key);
        if (!before || before.trust < trust) nextAddresses.set(key, { vm, trust });
      }
    }
    [vms, byName, byAddress, networks] = [nextVms, nextNames, nextAddresses, nextNetworks];
    version++;
  };

  // One reading at a time; what is asked for while one is under way is answered by the next.
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    if (!running) {
      running = db.outside(read).finally(() => (running = undefined));
      return running;
    }
    queued ??= running
      .catch(() => undefined)
      .then(() => {
        queued = undefined;
        return refresh();
      });
    return queued;
  };
  const follow = () => {
    if (!closed) refresh().catch((error: unknown) => log.warn({ err: error }, 'VMs could not be read again'));
  };
  const stops = [
    signals.on('inventory', follow),
    signals.on('host', follow),
    signals.on('resync', follow),
    signals.on('documents', ({ kinds }) => {
      if (kinds.some((kind) => kind === 'VM' || kind === 'Network')) follow();
    }),
  ];
  const timer = setInterval(follow, REREAD_MS);
  timer.unref();
  await refresh();

  return {
    vm: (id) => vms.get(id),
    at: (network, ip) => byAddress.get(`${network} ${ip}`)?.vm,
    named: (name) => byName.get(name) ?? [],
    all: () => vms.values(),
    *hosts() {
      for (const [id, { name }] of hosts) yield { id, name };
    },
    hostName: (id) => hosts.get(id)?.name,
    isConnected: (host) => hosts.get(host)?.connected ?? false,
    networksOf: (host) => networks.get(host) ?? NONE,
    justMoved: (vm, from) => vm.moved?.from === from && Date.now() - vm.moved.at < MOVED_MS,
    get version() {
      return version;
    },
    refresh,
    close() {
      closed = true;
      clearInterval(timer);
      for (const stop of stops) stop();
    },
  };
}

interface Documents {
  vms: VmDocuments;
  networks: NetworkNames;
}

/** VM and Network documents in force. */
export async function readDocuments(db: Context['db']): Promise<Documents> {
  const rows = await db.query<{
    kind: string;
    document: {
      metadata: { name: string; tenant?: string; labels?: Record<string, string> };
      spec: never;
    };
  }>(
    `SELECT kind, document FROM documents WHERE kind IN ('VM', 'Network') AND NOT deleted ORDER BY tenant, name`,
  );
  const vms: VmDocument[] = [];
  const networks: { name: string; spec: never }[] = [];
  for (const { kind, document } of rows) {
    const { name, tenant, labels } = document.metadata;
    if (kind === 'Network') networks.push({ name, spec: document.spec });
    else vms.push({ name, tenant: tenant ?? null, labels: labels ?? {}, spec: document.spec });
  }
  return { vms: new VmDocuments(vms), networks: new NetworkNames(networks) };
}

function entry(
  row: VmRow,
  hostName: string,
  documents: Documents,
): { vm: DirectoryVm; trusted: { key: string; trust: number }[] } {
  const said = effective(row, documents.vms);
  const trusted: { key: string; trust: number }[] = [];
  const nics = row.nics.map((nic) => {
    const network = documents.networks.of(hostName, nic.bridge, nic.vlan);
    const addresses = [
      ...nic.addresses,
      ...said.addresses.filter((a) => a.mac === nic.mac).map((a) => ({ ip: a.ip, source: 'document' })),
    ];
    if (network !== null)
      for (const { ip, source } of addresses)
        if (!ip.includes('/')) trusted.push({ key: `${network} ${ip}`, trust: TRUST.indexOf(source) });
    return {
      mac: nic.mac,
      network,
      protection: nic.protection,
      reason: nic.reason,
      addresses: [...new Set(addresses.map((a) => a.ip))],
    };
  });
  const { id, name, host, state, gone } = row;
  return {
    vm: {
      id,
      name,
      host,
      hostName,
      state,
      gone,
      tenant: said.tenant,
      labels: said.labels,
      nics,
      moved:
        row.moved_from !== null && row.moved_at !== null
          ? { from: row.moved_from, at: row.moved_at.getTime() }
          : null,
    },
    trusted,
  };
}
