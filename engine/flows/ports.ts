// Which NIC a logged packet came from or goes to: by port of the bridge first, then by MAC, then by address.
import type { Directory, LocalNic } from '../directory.ts';
import { interfaceName } from '../netlink/libc.ts';

const FORGET_AFTER = 2000;

/** Names of interfaces by index, asked of the kernel at most every two seconds each: names can change. */
export class InterfaceNames {
  readonly #known = new Map<number, { name: string; until: number }>();

  of(index: number): string {
    if (index === 0) return '';
    const now = performance.now();
    const known = this.#known.get(index);
    if (known && known.until > now) return known.name;
    const name = interfaceName(index);
    if (this.#known.size > 10_000) this.#known.clear();
    this.#known.set(index, { name, until: now + FORGET_AFTER });
    return name;
  }

  clear(): void {
    this.#known.clear();
  }
}

/** Finds NICs for packets told by port and MAC. Follows the directory's changes until closed. */
export class NicFinder {
  readonly names = new InterfaceNames();
  readonly #directory: Directory;
  readonly #undo: () => void;
  #byBridge: Map<string, LocalNic[]> | undefined;

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#undo = directory.onChange(() => {
      this.#byBridge = undefined;
      this.names.clear();
    });
  }

  /** The NIC behind this port (an interface index), if it is a tap of ours. */
  byPort(index: number): LocalNic | undefined {
    const name = this.names.of(index);
    return name === '' ? undefined : this.#directory.byTap(name);
  }

  byMac(mac: string): LocalNic | undefined {
    return mac === '' ? undefined : this.#directory.byMac(mac);
  }

  /** The only NIC with this address on the bridge (and VLAN, when `vlan` is not undefined). */
  byAddress(bridge: string, vlan: number | null | undefined, ip: string): LocalNic | undefined {
    this.#byBridge ??= indexByBridge(this.#directory.nics());
    const found = (this.#byBridge.get(`${bridge}|${ip}`) ?? []).filter(
      (n) => vlan === undefined || n.vlan === vlan,
    );
    return found.length === 1 ? found[0] : undefined;
  }

  close(): void {
    this.#undo();
  }
}

function indexByBridge(nics: readonly LocalNic[]): Map<string, LocalNic[]> {
  const index = new Map<string, LocalNic[]>();
  for (const nic of nics)
    for (const ip of nic.bridge === null ? [] : nic.addresses) {
      const key = `${nic.bridge}|${ip}`;
      const list = index.get(key);
      if (list) list.push(nic);
      else index.set(key, [nic]);
    }
  return index;
}
