/**
 * Statistics: all domains in one call, and single interfaces, disks and memory.
 */
import { array, hyper, int, string, struct, uhyper, uint } from './codec.ts';
import { MemoryStat, nameOf } from './constants.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import {
  domainArg,
  domainRef,
  LIST_MAX,
  params,
  type DomainLike,
  type DomainRef,
  type Params,
} from './wire.ts';

export const ConnectGetAllDomainStats = remote(
  344,
  'connect_get_all_domain_stats',
  { domains: array(domainArg, LIST_MAX), stats: uint, flags: uint },
  { records: array(struct({ domain: domainRef, params: params(262_144) }), LIST_MAX) },
);
export const DomainInterfaceStats = remote(
  65,
  'domain_interface_stats',
  { domain: domainArg, device: string },
  {
    rxBytes: hyper,
    rxPackets: hyper,
    rxErrors: hyper,
    rxDrops: hyper,
    txBytes: hyper,
    txPackets: hyper,
    txErrors: hyper,
    txDrops: hyper,
  },
);
export const DomainBlockStats = remote(
  64,
  'domain_block_stats',
  { domain: domainArg, path: string },
  { readRequests: hyper, readBytes: hyper, writeRequests: hyper, writeBytes: hyper, errors: hyper },
);
export const DomainMemoryStats = remote(
  159,
  'domain_memory_stats',
  { domain: domainArg, maxStats: uint, flags: uint },
  { stats: array(struct({ tag: int, value: uhyper }), 1024) },
);

export interface DomainStatsRecord {
  readonly domain: DomainRef;
  /** libvirt's own names, e.g. `state.state`, `cpu.time`, `net.0.rx.bytes`. */
  readonly params: Params;
}

/**
 * Statistics of many domains at once: groups of DomainStats (0: all), and flags of ListDomains to choose which
 * domains; or exactly those in `domains`.
 */
export async function allDomainStats(
  caller: Caller,
  request: {
    readonly stats?: number;
    readonly flags?: number;
    readonly domains?: readonly DomainLike[];
  } = {},
  options?: CallOptions,
): Promise<readonly DomainStatsRecord[]> {
  const { stats = 0, flags = 0, domains = [] } = request;
  return (await caller.call(ConnectGetAllDomainStats, { domains, stats, flags }, options)).records;
}

/** One NIC's counters, by the host's name of it (the tap) or its MAC. -1 where the host does not count. */
export interface InterfaceStats {
  readonly rxBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxErrors: bigint;
  readonly rxDrops: bigint;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  readonly txDrops: bigint;
}

export function interfaceStats(
  caller: Caller,
  domain: DomainLike,
  device: string,
  options?: CallOptions,
): Promise<InterfaceStats> {
  return caller.call(DomainInterfaceStats, { domain, device }, options);
}

export interface BlockStats {
  readonly readRequests: bigint;
  readonly readBytes: bigint;
  readonly writeRequests: bigint;
  readonly writeBytes: bigint;
  readonly errors: bigint;
}

/** One disk's counters, by target name (`vda`) or source path. */
export function blockStats(
  caller: Caller,
  domain: DomainLike,
  path: string,
  options?: CallOptions,
): Promise<BlockStats> {
  return caller.call(DomainBlockStats, { domain, path }, options);
}

/** Memory by the names of MemoryStat, in KiB (faults in counts); only what QEMU and the balloon driver know. */
export async function memoryStats(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<Readonly<Record<string, bigint>>> {
  const { stats } = await caller.call(DomainMemoryStats, { domain, maxStats: 64, flags: 0 }, options);
  return Object.fromEntries(stats.map(({ tag, value }) => [nameOf(MemoryStat, tag), value]));
}
