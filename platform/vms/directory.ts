// Everything about VMs that ingest, queries and streams look up all the time, in memory: by id, by name, by address
// on a network. Follows the database by signals, and reads it whole once a minute in case one was lost.
import type { Group } from '@wocloud/protocol/resources/group.ts';
import { groupSelection, inSelection, type Selection } from '@wocloud/policy/selection.ts';
import type { Context } from '../context.ts';
import { readEnforcement, Enforcement, type Mode, type ModeFrom } from '../enforcement/mode.ts';
import type { Scope } from '../handler.ts';
import { NetworkNames, VmDocuments, effective, type VmDocument } from './effective.ts';
import { readHostRows, readInForce, readVmRows, type HostRow, type VmRow } from './directory-rows.ts';

export interface DirectoryVm {
  id: string;
  name: string;
  title: string;
  host: string;
  hostName: string;
  state: VmRow['state'];
  gone: boolean;
  tenant: string | null;
  labels: Record<string, string>;
  vcpus: number;
  memoryKiB: number;
  nics: readonly DirectoryNic[];
  /** The document about it. */
  document: VmDocument | undefined;
  mode: Mode;
  modeFrom: ModeFrom;
  /** Groups in force that it is in: `name`, or `tenant/name` of a tenant's. */
  groups: readonly string[];
  /** Where it ran before, and when (ms) it moved. */
  moved: { from: string; at: number } | null;
}
export interface DirectoryNic {
  mac: string;
  network: string | null;
  tap: string | null;
  protection: VmRow['nics'][number]['protection'];
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
  /** Reads these VMs (or everything) again. */
  refresh(vms?: readonly string[]): Promise<void>;
  /** Listens for VMs that changed, after it: what each was and is (undefined: not there). Returns its undo. */
  onChange(listener: (before: DirectoryVm | undefined, after: DirectoryVm | undefined) => void): () => void;
  close(): void;
}

/** Whether a caller may know this VM. */
export const visible = (scope: Scope, vm: Pick<DirectoryVm, 'id' | 'tenant'>): boolean =>
  scope.all ||
  (scope.tenant !== null && vm.tenant === scope.tenant && (scope.vms === null || scope.vms.includes(vm.id)));

/** The VM that a caller means by an id or a name: what they may not see is not there. Present ones come first. */
export function findVm(directory: Directory, key: string, scope: Scope): DirectoryVm | undefined {
  const byId = directory.vm(key);
  if (byId && visible(scope, byId)) return byId;
  return directory.named(key).find((vm) => visible(scope, vm));
}

/** Who says that a NIC has an address, the most trusted last. A guest can make up what was only snooped. */
const TRUST = ['snooped', 'agent', 'metadata', 'lease', 'document'];
const REREAD_MS = 60_000;
const MOVED_MS = 10 * 60_000;
const MAX_NETWORK_ID = 128;
const NONE: ReadonlySet<string> = new Set();

interface Wanted {
  vms: Set<string> | 'all';
  hosts: boolean;
  documents: boolean;
  enforcement: boolean;
}
const nothing = (): Wanted => ({ vms: new Set(), hosts: false, documents: false, enforcement: false });
const everything = (): Wanted => ({ vms: 'all', hosts: true, documents: true, enforcement: true });

/** Opens a directory and reads the database once; it follows from then on. */
export async function openDirectory({ db, signals, log }: Context): Promise<Directory> {
  const rows = new Map<string, VmRow>();
  let vms = new Map<string, DirectoryVm>();
  let byName = new Map<string, DirectoryVm[]>();
  let byAddress = new Map<string, { vm: DirectoryVm; trust: number }>();
  let networks = new Map<string, Set<string>>();
  let hosts = new Map<string, HostRow>();
  let documents = { vms: new VmDocuments([]), networks: new NetworkNames([]) };
  let groups: { name: string; selection: Selection }[] = [];
  let enforcement = new Enforcement([]);
  let closed = false;
  const listeners = new Set<(before: DirectoryVm | undefined, after: DirectoryVm | undefined) => void>();

  const read = async (wanted: Wanted) => {
    if (wanted.hosts) hosts = new Map((await readHostRows(db)).map((row) => [row.id, row]));
    if (wanted.enforcement) enforcement = await readEnforcement(db);
    if (wanted.documents) {
      const found = await readInForce(db);
      documents = { vms: new VmDocuments(found.vms), networks: new NetworkNames(found.networks) };
      groups = found.groups.map((group) => ({ name: groupName(group), selection: groupSelection(group) }));
    }
    if (wanted.vms === 'all' || wanted.vms.size) {
      const ids = wanted.vms === 'all' ? null : [...wanted.vms];
      const found = await readVmRows(db, ids);
      if (ids === null) rows.clear();
      else for (const id of ids) rows.delete(id);
      for (const row of found) rows.set(row.id, row);
    }
    rebuild();
  };

  const rebuild = () => {
    const before = vms;
    [vms, byName, byAddress, networks] = [new Map(), new Map(), new Map(), new Map()];
    for (const row of rows.values()) {
      const { vm, trusted } = entry(row);
      const old = before.get(vm.id);
      // The same VM stays the same object: what was derived from it holds.
      const kept = old && JSON.stringify(old) === JSON.stringify(vm) ? old : vm;
      vms.set(vm.id, kept);
      const same = byName.get(vm.name) ?? [];
      if (vm.gone) same.push(kept);
      else same.unshift(kept);
      byName.set(vm.name, same);
      if (vm.gone) continue;
      for (const { network } of vm.nics)
        if (network !== null) networks.set(vm.host, (networks.get(vm.host) ?? new Set()).add(network));
      for (const { key, trust } of trusted) {
        const first = byAddress.get(key);
        if (!first || first.trust < trust) byAddress.set(key, { vm: kept, trust });
      }
    }
    for (const listener of listeners) {
      for (const [id, vm] of vms) if (before.get(id) !== vm) listener(before.get(id), vm);
      for (const [id, vm] of before) if (!vms.has(id)) listener(vm, undefined);
    }
  };

  const entry = (row: VmRow) => {
    const hostName = hosts.get(row.host)?.name ?? '';
    const { tenant, labels, addresses, document } = effective(row, documents.vms);
    const trusted: { key: string; trust: number }[] = [];
    const nics = row.nics.map((nic): DirectoryNic => {
      const network = documents.networks.of(hostName, nic.bridge, nic.vlan)?.slice(-MAX_NETWORK_ID) ?? null;
      const all = [
        ...nic.addresses,
        ...addresses.filter((a) => a.mac === nic.mac).map((a) => ({ ip: a.ip, source: 'document' })),
      ];
      if (network !== null)
        for (const { ip, source } of all)
          if (!ip.includes('/')) trusted.push({ key: `${network} ${ip}`, trust: TRUST.indexOf(source) });
      return {
        mac: nic.mac,
        network,
        tap: nic.tap,
        protection: nic.protection,
        reason: nic.reason,
        addresses: [...new Set(all.map((a) => a.ip))],
      };
    });
    const { id, name, title, host, state, vcpus, memory_kib: memoryKiB } = row;
    const gone = row.gone || (hosts.get(host)?.forgotten ?? false);
    const vm: DirectoryVm = {
      id,
      name,
      title,
      host,
      hostName,
      state,
      gone,
      tenant,
      labels,
      vcpus,
      memoryKiB,
      nics,
      document,
      ...enforcement.of({ id, tenant, host }),
      groups: groups
        .filter(({ selection }) => inSelection(selection, { tenant, name, labels }))
        .map((group) => group.name),
      moved:
        row.moved_from !== null && row.moved_at !== null
          ? { from: row.moved_from, at: row.moved_at.getTime() }
          : null,
    };
    return { vm, trusted };
  };

  // One reading at a time; what is asked for while one is under way is answered by the next.
  let wanted = nothing();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = async () => {
    const now = wanted;
    wanted = nothing();
    try {
      await db.outside(() => read(now));
    } catch (error) {
      merge(now);
      throw error;
    }
  };
  const merge = (more: Wanted) => {
    wanted = {
      vms: wanted.vms === 'all' || more.vms === 'all' ? 'all' : new Set([...wanted.vms, ...more.vms]),
      hosts: wanted.hosts || more.hosts,
      documents: wanted.documents || more.documents,
      enforcement: wanted.enforcement || more.enforcement,
    };
  };
  const ask = (more: Partial<Wanted>): Promise<void> => {
    merge({ ...nothing(), ...more });
    const start = () => {
      next = undefined;
      running = run().finally(() => (running = undefined));
      return running;
    };
    if (!running) return start();
    next ??= running.catch(() => undefined).then(start);
    return next;
  };
  const follow = (more: Partial<Wanted>) => {
    if (!closed) ask(more).catch((error: unknown) => log.warn({ err: error }, 'VMs could not be read again'));
  };
  const stops = [
    signals.on('inventory', ({ vms }) => follow({ vms: vms === null ? 'all' : new Set(vms) })),
    signals.on('host', () => follow({ hosts: true })),
    signals.on('enforcement', () => follow({ enforcement: true })),
    signals.on('publication', () => follow({ documents: true })),
    signals.on('documents', () => follow({ documents: true })),
    signals.on('resync', () => follow(everything())),
  ];
  const timer = setInterval(() => follow(everything()), REREAD_MS);
  timer.unref();
  await ask(everything());

  return {
    vm: (id) => vms.get(id),
    at: (network, ip) => byAddress.get(`${network} ${ip}`)?.vm,
    named: (name) => byName.get(name) ?? [],
    all: () => vms.values(),
    *hosts() {
      for (const { id, name, forgotten } of hosts.values()) if (!forgotten) yield { id, name };
    },
    hostName: (id) => hosts.get(id)?.name,
    isConnected: (host) => hosts.get(host)?.connected ?? false,
    networksOf: (host) => networks.get(host) ?? NONE,
    justMoved: (vm, from) => vm.moved?.from === from && Date.now() - vm.moved.at < MOVED_MS,
    refresh: (ids) => ask(ids ? { vms: new Set(ids) } : everything()),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      clearInterval(timer);
      for (const stop of stops) stop();
    },
  };
}

const groupName = ({ metadata: { name, tenant } }: Group) =>
  tenant === undefined ? name : `${tenant}/${name}`;
