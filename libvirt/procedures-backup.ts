/**
 * Backups of running domains (pull: an NBD server on a unix socket; push: into files) and checkpoints.
 */
import { array, int, optional, string, uint } from './codec.ts';
import { ErrorNumber } from './constants-error.ts';
import { isRemote } from './errors.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, LIST_MAX, snapshotRef, type DomainLike, type SnapshotRef } from './wire.ts';

/** A checkpoint is referred to as a snapshot is: name and domain. */
export type CheckpointRef = SnapshotRef;

export const DomainBackupBegin = remote(
  421,
  'domain_backup_begin',
  { domain: domainArg, backupXml: string, checkpointXml: optional(string), flags: uint },
  {},
);
export const DomainBackupGetXmlDesc = remote(
  422,
  'domain_backup_get_xml_desc',
  { domain: domainArg, flags: uint },
  { xml: string },
);
export const DomainCheckpointCreateXml = remote(
  411,
  'domain_checkpoint_create_xml',
  { domain: domainArg, xml: string, flags: uint },
  { checkpoint: snapshotRef },
);
export const DomainCheckpointGetXmlDesc = remote(
  412,
  'domain_checkpoint_get_xml_desc',
  { checkpoint: snapshotRef, flags: uint },
  { xml: string },
);
export const DomainListAllCheckpoints = remote(
  413,
  'domain_list_all_checkpoints',
  { domain: domainArg, needResults: int, flags: uint },
  { checkpoints: array(snapshotRef, LIST_MAX), count: int },
);
export const DomainCheckpointLookupByName = remote(
  415,
  'domain_checkpoint_lookup_by_name',
  { domain: domainArg, name: string, flags: uint },
  { checkpoint: snapshotRef },
);
export const DomainCheckpointDelete = remote(
  417,
  'domain_checkpoint_delete',
  { checkpoint: snapshotRef, flags: uint },
  {},
);

/**
 * Begins a backup by `<domainbackup>` XML, optionally with a checkpoint of the same instant; flags of BackupBegin.
 * It runs as the domain's job: abortJob ends it (a pull backup has no other end), `domain-job-completed` tells.
 */
export async function beginBackup(
  caller: Caller,
  domain: DomainLike,
  backupXml: string,
  checkpointXml: string | null = null,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainBackupBegin, { domain, backupXml, checkpointXml, flags }, options);
}

/** The running backup as XML, with what libvirt filled in; undefined when none runs. */
export async function backupXml(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<string | undefined> {
  try {
    return (await caller.call(DomainBackupGetXmlDesc, { domain, flags: 0 }, options)).xml;
  } catch (error) {
    if (isRemote(error, ErrorNumber.noDomainBackup)) return undefined;
    throw error;
  }
}

/** Flags of CheckpointCreate. */
export async function createCheckpoint(
  caller: Caller,
  domain: DomainLike,
  xml: string,
  flags = 0,
  options?: CallOptions,
): Promise<CheckpointRef> {
  return (await caller.call(DomainCheckpointCreateXml, { domain, xml, flags }, options)).checkpoint;
}

export async function listCheckpoints(
  caller: Caller,
  domain: DomainLike,
  flags = 0,
  options?: CallOptions,
): Promise<readonly CheckpointRef[]> {
  return (await caller.call(DomainListAllCheckpoints, { domain, needResults: 1, flags }, options))
    .checkpoints;
}

/** Rejects with RemoteError `noDomainCheckpoint` when there is none. */
export async function checkpointByName(
  caller: Caller,
  domain: DomainLike,
  name: string,
  options?: CallOptions,
): Promise<CheckpointRef> {
  return (await caller.call(DomainCheckpointLookupByName, { domain, name, flags: 0 }, options)).checkpoint;
}

export async function checkpointXml(
  caller: Caller,
  checkpoint: CheckpointRef,
  flags = 0,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(DomainCheckpointGetXmlDesc, { checkpoint, flags }, options)).xml;
}

/** Flags of CheckpointDelete. */
export async function deleteCheckpoint(
  caller: Caller,
  checkpoint: CheckpointRef,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainCheckpointDelete, { checkpoint, flags }, options);
}
