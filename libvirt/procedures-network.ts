/**
 * libvirt's virtual networks: finding, defining, starting, changing them, and the DHCP leases they gave.
 */
import { array, flag, hyper, int, optional, received, string, struct, uint, uuid } from './codec.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { LIST_MAX, networkRef, type NetworkRef } from './wire.ts';

export const ConnectListAllNetworks = remote(
  283,
  'connect_list_all_networks',
  { needResults: int, flags: uint },
  { networks: array(networkRef, LIST_MAX), count: uint },
);
export const NetworkLookupByName = remote(
  46,
  'network_lookup_by_name',
  { name: string },
  { network: networkRef },
);
export const NetworkLookupByUuid = remote(47, 'network_lookup_by_uuid', { uuid }, { network: networkRef });
export const NetworkGetXmlDesc = remote(
  43,
  'network_get_xml_desc',
  { network: networkRef, flags: uint },
  { xml: string },
);
export const NetworkCreateXml = remote(40, 'network_create_xml', { xml: string }, { network: networkRef });
export const NetworkDefineXml = remote(41, 'network_define_xml', { xml: string }, { network: networkRef });
export const NetworkCreate = remote(39, 'network_create', { network: networkRef }, {});
export const NetworkDestroy = remote(42, 'network_destroy', { network: networkRef }, {});
export const NetworkUndefine = remote(49, 'network_undefine', { network: networkRef }, {});
export const NetworkIsActive = remote(152, 'network_is_active', { network: networkRef }, { active: flag });
export const NetworkGetAutostart = remote(
  44,
  'network_get_autostart',
  { network: networkRef },
  { autostart: flag },
);
export const NetworkSetAutostart = remote(
  48,
  'network_set_autostart',
  { network: networkRef, autostart: flag },
  {},
);
export const NetworkGetBridgeName = remote(
  45,
  'network_get_bridge_name',
  { network: networkRef },
  { name: string },
);
export const NetworkUpdate = remote(
  291,
  'network_update',
  { network: networkRef, command: uint, section: uint, parentIndex: int, xml: string, flags: uint },
  {},
);

const lease = received(
  struct({
    iface: string,
    expiry: hyper,
    type: int,
    mac: optional(string),
    iaid: optional(string),
    address: string,
    prefix: uint,
    hostname: optional(string),
    clientId: optional(string),
  }),
  ({ expiry, type, ...rest }): DhcpLease => ({
    ...rest,
    expiresAt: Number(expiry) * 1000,
    family: type === 0 ? 4 : 6,
  }),
);

export const NetworkGetDhcpLeases = remote(
  341,
  'network_get_dhcp_leases',
  { network: networkRef, mac: optional(string), needResults: int, flags: uint },
  { leases: array(lease, 65_536), count: uint },
);

export interface DhcpLease {
  /** The bridge. */
  readonly iface: string;
  /** Milliseconds since 1970; 0 for never. */
  readonly expiresAt: number;
  readonly family: 4 | 6;
  readonly mac: string | null;
  /** DHCPv6 identity association. */
  readonly iaid: string | null;
  readonly address: string;
  readonly prefix: number;
  /** What the guest calls itself: its word only. */
  readonly hostname: string | null;
  readonly clientId: string | null;
}

/** All networks that match flags of ListNetworks; without flags all. */
export async function listNetworks(
  caller: Caller,
  flags = 0,
  options?: CallOptions,
): Promise<readonly NetworkRef[]> {
  return (await caller.call(ConnectListAllNetworks, { needResults: 1, flags }, options)).networks;
}

/** Rejects with RemoteError `noNetwork` when there is none. */
export async function networkByName(
  caller: Caller,
  name: string,
  options?: CallOptions,
): Promise<NetworkRef> {
  return (await caller.call(NetworkLookupByName, { name }, options)).network;
}

/** Rejects with RemoteError `noNetwork` when there is none. */
export async function networkByUuid(
  caller: Caller,
  uuid: string,
  options?: CallOptions,
): Promise<NetworkRef> {
  return (await caller.call(NetworkLookupByUuid, { uuid }, options)).network;
}

/** A network's XML: live, or with flag 1 as defined. */
export async function networkXml(
  caller: Caller,
  network: NetworkRef,
  flags = 0,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(NetworkGetXmlDesc, { network, flags }, options)).xml;
}

/** Starts a transient network from XML. */
export async function createNetworkXml(
  caller: Caller,
  xml: string,
  options?: CallOptions,
): Promise<NetworkRef> {
  return (await caller.call(NetworkCreateXml, { xml }, options)).network;
}

/** Defines or redefines a persistent network. */
export async function defineNetwork(caller: Caller, xml: string, options?: CallOptions): Promise<NetworkRef> {
  return (await caller.call(NetworkDefineXml, { xml }, options)).network;
}

/** Starts a defined network. */
export async function createNetwork(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<void> {
  await caller.call(NetworkCreate, { network }, options);
}

/** Stops a network; a transient one is gone then. */
export async function destroyNetwork(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<void> {
  await caller.call(NetworkDestroy, { network }, options);
}

export async function undefineNetwork(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<void> {
  await caller.call(NetworkUndefine, { network }, options);
}

export async function networkIsActive(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<boolean> {
  return (await caller.call(NetworkIsActive, { network }, options)).active;
}

/** Whether the network starts with libvirtd. */
export async function networkAutostart(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<boolean> {
  return (await caller.call(NetworkGetAutostart, { network }, options)).autostart;
}

export async function setNetworkAutostart(
  caller: Caller,
  network: NetworkRef,
  autostart: boolean,
  options?: CallOptions,
): Promise<void> {
  await caller.call(NetworkSetAutostart, { network, autostart }, options);
}

/** The bridge behind a network; rejects when it has none. */
export async function networkBridge(
  caller: Caller,
  network: NetworkRef,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(NetworkGetBridgeName, { network }, options)).name;
}

/**
 * Changes one part of a network in place: command, section by NetworkUpdateCommand, NetworkSection; flags of
 * Affect. libvirtd before 7.2 swaps the two: they are not for it.
 */
export async function updateNetwork(
  caller: Caller,
  network: NetworkRef,
  change: {
    readonly command: number;
    readonly section: number;
    readonly xml: string;
    readonly parentIndex?: number;
    readonly flags?: number;
  },
  options?: CallOptions,
): Promise<void> {
  const { command, section, xml, parentIndex = -1, flags = 0 } = change;
  await caller.call(NetworkUpdate, { network, command, section, parentIndex, xml, flags }, options);
}

/** DHCP leases that the network's dnsmasq gave, of all NICs or one MAC. */
export async function dhcpLeases(
  caller: Caller,
  network: NetworkRef,
  mac: string | null = null,
  options?: CallOptions,
): Promise<readonly DhcpLease[]> {
  return (await caller.call(NetworkGetDhcpLeases, { network, mac, needResults: 1, flags: 0 }, options))
    .leases;
}
