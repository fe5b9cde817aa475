/**
 * Opening a connection on the wire, and what the host says of itself.
 */
import { array, charArray, flag, int, optional, string, struct, uhyper, uint } from './codec.ts';
import { bare, remote, type CallOptions, type Caller } from './procedure.ts';

export const AuthList = remote(66, 'auth_list', {}, { types: array(int, 20) });
export const AuthPolkit = remote(70, 'auth_polkit', {}, { complete: int });
export const ConnectSupportsFeature = remote(
  60,
  'connect_supports_feature',
  { feature: int },
  { supported: flag },
);
export const ConnectOpen = remote(1, 'connect_open', { name: optional(string), flags: uint }, {});
export const ConnectClose = bare(2, 'connect_close');
export const ConnectGetVersion = remote(4, 'connect_get_version', {}, { version: uhyper });
export const ConnectGetLibVersion = remote(157, 'connect_get_lib_version', {}, { version: uhyper });
export const ConnectGetHostname = remote(59, 'connect_get_hostname', {}, { hostname: string });
export const ConnectGetUri = remote(110, 'connect_get_uri', {}, { uri: string });
export const ConnectGetCapabilities = remote(7, 'connect_get_capabilities', {}, { xml: string });
export const ConnectGetDomainCapabilities = remote(
  342,
  'connect_get_domain_capabilities',
  {
    emulator: optional(string),
    arch: optional(string),
    machine: optional(string),
    virtType: optional(string),
    flags: uint,
  },
  { xml: string },
);
export const ConnectGetSysinfo = remote(203, 'connect_get_sysinfo', { flags: uint }, { xml: string });
export const NodeGetInfo = {
  ...remote(6, 'node_get_info', {}, {}),
  ret: struct({
    /** CPU model. */
    model: charArray(32),
    /** KiB. */
    memory: uhyper,
    /** Active CPUs. */
    cpus: int,
    mhz: int,
    numaNodes: int,
    socketsPerNode: int,
    coresPerSocket: int,
    threadsPerCore: int,
  }),
};

/** Numbers of VIR_DRV_FEATURE_* that a client asks for. */
export const Feature = { programKeepalive: 10, remoteEventCallback: 14 } as const;

/** libvirt's way to write versions as one number. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly release: number;
}
const toVersion = (packed: bigint): Version => {
  const n = Number(packed);
  return { major: Math.floor(n / 1_000_000), minor: Math.floor(n / 1_000) % 1_000, release: n % 1_000 };
};

/** The hypervisor's version, e.g. QEMU 7.2.0. */
export async function hypervisorVersion(caller: Caller, options?: CallOptions): Promise<Version> {
  return toVersion((await caller.call(ConnectGetVersion, {}, options)).version);
}

/** libvirtd's own version. */
export async function libvirtVersion(caller: Caller, options?: CallOptions): Promise<Version> {
  return toVersion((await caller.call(ConnectGetLibVersion, {}, options)).version);
}

/** The host's name as libvirt sees it. */
export async function hostname(caller: Caller, options?: CallOptions): Promise<string> {
  return (await caller.call(ConnectGetHostname, {}, options)).hostname;
}

/** The URI of the driver in use, e.g. qemu:///system. */
export async function connectUri(caller: Caller, options?: CallOptions): Promise<string> {
  return (await caller.call(ConnectGetUri, {}, options)).uri;
}

/** What host and hypervisor can do, as XML (`<capabilities>`). */
export async function capabilities(caller: Caller, options?: CallOptions): Promise<string> {
  return (await caller.call(ConnectGetCapabilities, {}, options)).xml;
}

/** What domains of one kind can have, as XML (`<domainCapabilities>`); what is left out is libvirt's default. */
export async function domainCapabilities(
  caller: Caller,
  kind: { emulator?: string; arch?: string; machine?: string; virtType?: string } = {},
  options?: CallOptions,
): Promise<string> {
  const { emulator = null, arch = null, machine = null, virtType = null } = kind;
  return (
    await caller.call(ConnectGetDomainCapabilities, { emulator, arch, machine, virtType, flags: 0 }, options)
  ).xml;
}

/** The host's SMBIOS, as XML (`<sysinfo>`). */
export async function sysinfo(caller: Caller, options?: CallOptions): Promise<string> {
  return (await caller.call(ConnectGetSysinfo, { flags: 0 }, options)).xml;
}

/** The host's CPUs and memory (`memory` in KiB). */
export function nodeInfo(caller: Caller, options?: CallOptions): Promise<NodeInfo> {
  return caller.call(NodeGetInfo, {}, options);
}

export interface NodeInfo {
  readonly model: string;
  readonly memory: bigint;
  readonly cpus: number;
  readonly mhz: number;
  readonly numaNodes: number;
  readonly socketsPerNode: number;
  readonly coresPerSocket: number;
  readonly threadsPerCore: number;
}
