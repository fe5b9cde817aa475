// What a VM counts as: the hypervisor's report, with what people wrote about it (VM documents) on top.
import type { VmSpec } from '@wocloud/protocol/resources/vm.ts';
import type { NetworkSpec } from '@wocloud/protocol/resources/network.ts';

export interface VmDocument {
  name: string;
  tenant: string | null;
  labels: Record<string, string>;
  spec: VmSpec;
}

export interface Reported {
  id: string;
  name: string;
  tenant: string | null;
  labels: Readonly<Record<string, string>>;
}

export interface Effective {
  tenant: string | null;
  /** The domain's own labels, overridden key by key. */
  labels: Record<string, string>;
  /** Addresses and prefixes people gave to its NICs. */
  addresses: readonly { mac: string; ip: string }[];
  document: VmDocument | undefined;
}

/** Documents by VM: by id first; by name only where they take the VM from no other tenant. */
export class VmDocuments {
  readonly #byId = new Map<string, VmDocument>();
  readonly #byName = new Map<string, VmDocument[]>();
  constructor(documents: Iterable<VmDocument>) {
    for (const document of documents) {
      if (document.spec.id) this.#byId.set(document.spec.id, document);
      else this.#byName.set(document.name, [...(this.#byName.get(document.name) ?? []), document]);
    }
  }
  /** The document about this VM. */
  of(vm: Reported): VmDocument | undefined {
    const named = () =>
      this.#byName
        .get(vm.name)
        ?.filter((d) => d.tenant === null || vm.tenant === null || d.tenant === vm.tenant)
        .sort((a, b) => Number(b.tenant === vm.tenant) - Number(a.tenant === vm.tenant))[0];
    return this.#byId.get(vm.id) ?? named();
  }
}

/** The report with its document on top. */
export function effective(vm: Reported, documents: VmDocuments): Effective {
  const document = documents.of(vm);
  return {
    tenant: document?.tenant ?? vm.tenant,
    labels: { ...vm.labels, ...document?.labels },
    addresses: document?.spec.addresses ?? [],
    document,
  };
}

/** Network ids by where a NIC is: a Network document's name where one lists the bridge, else one per bridge. */
export class NetworkNames {
  readonly #joined = new Map<string, string>();
  constructor(documents: Iterable<{ name: string; spec: NetworkSpec }>) {
    for (const { name, spec } of documents)
      for (const m of spec.members) this.#joined.set(segment(m.host, m.bridge, m.vlan ?? null), name);
  }
  /** `host` by name; null where the NIC is on no bridge. */
  of(host: string, bridge: string | null, vlan: number | null): string | null {
    if (bridge === null || bridge === '') return null;
    const at = segment(host, bridge, vlan);
    return this.#joined.get(at) ?? at;
  }
}

const segment = (host: string, bridge: string, vlan: number | null) =>
  `${host}/${bridge}${vlan === null ? '' : `.${vlan}`}`;
