// One tenant: its document, its history, and the switch that enforces on all its VMs.
import type { Stored } from '@wocloud/protocol/views.ts';
import { usePages } from '../api/calls.ts';
import { DocumentPage } from '../documents/DocumentPage.tsx';
import { EnforcementSwitch } from '../enforcement/EnforcementSwitch.tsx';
import { useMay } from '../session/session.tsx';

export default function TenantPage() {
  const may = useMay();
  return (
    <DocumentPage
      kind="Tenant"
      actions={(stored) => (may('enforcement.write') ? <Switch stored={stored} /> : null)}
    />
  );
}

function Switch({ stored }: { stored: Stored }) {
  const { name } = stored.metadata;
  const vms = usePages('vms.list', { query: { tenant: name, limit: 1000 } }, { upTo: 20_000 });
  const said = usePages('enforcement.list');
  const own = said.items.find((e) => e.scope === 'tenant' && e.name === name);
  if (!vms.loaded || !said.loaded) return null;
  return (
    <EnforcementSwitch
      scope="tenant"
      id={name}
      name={name}
      mode={own?.mode ?? 'observe'}
      vms={vms.items.length}
    />
  );
}
