// A directory made of a literal list, for tests.
import type { Directory, LocalNic } from '../../directory.ts';

export interface FixedDirectory extends Directory {
  /** Replaces the NICs and tells whoever listens. */
  change(nics: LocalNic[]): void;
}

export function nic(part: Partial<LocalNic> & Pick<LocalNic, 'vm' | 'mac'>): LocalNic {
  return {
    id: `${part.vm}/${part.mac}`,
    name: part.vm,
    tap: null,
    bridge: null,
    vlan: null,
    network: '',
    zone: 0,
    mode: 'enforce',
    addresses: [],
    ...part,
  };
}

/** @param rules rule ids by slot */
export function fixedDirectory(nics: LocalNic[], rules: Record<number, string> = {}): FixedDirectory {
  let list = nics;
  const listeners = new Set<() => void>();
  return {
    nics: () => list,
    byMac: (mac) => list.find((n) => n.mac === mac),
    byTap: (tap) => list.find((n) => n.tap === tap),
    byAddress: (zone, ip) => list.find((n) => n.zone === zone && n.addresses.includes(ip)),
    networkOfZone: (zone) => {
      const found = list.find((n) => n.zone === zone);
      return found && { id: found.network, bridge: found.bridge ?? '', vlan: found.vlan };
    },
    rule: (slot) => rules[slot] ?? '',
    staged: () => ({ verdict: 'none', rule: '' }),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    change: (next) => {
      list = next;
      for (const listener of listeners) listener();
    },
  };
}
