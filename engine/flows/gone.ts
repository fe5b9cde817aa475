// NICs that have gone but whose connections have not ended yet: their last records still belong to them.
import type { Directory, LocalNic } from '../directory.ts';

/** ms. Longer than what the kernel keeps of most connections. */
const REMEMBER = 3_600_000;
const MAX_GONE = 4096;

export class GoneNics {
  readonly #directory: Directory;
  readonly #undo: () => void;
  #present: Map<string, LocalNic>;
  /** By id, oldest first. */
  readonly #gone = new Map<string, { nic: LocalNic; since: number }>();

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#present = new Map(directory.nics().map((nic) => [nic.id, nic]));
    this.#undo = directory.onChange(() => this.#compare());
  }

  #compare(): void {
    const now = performance.now();
    const present = new Map(this.#directory.nics().map((nic) => [nic.id, nic]));
    for (const [id, nic] of this.#present) if (!present.has(id)) this.#gone.set(id, { nic, since: now });
    for (const id of present.keys()) this.#gone.delete(id);
    for (const [id, { since }] of this.#gone) {
      if (now - since < REMEMBER && this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(id);
    }
    this.#present = present;
  }

  /** The one that had this address in this zone, last. */
  byAddress(zone: number, ip: string): LocalNic | undefined {
    return this.#find((nic) => nic.zone === zone && has(nic, ip));
  }

  /** The one that had this address on this bridge and VLAN, last. */
  onSegment(bridge: string, vlan: number | null, ip: string): LocalNic | undefined {
    return this.#find((nic) => nic.bridge === bridge && nic.vlan === vlan && has(nic, ip));
  }

  /** The one that had this address, wherever: for what the host routed. */
  anywhere(ip: string): LocalNic | undefined {
    return this.#find((nic) => has(nic, ip));
  }

  #find(is: (nic: LocalNic) => boolean): LocalNic | undefined {
    let found: LocalNic | undefined;
    if (this.#gone.size > 0) for (const { nic } of this.#gone.values()) if (is(nic)) found = nic;
    return found;
  }

  close(): void {
    this.#undo();
  }
}

const has = (nic: LocalNic, ip: string) =>
  nic.addresses.some((a) => a === ip || a === `${ip}/32` || a === `${ip}/128`);
