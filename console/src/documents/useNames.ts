// Names that exist, for the editor to offer where a document speaks of them.
import { useMemo } from 'react';
import { usePages } from '../api/calls.ts';
import type { Names } from '../editor/schema-completion.ts';
import { useMay } from '../session/session.tsx';

export function useNames(): Names {
  const may = useMay();
  const query = { query: { limit: 1000 } };
  const groups = usePages('groups.list', query, { enabled: may('group.read') });
  const services = usePages('services.list', query, { enabled: may('service.read') });
  const tenants = usePages('tenants.list', query, { enabled: may('tenant.read') });
  const vms = usePages('vms.list', query, { enabled: may('vm.read') });
  const hosts = usePages('hosts.list', {}, { enabled: may('host.read') });
  return useMemo(() => {
    const names = (list: { metadata: { name: string } }[]) => [...new Set(list.map((d) => d.metadata.name))];
    return {
      group: names(groups.items),
      service: names(services.items),
      tenant: names(tenants.items),
      vm: vms.items.map((v) => v.name),
      host: hosts.items.map((h) => h.name),
    };
  }, [groups.items, services.items, tenants.items, vms.items, hosts.items]);
}
