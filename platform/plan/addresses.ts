// Which addresses a NIC may use: what the platform declared, what the hypervisor gave it, and, by who was first,
// what its tenant declared and what it was seen with before it was enforced. Later claims of others get nothing.
import type { ObservedAddress } from '@wocloud/protocol/reports.ts';
import { isGroupAddress, parseAddress } from '@wocloud/policy/cidr.ts';
import type { Database } from '../database/database.ts';

/** A guest may be seen with many addresses; a NIC that claims more than this is not one VM's. */
export const MAX_LEARNED = 32;

export interface NicAddresses {
  vm: string;
  mac: string;
  network: string;
  tenant: string | null;
  mode: 'observe' | 'enforce';
  reported: readonly ObservedAddress[];
  /** From its VM document. */
  declared: readonly string[];
  /** The document is a tenant's: its word counts only where nobody was first. */
  byTenant: boolean;
}

interface First {
  vm: string;
  mac: string;
  declared: boolean;
}

const nicOf = ({ vm, mac }: { vm: string; mac: string }) => `${vm}/${mac}`;
const given = ({ source }: ObservedAddress) => source === 'lease' || source === 'metadata';
const isPrefix = (text: string) => text.includes('/');

/** One address that can be a VM's own: no prefix, no group, loopback, unspecified or link-local address. */
export function learnable(ip: string): boolean {
  try {
    const address = parseAddress(ip);
    return (
      !isGroupAddress(address) &&
      !/^(0\.|127\.|255\.255\.255\.255|::1\/|::\/|fe80:)/i.test(`${address.text}/`)
    );
  } catch {
    return false;
  }
}

export class Addresses {
  /** `network ip` → who was first. */
  readonly #first = new Map<string, First>();
  /** NIC → keys of `#first` that are its. */
  readonly #own = new Map<string, Set<string>>();
  /** `network ip` → NICs that are known with it now. */
  readonly #claims = new Map<string, Set<NicAddresses>>();
  readonly #nics = new Map<string, readonly NicAddresses[]>();
  /** Network → tenant → NICs there. */
  readonly #tenants = new Map<string, Map<string | null, number>>();
  /** Network → NICs there whose tenant declared a prefix. */
  readonly #prefixed = new Map<string, Set<NicAddresses>>();
  /** Networks where a tenant came or left since the last settling. */
  readonly #mixed = new Set<string>();

  async load(db: Database): Promise<void> {
    this.#first.clear();
    this.#own.clear();
    const rows = await db.query<First & { network: string; ip: string }>(
      'SELECT network, ip, vm, mac, declared FROM first_addresses',
    );
    for (const { network, ip, ...first } of rows) this.#put(`${network} ${ip}`, first);
  }

  /** What a VM's NICs are known with now; an empty list when it is gone. */
  observe(vm: string, nics: readonly NicAddresses[]): void {
    for (const nic of this.#nics.get(vm) ?? []) {
      this.#count(nic, -1);
      for (const key of keysOf(nic)) {
        const claims = this.#claims.get(key);
        claims?.delete(nic);
        if (claims?.size === 0) this.#claims.delete(key);
      }
    }
    if (nics.length === 0) this.#nics.delete(vm);
    else this.#nics.set(vm, nics);
    for (const nic of nics) {
      this.#count(nic, 1);
      for (const key of keysOf(nic)) this.#claims.set(key, (this.#claims.get(key) ?? new Set()).add(nic));
    }
  }

  /** Settles who is first, for these VMs. Returns the VMs beside them whose addresses may have changed by it. */
  async settle(db: Database, vms: Iterable<string>): Promise<Set<string>> {
    const others = new Set<string>();
    for (const network of this.#mixed)
      for (const nic of this.#prefixed.get(network) ?? []) others.add(nic.vm);
    this.#mixed.clear();
    const drop = async (key: string) => {
      const [network, ip] = splitKey(key);
      await db.query('DELETE FROM first_addresses WHERE network = $1 AND ip = $2', [network, ip]);
      const first = this.#first.get(key);
      if (first) {
        others.add(first.vm);
        this.#own.get(nicOf(first))?.delete(key);
      }
      this.#first.delete(key);
    };
    const take = async (nic: NicAddresses, ip: string, declared: boolean) => {
      const key = `${nic.network} ${ip}`;
      if (this.#first.has(key)) await drop(key);
      await db.query(
        'INSERT INTO first_addresses (network, ip, vm, mac, declared) VALUES ($1, $2, $3, $4, $5)',
        [nic.network, ip, nic.vm, nic.mac, declared],
      );
      this.#put(key, { vm: nic.vm, mac: nic.mac, declared });
    };
    for (const vm of vms)
      for (const nic of this.#nics.get(vm) ?? []) {
        // What the hypervisor gives to a NIC is nobody else's by having been first.
        for (const { ip } of nic.reported.filter(given)) {
          const first = this.#first.get(`${nic.network} ${ip}`);
          if (first && nicOf(first) !== nicOf(nic)) await drop(`${nic.network} ${ip}`);
        }
        for (const key of [...(this.#own.get(nicOf(nic)) ?? [])])
          if (this.#first.get(key)?.declared && !(nic.byTenant && nic.declared.includes(splitKey(key)[1])))
            await drop(key);
        if (nic.byTenant)
          for (const ip of nic.declared) if (!isPrefix(ip) && this.#free(nic, ip)) await take(nic, ip, true);
        if (nic.mode !== 'observe') continue;
        for (const { ip } of nic.reported) {
          if ((this.#own.get(nicOf(nic))?.size ?? 0) >= MAX_LEARNED) break;
          if (learnable(ip) && this.#free(nic, ip)) await take(nic, ip, false);
        }
      }
    return others;
  }

  /** Everything the NIC may use as a source, sorted. */
  allowed(nic: NicAddresses): string[] {
    const alone = (this.#tenants.get(nic.network)?.size ?? 0) <= 1;
    const declared = nic.declared.filter((ip) => !nic.byTenant || (isPrefix(ip) && alone));
    const own = [...(this.#own.get(nicOf(nic)) ?? [])]
      .map(splitKey)
      .filter(([network]) => network === nic.network)
      .map(([, ip]) => ip);
    return [...new Set([...declared, ...nic.reported.filter(given).map((a) => a.ip), ...own])].sort();
  }

  /** Nobody else is known with it, and whoever was first is gone, or observed and without it by now. */
  #free(nic: NicAddresses, ip: string): boolean {
    const key = `${nic.network} ${ip}`;
    const first = this.#first.get(key);
    if (first && nicOf(first) === nicOf(nic)) return false;
    for (const claim of this.#claims.get(key) ?? []) if (nicOf(claim) !== nicOf(nic)) return false;
    if (!first) return true;
    const holder = this.#nics.get(first.vm)?.find((n) => n.mac === first.mac);
    return holder === undefined || holder.mode === 'observe';
  }

  #put(key: string, first: First): void {
    this.#first.set(key, first);
    this.#own.set(nicOf(first), (this.#own.get(nicOf(first)) ?? new Set()).add(key));
  }

  #count(nic: NicAddresses, change: 1 | -1): void {
    const tenants = this.#tenants.get(nic.network) ?? new Map<string | null, number>();
    this.#tenants.set(nic.network, tenants);
    const before = tenants.size;
    const count = (tenants.get(nic.tenant) ?? 0) + change;
    if (count > 0) tenants.set(nic.tenant, count);
    else tenants.delete(nic.tenant);
    if (tenants.size !== before) this.#mixed.add(nic.network);
    if (!nic.byTenant || !nic.declared.some(isPrefix)) return;
    const prefixed = this.#prefixed.get(nic.network) ?? new Set();
    this.#prefixed.set(nic.network, prefixed);
    if (change > 0) prefixed.add(nic);
    else prefixed.delete(nic);
  }
}

const splitKey = (key: string): [string, string] => {
  const at = key.lastIndexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
};

const keysOf = (nic: NicAddresses): Set<string> =>
  new Set([...nic.reported.map((a) => a.ip), ...nic.declared].map((ip) => `${nic.network} ${ip}`));
