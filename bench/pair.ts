/** Two VMs of one tenant on one bridge, as the planner and the renderer see them: what traffic is measured between. */
import type { Documents } from '@wocloud/policy/model.ts';
import { Planner } from '@wocloud/policy/plan.ts';
import { assignSlots, ruleIds, type LocalFacts } from '@wocloud/policy/render/local.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';

export const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02'] as const;
export const BRIDGE_MAC = '02:00:00:00:00:01';

/** Their host's desired state under these documents. VM i is 10.0.0.(i + 1). */
export function pairState(documents: Partial<Documents>): DesiredState {
  const planner = new Planner();
  planner.setHostNetworks('h', [{ id: 'n', name: 'n', bridge: 'br0', vlan: null, zone: 1 }]);
  MACS.forEach((mac, i) =>
    planner.upsertVm({
      id: `00000000-0000-4000-8000-00000000000${i}`,
      name: `vm${i}`,
      host: 'h',
      tenant: 'acme',
      labels: {},
      mode: 'enforce',
      nics: [{ mac, network: 'n', addresses: [`10.0.0.${i + 1}`] }],
    }),
  );
  planner.setDocuments({ tenants: [], groups: [], services: [], policies: [], ...documents });
  return planner.desired('h', 1);
}

/** Taps tap0 and tap1 on bridge br0. */
export const pairFacts = (state: DesiredState): LocalFacts => ({
  taps: new Map(state.nics.map((nic, i) => [nic.id, `tap${i}`])),
  networks: new Map([['n', { interfaces: [{ name: 'br0', mac: BRIDGE_MAC }], otherPorts: [] }]]),
  slots: assignSlots(new Map(), ruleIds(state), 0).slots,
});
