/**
 * Domains: finding them, their XML and state, and their life from definition to end.
 */
import { array, flag, int, optional, string, uint, uuid } from './codec.ts';
import { DomainState, nameOf, STATE_REASONS, type NameIn } from './constants.ts';
import { isRemote } from './errors.ts';
import { ErrorNumber } from './constants-error.ts';
import { remote, type CallOptions, type Caller, type Procedure } from './procedure.ts';
import { domainArg, domainRef, LIST_MAX, type DomainLike, type DomainRef } from './wire.ts';

export const ConnectListAllDomains = remote(
  273,
  'connect_list_all_domains',
  { needResults: int, flags: uint },
  { domains: array(domainRef, LIST_MAX), count: uint },
);
export const DomainLookupByUuid = remote(24, 'domain_lookup_by_uuid', { uuid }, { domain: domainRef });
export const DomainLookupByName = remote(
  23,
  'domain_lookup_by_name',
  { name: string },
  { domain: domainRef },
);
export const DomainLookupById = remote(22, 'domain_lookup_by_id', { id: int }, { domain: domainRef });
export const DomainGetXmlDesc = remote(
  14,
  'domain_get_xml_desc',
  { domain: domainArg, flags: uint },
  { xml: string },
);
export const DomainGetState = remote(
  212,
  'domain_get_state',
  { domain: domainArg, flags: uint },
  { state: int, reason: int },
);
export const DomainDefineXmlFlags = remote(
  350,
  'domain_define_xml_flags',
  { xml: string, flags: uint },
  { domain: domainRef },
);
export const DomainCreateXml = remote(
  10,
  'domain_create_xml',
  { xml: string, flags: uint },
  { domain: domainRef },
);
export const DomainCreateWithFlags = remote(
  196,
  'domain_create_with_flags',
  { domain: domainArg, flags: uint },
  { domain: domainRef },
);
export const DomainUndefineFlags = remote(
  231,
  'domain_undefine_flags',
  { domain: domainArg, flags: uint },
  {},
);
export const DomainDestroyFlags = remote(234, 'domain_destroy_flags', { domain: domainArg, flags: uint }, {});
export const DomainShutdownFlags = remote(
  258,
  'domain_shutdown_flags',
  { domain: domainArg, flags: uint },
  {},
);
export const DomainReboot = remote(27, 'domain_reboot', { domain: domainArg, flags: uint }, {});
export const DomainReset = remote(245, 'domain_reset', { domain: domainArg, flags: uint }, {});
export const DomainSuspend = remote(34, 'domain_suspend', { domain: domainArg }, {});
export const DomainResume = remote(28, 'domain_resume', { domain: domainArg }, {});
export const DomainGetAutostart = remote(
  15,
  'domain_get_autostart',
  { domain: domainArg },
  { autostart: flag },
);
export const DomainSetAutostart = remote(
  29,
  'domain_set_autostart',
  { domain: domainArg, autostart: flag },
  {},
);
export const DomainIsActive = remote(150, 'domain_is_active', { domain: domainArg }, { active: flag });
export const DomainRename = remote(
  358,
  'domain_rename',
  { domain: domainArg, name: optional(string), flags: uint },
  { result: int },
);
export const DomainSetMetadata = remote(
  264,
  'domain_set_metadata',
  {
    domain: domainArg,
    type: int,
    metadata: optional(string),
    key: optional(string),
    uri: optional(string),
    flags: uint,
  },
  {},
);
export const DomainGetMetadata = remote(
  265,
  'domain_get_metadata',
  { domain: domainArg, type: int, uri: optional(string), flags: uint },
  { metadata: string },
);

/** All domains that match flags of ListDomains; without flags all. */
export async function listDomains(
  caller: Caller,
  flags = 0,
  options?: CallOptions,
): Promise<readonly DomainRef[]> {
  return (await caller.call(ConnectListAllDomains, { needResults: 1, flags }, options)).domains;
}

/** Rejects with RemoteError `noDomain` when there is none. */
export async function domainByUuid(caller: Caller, uuid: string, options?: CallOptions): Promise<DomainRef> {
  return (await caller.call(DomainLookupByUuid, { uuid }, options)).domain;
}

/** Rejects with RemoteError `noDomain` when there is none. */
export async function domainByName(caller: Caller, name: string, options?: CallOptions): Promise<DomainRef> {
  return (await caller.call(DomainLookupByName, { name }, options)).domain;
}

/** By the number of a running domain; rejects with RemoteError `noDomain` when there is none. */
export async function domainById(caller: Caller, id: number, options?: CallOptions): Promise<DomainRef> {
  return (await caller.call(DomainLookupById, { id }, options)).domain;
}

/** A domain's XML; flags of DomainXml (the live XML of a running domain unless `inactive`). */
export async function domainXml(
  caller: Caller,
  domain: DomainLike,
  flags = 0,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(DomainGetXmlDesc, { domain, flags }, options)).xml;
}

export interface DomainStatus {
  readonly state: NameIn<typeof DomainState>;
  /** By the state's own table; see STATE_REASONS. */
  readonly reason: string;
}

/** Names of a state and a reason as libvirt numbers them; also for `state.state` and `state.reason` of statistics. */
export const domainStatus = (state: number, reason: number): DomainStatus => ({
  state: nameOf(DomainState, state),
  reason: nameOf(STATE_REASONS[state] ?? {}, reason),
});

/** What a domain is doing and why. */
export async function domainState(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<DomainStatus> {
  const { state, reason } = await caller.call(DomainGetState, { domain, flags: 0 }, options);
  return domainStatus(state, reason);
}

/** Defines or redefines a persistent domain; flags of DomainDefine. */
export async function defineDomain(
  caller: Caller,
  xml: string,
  flags = 0,
  options?: CallOptions,
): Promise<DomainRef> {
  return (await caller.call(DomainDefineXmlFlags, { xml, flags }, options)).domain;
}

/** Starts a transient domain from XML; flags of DomainStart. */
export async function createDomainXml(
  caller: Caller,
  xml: string,
  flags = 0,
  options?: CallOptions,
): Promise<DomainRef> {
  return (await caller.call(DomainCreateXml, { xml, flags }, options)).domain;
}

/** Starts a defined domain; flags of DomainStart. The result carries its new id. */
export async function createDomain(
  caller: Caller,
  domain: DomainLike,
  flags = 0,
  options?: CallOptions,
): Promise<DomainRef> {
  const started = (await caller.call(DomainCreateWithFlags, { domain, flags }, options)).domain;
  // libvirt gives the name back as it was given, even when that was none
  return domain.name === undefined ? domainByUuid(caller, domain.uuid, options) : started;
}

type FlagsOnly = Procedure<{ readonly domain: DomainLike; readonly flags: number }, unknown>;

/** Most of a domain's life is a call with a domain and flags, and no result. */
const act =
  (procedure: FlagsOnly) =>
  async (caller: Caller, domain: DomainLike, flags = 0, options?: CallOptions): Promise<void> => {
    await caller.call(procedure, { domain, flags }, options);
  };

/** Removes the definition; flags of DomainUndefine. */
export const undefineDomain = act(DomainUndefineFlags);
/** Ends a domain at once, as pulling the plug; flags of DomainDestroy. */
export const destroyDomain = act(DomainDestroyFlags);
/** Asks the guest to power off; flags of DomainShutdown. Returns when asked, not when done. */
export const shutdownDomain = act(DomainShutdownFlags);
/** Asks the guest to reboot; flags of DomainReboot. */
export const rebootDomain = act(DomainReboot);
/** The reset button. */
export const resetDomain = act(DomainReset);

/** Stops the domain's CPUs. */
export async function suspendDomain(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainSuspend, { domain }, options);
}

/** Lets a suspended domain go on. */
export async function resumeDomain(caller: Caller, domain: DomainLike, options?: CallOptions): Promise<void> {
  await caller.call(DomainResume, { domain }, options);
}

export async function domainIsActive(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<boolean> {
  return (await caller.call(DomainIsActive, { domain }, options)).active;
}

/** Whether the domain starts with libvirtd. */
export async function domainAutostart(
  caller: Caller,
  domain: DomainLike,
  options?: CallOptions,
): Promise<boolean> {
  return (await caller.call(DomainGetAutostart, { domain }, options)).autostart;
}

export async function setDomainAutostart(
  caller: Caller,
  domain: DomainLike,
  autostart: boolean,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainSetAutostart, { domain, autostart }, options);
}

/** Gives a defined, not running domain another name. */
export async function renameDomain(
  caller: Caller,
  domain: DomainLike,
  name: string,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainRename, { domain, name, flags: 0 }, options);
}

/**
 * Metadata of one type (MetadataType) and, for `element`, one namespace; undefined when there is none. Flags of
 * Affect.
 */
export async function domainMetadata(
  caller: Caller,
  domain: DomainLike,
  type: number,
  uri: string | null,
  flags = 0,
  options?: CallOptions,
): Promise<string | undefined> {
  try {
    return (await caller.call(DomainGetMetadata, { domain, type, uri, flags }, options)).metadata;
  } catch (error) {
    if (isRemote(error, ErrorNumber.noDomainMetadata)) return undefined;
    throw error;
  }
}

/** Sets, or with null removes, metadata; for `element`, `key` is the prefix of namespace `uri`. Flags of Affect. */
export async function setDomainMetadata(
  caller: Caller,
  domain: DomainLike,
  change: {
    readonly type: number;
    readonly metadata: string | null;
    readonly key?: string;
    readonly uri?: string;
    readonly flags?: number;
  },
  options?: CallOptions,
): Promise<void> {
  const { type, metadata, key = null, uri = null, flags = 0 } = change;
  await caller.call(DomainSetMetadata, { domain, type, metadata, key, uri, flags }, options);
}
