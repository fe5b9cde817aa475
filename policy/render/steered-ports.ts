// Every port by which a frame can leave a bridge with an enforced NIC, and what is known of who is behind it.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Place } from './inspection.ts';
import type { BridgePort, LocalFacts } from './local.ts';
import { isDeviceName } from './names.ts';

export interface SteeredPort {
  device: string;
  /** As an element: the kernel's number when it is known. A device made anew under the same name is another one. */
  number: string;
  /** The enforced NIC behind it; null for any other port. */
  nic: Place | null;
  /** Where it is a tap: its guest's MAC without the first byte. Null for an uplink. */
  tail: string | null;
}

/** Sorted by device. */
export function steeredPorts(
  state: DesiredState,
  places: readonly Place[],
  local: LocalFacts,
): SteeredPort[] {
  const ports = new Map<string, SteeredPort>();
  const add = ({ device, index, mac }: { [K in keyof BridgePort]: BridgePort[K] | null }) => {
    if (device === null || !isDeviceName(device) || ports.has(device)) return;
    const number = index === null ? `"${device}"` : `${index}`;
    ports.set(device, { device, number, nic: null, tail: mac === null ? null : tailOf(mac) });
  };
  const unknown = (device: string) => ({ device, index: null, mac: null });
  for (const { id, bridge } of state.networks)
    (local.ports?.get(bridge) ?? local.networks.get(id)?.otherPorts.map(unknown))?.forEach(add);
  for (const place of places) {
    const tap = local.taps.get(place.nic.id);
    if (tap === undefined) continue;
    add(unknown(tap));
    const port = ports.get(tap);
    if (port) port.nic = place;
  }
  return [...ports.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
}

/** libvirt gives a tap its guest's MAC with a first byte of fe. */
const tailOf = (mac: string): string | null => (mac.startsWith('fe:') ? `00:${mac.slice(3)}` : null);
