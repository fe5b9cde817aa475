// Names the filter bar can complete: what is in the inventory and in the policies.
import { useMemo } from 'react';
import { usePages } from '../api/calls.ts';
import { useMay } from '../session/session.tsx';
import type { KnownValues } from './completion.ts';

export function useKnownValues(): KnownValues {
  const may = useMay();
  const vms = usePages('vms.list', { query: { limit: 1000 } }, { enabled: may('vm.read') });
  const hosts = usePages('hosts.list', {}, { enabled: may('host.read') });
  const policies = usePages('policies.list', { query: { limit: 1000 } }, { enabled: may('policy.read') });
  const instances = usePages('instances.list', {}, { enabled: may('gateway.read') });
  const networks = usePages('networks.list', {}, { enabled: may('network.read') });
  return useMemo(() => {
    const names = vms.items.map((v) => v.name);
    const rules = policies.items.flatMap((p) => {
      const spec = p.spec as { rules?: { name: string }[] };
      return (spec.rules ?? []).map((r) => `${p.metadata.tenant ?? '-'}/${p.metadata.name}/${r.name}`);
    });
    return {
      vm: names,
      from: names,
      to: names,
      host: hosts.items.map((h) => h.name),
      tenant: [...new Set(vms.items.flatMap((v) => (v.tenant ? [v.tenant] : [])))],
      network: [
        ...new Set([
          ...networks.items.map((n) => n.metadata.name),
          ...vms.items.flatMap((v) => v.nics.flatMap((n) => (n.network ? [n.network] : []))),
        ]),
      ],
      gateway: [...new Set(instances.items.flatMap((i) => [i.gateway, i.id]))],
      rule: [...rules, 'default/within', 'default/between', 'default/ingress', 'default/egress'],
    };
  }, [vms.items, hosts.items, policies.items, networks.items, instances.items]);
}
