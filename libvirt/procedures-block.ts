/**
 * Block jobs: copying, committing and pulling disk images under a running domain.
 */
import { array, flag, int, optional, string, uhyper, uint } from './codec.ts';
import { BlockJobType, nameOf, type NameIn } from './constants.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, typedParam, type DomainLike, type TypedParam } from './wire.ts';

const ofDisk = { domain: domainArg, disk: string, flags: uint };

export const DomainGetBlockJobInfo = remote(238, 'domain_get_block_job_info', ofDisk, {
  found: flag,
  type: int,
  bandwidth: uhyper,
  current: uhyper,
  end: uhyper,
});
export const DomainBlockJobAbort = remote(237, 'domain_block_job_abort', ofDisk, {});
export const DomainBlockCommit = remote(
  290,
  'domain_block_commit',
  {
    domain: domainArg,
    disk: string,
    base: optional(string),
    top: optional(string),
    bandwidth: uhyper,
    flags: uint,
  },
  {},
);
export const DomainBlockPull = remote(
  240,
  'domain_block_pull',
  { domain: domainArg, disk: string, bandwidth: uhyper, flags: uint },
  {},
);
export const DomainBlockCopy = remote(
  345,
  'domain_block_copy',
  { domain: domainArg, disk: string, destinationXml: string, params: array(typedParam, 16), flags: uint },
  {},
);
export const DomainBlockJobSetSpeed = remote(
  239,
  'domain_block_job_set_speed',
  { domain: domainArg, disk: string, bandwidth: uhyper, flags: uint },
  {},
);

export interface BlockJob {
  readonly type: NameIn<typeof BlockJobType>;
  /** MiB/s; 0 for no limit. */
  readonly bandwidth: bigint;
  /** How far, out of what; equal when it only mirrors further. */
  readonly current: bigint;
  readonly end: bigint;
}

/** The job on a disk (`vda`); undefined when there is none. */
export async function blockJob(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  options?: CallOptions,
): Promise<BlockJob | undefined> {
  const { found, type, ...rest } = await caller.call(
    DomainGetBlockJobInfo,
    { domain, disk, flags: 0 },
    options,
  );
  return found ? { type: nameOf(BlockJobType, type), ...rest } : undefined;
}

/** Ends a disk's job; flags of BlockJobAbort (pivot switches a copy or active commit over to its result). */
export async function abortBlockJob(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainBlockJobAbort, { domain, disk, flags }, options);
}

/** Commits `top` (default: the active image) down into `base` (default: the lowest); flags of BlockCommit. */
export async function commitBlock(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  request: {
    readonly base?: string;
    readonly top?: string;
    readonly bandwidth?: bigint;
    readonly flags?: number;
  } = {},
  options?: CallOptions,
): Promise<void> {
  const { base = null, top = null, bandwidth = 0n, flags = 0 } = request;
  await caller.call(DomainBlockCommit, { domain, disk, base, top, bandwidth, flags }, options);
}

/** Pulls all backing images up into the active one. */
export async function pullBlock(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  bandwidth = 0n,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainBlockPull, { domain, disk, bandwidth, flags }, options);
}

/** Begins to mirror a disk to where `<disk>` XML says; flags of BlockCopy. */
export async function copyBlock(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  destinationXml: string,
  request: { readonly params?: readonly TypedParam[]; readonly flags?: number } = {},
  options?: CallOptions,
): Promise<void> {
  const { params = [], flags = 0 } = request;
  await caller.call(DomainBlockCopy, { domain, disk, destinationXml, params, flags }, options);
}

/** Limits a running job, MiB/s; 0 lifts the limit. */
export async function setBlockJobSpeed(
  caller: Caller,
  domain: DomainLike,
  disk: string,
  bandwidth: bigint,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainBlockJobSetSpeed, { domain, disk, bandwidth, flags: 0 }, options);
}
