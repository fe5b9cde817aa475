/**
 * Snapshots of domains.
 */
import { array, flag, int, string, uint } from './codec.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, LIST_MAX, snapshotRef, type DomainLike, type SnapshotRef } from './wire.ts';

export const DomainSnapshotCreateXml = remote(
  185,
  'domain_snapshot_create_xml',
  { domain: domainArg, xml: string, flags: uint },
  { snapshot: snapshotRef },
);
export const DomainListAllSnapshots = remote(
  274,
  'domain_list_all_snapshots',
  { domain: domainArg, needResults: int, flags: uint },
  { snapshots: array(snapshotRef, LIST_MAX), count: int },
);
export const DomainSnapshotLookupByName = remote(
  189,
  'domain_snapshot_lookup_by_name',
  { domain: domainArg, name: string, flags: uint },
  { snapshot: snapshotRef },
);
export const DomainHasCurrentSnapshot = remote(
  190,
  'domain_has_current_snapshot',
  { domain: domainArg, flags: uint },
  { has: flag },
);
export const DomainSnapshotCurrent = remote(
  191,
  'domain_snapshot_current',
  { domain: domainArg, flags: uint },
  { snapshot: snapshotRef },
);
export const DomainSnapshotGetXmlDesc = remote(
  186,
  'domain_snapshot_get_xml_desc',
  { snapshot: snapshotRef, flags: uint },
  { xml: string },
);
export const DomainRevertToSnapshot = remote(
  192,
  'domain_revert_to_snapshot',
  { snapshot: snapshotRef, flags: uint },
  {},
);
export const DomainSnapshotDelete = remote(
  193,
  'domain_snapshot_delete',
  { snapshot: snapshotRef, flags: uint },
  {},
);

/** Takes a snapshot; flags of SnapshotCreate. With memory it can take long: mind the deadline. */
export async function createSnapshot(
  caller: Caller,
  domain: DomainLike,
  xml: string,
  flags = 0,
  options?: CallOptions,
): Promise<SnapshotRef> {
  return (await caller.call(DomainSnapshotCreateXml, { domain, xml, flags }, options)).snapshot;
}

/** A domain's snapshots; flags of virDomainSnapshotListFlags. */
export async function listSnapshots(
  caller: Caller,
  domain: DomainLike,
  flags = 0,
  options?: CallOptions,
): Promise<readonly SnapshotRef[]> {
  return (await caller.call(DomainListAllSnapshots, { domain, needResults: 1, flags }, options)).snapshots;
}

/** Rejects with RemoteError `noDomainSnapshot` when there is none. */
export async function snapshotByName(
  caller: Caller,
  domain: DomainLike,
  name: string,
  options?: CallOptions,
): Promise<SnapshotRef> {
  return (await caller.call(DomainSnapshotLookupByName, { domain, name, flags: 0 }, options)).snapshot;
}

/** The snapshot that the domain's state builds on; undefined when none does. */
export async function currentSnapshot(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<SnapshotRef | undefined> {
  const { has } = await caller.call(DomainHasCurrentSnapshot, { domain, flags: 0 }, options);
  if (!has) return undefined;
  return (await caller.call(DomainSnapshotCurrent, { domain, flags: 0 }, options)).snapshot;
}

export async function snapshotXml(
  caller: Caller,
  snapshot: SnapshotRef,
  flags = 0,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(DomainSnapshotGetXmlDesc, { snapshot, flags }, options)).xml;
}

/** Puts the domain back; flags of SnapshotRevert. */
export async function revertToSnapshot(
  caller: Caller,
  snapshot: SnapshotRef,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainRevertToSnapshot, { snapshot, flags }, options);
}

/** Deletes a snapshot; flags of SnapshotDelete. */
export async function deleteSnapshot(
  caller: Caller,
  snapshot: SnapshotRef,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainSnapshotDelete, { snapshot, flags }, options);
}
