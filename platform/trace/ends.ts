// The ends of a trace as people name them: a VM (name or id), an address, or a host (`host/NAME`; `host`: the
// one the other end runs on).
import type { InventoryNic, InventoryVm, World } from '@wocloud/policy/model.ts';
import { nicId } from '@wocloud/policy/model.ts';
import type { End } from '@wocloud/policy/decide.ts';
import { parseAddress } from '@wocloud/policy/cidr.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import { PlatformError } from '../errors.ts';

export interface Attachment {
  end: End;
  vm: InventoryVm | null;
  nic: InventoryNic | null;
}

export interface Sight {
  /** VMs the caller may name. */
  mine(vm: InventoryVm): boolean;
  /** Host id by name or id; undefined where the caller may not know hosts. */
  host(name: string): string | undefined;
}

/** Stands for whichever address of its own a host answers on. */
const ANY_ADDRESS = '0.0.0.0';

const isAddress = (text: string): boolean => {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
};

/** Every way `text` can be an end; `network` keeps to one. Throws not-found with the nearest name. */
export function endsNamed(
  world: World,
  sight: Sight,
  text: string,
  network: string | undefined,
): Attachment[] {
  const on = (nic: InventoryNic) => network === undefined || nic.network === network;
  if (text === 'host' || text.startsWith('host/')) {
    const name = text.slice(5);
    const host = name === '' ? '' : sight.host(name);
    if (host === undefined) throw new PlatformError('not-found', `There is no host "${name}".`);
    return [{ end: { host, address: ANY_ADDRESS }, vm: null, nic: null }];
  }
  const vms = world.vms.filter(sight.mine);
  if (isAddress(text)) {
    const address = parseAddress(text).text;
    const owners = vms.flatMap((vm) =>
      vm.nics
        .filter(
          (nic) =>
            on(nic) && nic.addresses.some((own) => isAddress(own) && parseAddress(own).text === address),
        )
        .map((nic) => ({ end: { nic: nicId(vm.id, nic.mac), address }, vm, nic })),
    );
    return owners.length > 0 ? owners : [{ end: { address }, vm: null, nic: null }];
  }
  const named = vms.filter((vm) => vm.id === text || vm.name === text);
  if (named.length === 0) {
    const hint = nearest(
      text,
      vms.map((vm) => vm.name),
    );
    throw new PlatformError('not-found', `There is no VM "${text}".${hint ? ` Did you mean ${hint}?` : ''}`);
  }
  const found = named.flatMap((vm) =>
    vm.nics.filter(on).map((nic) => ({ end: { nic: nicId(vm.id, nic.mac) }, vm, nic })),
  );
  if (found.length === 0 && network !== undefined)
    throw new PlatformError('bad-request', `${text} has no NIC on network ${network}.`);
  // A VM whose NICs cannot be guarded is there all the same: its traffic is nobody's to decide.
  return found.length > 0 ? found : named.slice(0, 1).map((vm) => ({ end: { address: '' }, vm, nic: null }));
}

/** The pair to trace: two NICs of one network when there are such, else the first of each. */
export function choosePair(from: readonly Attachment[], to: readonly Attachment[]): [Attachment, Attachment] {
  for (const a of from)
    for (const b of to)
      if (a.nic && b.nic && a.nic.network === b.nic.network && a.nic !== b.nic) return [a, b];
  return [from[0] as Attachment, to[0] as Attachment];
}
