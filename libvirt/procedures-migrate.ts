/**
 * Live migration, driven by the source's libvirtd (peer to peer), and the job that it, a backup or a save runs as.
 */
import { array, int, opaque, optional, string, uhyper, uint } from './codec.ts';
import { DomainJobType, Migrate, nameOf, type NameIn } from './constants.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, params, typedParam, type DomainLike, type Params, type TypedParam } from './wire.ts';

const COOKIE_MAX = 4_194_304;

export const DomainMigratePerform3Params = remote(
  305,
  'domain_migrate_perform3_params',
  {
    domain: domainArg,
    destination: optional(string),
    params: array(typedParam, 64),
    cookie: opaque(COOKIE_MAX),
    flags: uint,
  },
  { cookie: opaque(COOKIE_MAX) },
);
export const DomainMigrateSetMaxDowntime = remote(
  166,
  'domain_migrate_set_max_downtime',
  { domain: domainArg, downtime: uhyper, flags: uint },
  {},
);
export const DomainMigrateSetMaxSpeed = remote(
  207,
  'domain_migrate_set_max_speed',
  { domain: domainArg, bandwidth: uhyper, flags: uint },
  {},
);
export const DomainAbortJob = remote(164, 'domain_abort_job', { domain: domainArg }, {});
export const DomainGetJobStats = remote(
  298,
  'domain_get_job_stats',
  { domain: domainArg, flags: uint },
  { type: int, params: params(64) },
);

export interface MigrateRequest {
  /** The target's libvirt as the source's libvirtd reaches it, e.g. `qemu+tls://host2/system`. */
  readonly destination: string;
  /** Flags of Migrate besides peer2Peer, which is always set. */
  readonly flags?: number;
  /** Where QEMU's data goes, e.g. `tcp://10.0.0.2` or `unix:///path`. */
  readonly migrateUri?: string;
  /** Name and XML on the target, when they differ. */
  readonly name?: string;
  readonly xml?: string;
  readonly persistentXml?: string;
  /** MiB/s. */
  readonly bandwidth?: bigint;
  /** Targets (`vda`) of the disks to copy with nonSharedDisk or nonSharedInc; default: all that are writable. */
  readonly disks?: readonly string[];
  readonly disksUri?: string;
  readonly listenAddress?: string;
}

/**
 * Migrates a domain and resolves when it runs on the target. Has no deadline unless given one; giving up waiting
 * does not stop the migration, abortJob does.
 */
export async function migrateDomain(
  caller: Caller,
  domain: DomainLike,
  request: MigrateRequest,
  options: CallOptions = {},
): Promise<void> {
  const text = (field: string, value: string | undefined): TypedParam[] =>
    value === undefined ? [] : [{ field, value: { type: 'string', value } }];
  const params: TypedParam[] = [
    ...text('migrate_uri', request.migrateUri),
    ...text('destination_name', request.name),
    ...text('destination_xml', request.xml),
    ...text('persistent_xml', request.persistentXml),
    ...text('listen_address', request.listenAddress),
    ...text('disks_uri', request.disksUri),
    ...(request.disks ?? []).flatMap((disk) => text('migrate_disks', disk)),
  ];
  if (request.bandwidth !== undefined)
    params.push({ field: 'bandwidth', value: { type: 'ullong', value: request.bandwidth } });
  const flags = (request.flags ?? 0) | Migrate.peer2peer;
  const { destination } = request;
  await caller.call(
    DomainMigratePerform3Params,
    { domain, destination, params, cookie: new Uint8Array(), flags },
    { timeoutMs: Infinity, ...options },
  );
}

/** Longest pause a running migration may cause, ms. */
export async function setMigrationDowntime(
  caller: Caller,
  domain: DomainLike,
  downtimeMs: bigint,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainMigrateSetMaxDowntime, { domain, downtime: downtimeMs, flags: 0 }, options);
}

/** Bandwidth of a running migration, MiB/s. */
export async function setMigrationSpeed(
  caller: Caller,
  domain: DomainLike,
  bandwidth: bigint,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainMigrateSetMaxSpeed, { domain, bandwidth, flags: 0 }, options);
}

/** Ends the domain's running job: a migration, a backup, a save. */
export async function abortJob(caller: Caller, domain: DomainLike, options?: CallOptions): Promise<void> {
  await caller.call(DomainAbortJob, { domain }, options);
}

export interface JobStats {
  readonly type: NameIn<typeof DomainJobType>;
  /** libvirt's own names, e.g. `data_processed`. */
  readonly params: Params;
}

/** The domain's running job; flag 1 for the last completed one. */
export async function jobStats(
  caller: Caller,
  domain: DomainLike,
  flags = 0,
  options?: CallOptions,
): Promise<JobStats> {
  const { type, params } = await caller.call(DomainGetJobStats, { domain, flags }, options);
  return { type: nameOf(DomainJobType, type), params };
}
