// VM: what people say about a domain the hypervisor reports: its tenant, its labels, its addresses.
import { Type, type Static } from 'typebox';
import { Cidr, Mac, Uuid, record, resource } from '../schema.ts';

export const VmSpec = record({
  id: Type.Optional(Uuid),
  addresses: Type.Optional(
    Type.Array(record({ mac: Mac, ip: Cidr }), {
      maxItems: 1024,
      description: 'Addresses (or prefixes) a NIC may use, beside its DHCP leases',
    }),
  ),
});
export const Vm = resource(
  'VM',
  VmSpec,
  "Tenant, labels and addresses of a VM; wins over the domain's own metadata",
);
export type VmSpec = Static<typeof VmSpec>;
export type Vm = Static<typeof Vm>;
