/**
 * libvirt's numbers by name, as in its public headers; 9.0 and everything before. A number that a newer libvirt
 * adds has no name here: nameOf then says `unknown-<number>`, and nothing is refused for it.
 */

export type Names = Readonly<Record<string, number>>;

/** A name out of a table, or a number that has none there. */
export type NameIn<T extends Names> = (keyof T & string) | `unknown-${number}`;

const reverse = new WeakMap<Names, Map<number, string>>();

/** The name that a table gives a number. */
export function nameOf<T extends Names>(names: T, value: number): NameIn<T> {
  let map = reverse.get(names);
  if (map === undefined) {
    map = new Map(Object.entries(names).map(([name, number]) => [number, name]));
    reverse.set(names, map);
  }
  return (map.get(value) as (keyof T & string) | undefined) ?? `unknown-${value}`;
}

/** What a domain is doing. */
export const DomainState = {
  nostate: 0,
  running: 1,
  blocked: 2,
  paused: 3,
  shutdown: 4,
  shutoff: 5,
  crashed: 6,
  pmsuspended: 7,
} as const;

/** Why a domain is in state `nostate`. */
export const NostateReason = {
  unknown: 0,
} as const;

/** Why a domain is in state `running`. */
export const RunningReason = {
  unknown: 0,
  booted: 1,
  migrated: 2,
  restored: 3,
  fromSnapshot: 4,
  unpaused: 5,
  migrationCanceled: 6,
  saveCanceled: 7,
  wakeup: 8,
  crashed: 9,
  postcopy: 10,
  postcopyFailed: 11,
} as const;

/** Why a domain is in state `paused`. */
export const PausedReason = {
  unknown: 0,
  user: 1,
  migration: 2,
  save: 3,
  dump: 4,
  ioerror: 5,
  watchdog: 6,
  fromSnapshot: 7,
  shuttingDown: 8,
  snapshot: 9,
  crashed: 10,
  startingUp: 11,
  postcopy: 12,
  postcopyFailed: 13,
} as const;

/** Why a domain is in state `shutdown`. */
export const ShutdownReason = {
  unknown: 0,
  user: 1,
} as const;

/** Why a domain is in state `shutoff`. */
export const ShutoffReason = {
  unknown: 0,
  shutdown: 1,
  destroyed: 2,
  crashed: 3,
  migrated: 4,
  saved: 5,
  failed: 6,
  fromSnapshot: 7,
  daemon: 8,
} as const;

/** Why a domain is in state `crashed`. */
export const CrashedReason = {
  unknown: 0,
  panicked: 1,
} as const;

/** Why a domain is in state `pmsuspended`. */
export const PmSuspendedReason = {
  unknown: 0,
} as const;

/** The reasons of each state. */
export const STATE_REASONS: Readonly<Record<number, Names>> = {
  [DomainState.nostate]: NostateReason,
  [DomainState.running]: RunningReason,
  [DomainState.paused]: PausedReason,
  [DomainState.shutdown]: ShutdownReason,
  [DomainState.shutoff]: ShutoffReason,
  [DomainState.crashed]: CrashedReason,
  [DomainState.pmsuspended]: PmSuspendedReason,
};

/** Filters of listDomains; none means all. */
export const ListDomains = {
  active: 1,
  inactive: 2,
  persistent: 4,
  transient: 8,
  running: 16,
  paused: 32,
  shutoff: 64,
  other: 128,
  managedsave: 256,
  noManagedsave: 512,
  autostart: 1024,
  noAutostart: 2048,
  hasSnapshot: 4096,
  noSnapshot: 8192,
  hasCheckpoint: 16384,
  noCheckpoint: 32768,
} as const;

/** Flags of domainXml. */
export const DomainXml = {
  secure: 1,
  inactive: 2,
  updateCpu: 4,
  migratable: 8,
} as const;

/** Flags of createDomain and createDomainXml. */
export const DomainStart = {
  none: 0,
  paused: 1,
  autodestroy: 2,
  bypassCache: 4,
  forceBoot: 8,
  validate: 16,
  resetNvram: 32,
} as const;

/** Flags of defineDomain. */
export const DomainDefine = {
  validate: 1,
} as const;

/** Flags of undefineDomain. */
export const DomainUndefine = {
  managedSave: 1,
  snapshotsMetadata: 2,
  nvram: 4,
  keepNvram: 8,
  checkpointsMetadata: 16,
  tpm: 32,
  keepTpm: 64,
} as const;

/** Flags of destroyDomain. */
export const DomainDestroy = {
  default: 0,
  graceful: 1,
  removeLogs: 2,
} as const;

/** Flags of shutdownDomain. */
export const DomainShutdown = {
  default: 0,
  acpiPowerBtn: 1,
  guestAgent: 2,
  initctl: 4,
  signal: 8,
  paravirt: 16,
} as const;

/** Flags of rebootDomain. */
export const DomainReboot = {
  default: 0,
  acpiPowerBtn: 1,
  guestAgent: 2,
  initctl: 4,
  signal: 8,
  paravirt: 16,
} as const;

/** Whether a change is to the running domain, its definition, or (current) whichever applies. */
export const Affect = {
  current: 0,
  live: 1,
  config: 2,
} as const;

/** Groups of statistics; none means all. */
export const DomainStats = {
  state: 1,
  cpuTotal: 2,
  balloon: 4,
  vcpu: 8,
  interface: 16,
  block: 32,
  perf: 64,
  iothread: 128,
  memory: 256,
  dirtyrate: 512,
  vm: 1024,
} as const;

/** Flags of migrateDomain. */
export const Migrate = {
  live: 1,
  peer2peer: 2,
  tunnelled: 4,
  persistDest: 8,
  undefineSource: 16,
  paused: 32,
  nonSharedDisk: 64,
  nonSharedInc: 128,
  changeProtection: 256,
  unsafe: 512,
  offline: 1024,
  compressed: 2048,
  abortOnError: 4096,
  autoConverge: 8192,
  rdmaPinAll: 16384,
  postcopy: 32768,
  tls: 0x10000,
  parallel: 0x20000,
  nonSharedSynchronousWrites: 0x40000,
  postcopyResume: 0x80000,
  zerocopy: 0x100000,
} as const;

/** Which metadata of a domain. */
export const MetadataType = {
  description: 0,
  title: 1,
  element: 2,
} as const;

/** Where domainInterfaceAddresses looks. */
export const AddressSource = {
  lease: 0,
  agent: 1,
  arp: 2,
} as const;

/** Flags of createSnapshot. */
export const SnapshotCreate = {
  redefine: 1,
  current: 2,
  noMetadata: 4,
  halt: 8,
  diskOnly: 16,
  reuseExt: 32,
  quiesce: 64,
  atomic: 128,
  live: 256,
  validate: 512,
} as const;

/** Flags of deleteSnapshot. */
export const SnapshotDelete = {
  children: 1,
  metadataOnly: 2,
  childrenOnly: 4,
} as const;

/** Flags of revertToSnapshot. */
export const SnapshotRevert = {
  running: 1,
  paused: 2,
  force: 4,
  resetNvram: 8,
} as const;

/** Flags of createCheckpoint. */
export const CheckpointCreate = {
  redefine: 1,
  quiesce: 2,
  redefineValidate: 4,
} as const;

/** Flags of deleteCheckpoint. */
export const CheckpointDelete = {
  children: 1,
  metadataOnly: 2,
  childrenOnly: 4,
} as const;

/** Flags of beginBackup. */
export const BackupBegin = {
  reuseExternal: 1,
} as const;

/** Kinds of block jobs. */
export const BlockJobType = {
  unknown: 0,
  pull: 1,
  copy: 2,
  commit: 3,
  activeCommit: 4,
  backup: 5,
} as const;

/** How a block job stands, in its events. */
export const BlockJobStatus = {
  completed: 0,
  failed: 1,
  canceled: 2,
  ready: 3,
} as const;

/** Flags of abortBlockJob. */
export const BlockJobAbort = {
  async: 1,
  pivot: 2,
} as const;

/** Flags of commitBlock. */
export const BlockCommit = {
  shallow: 1,
  delete: 2,
  active: 4,
  relative: 8,
  bandwidthBytes: 16,
} as const;

/** Flags of copyBlock. */
export const BlockCopy = {
  shallow: 1,
  reuseExt: 2,
  transientJob: 4,
  synchronousWrites: 8,
} as const;

/** How a job of a domain (migration, backup, save) stands. */
export const DomainJobType = {
  none: 0,
  bounded: 1,
  unbounded: 2,
  completed: 3,
  failed: 4,
  cancelled: 5,
} as const;

/** Filters of listNetworks; none means all. */
export const ListNetworks = {
  inactive: 1,
  active: 2,
  persistent: 4,
  transient: 8,
  autostart: 16,
  noAutostart: 32,
} as const;

/** What updateNetwork does. */
export const NetworkUpdateCommand = {
  none: 0,
  modify: 1,
  delete: 2,
  addLast: 3,
  addFirst: 4,
} as const;

/** Which part of a network updateNetwork changes. */
export const NetworkSection = {
  none: 0,
  bridge: 1,
  domain: 2,
  ip: 3,
  ipDhcpHost: 4,
  ipDhcpRange: 5,
  forward: 6,
  forwardInterface: 7,
  forwardPf: 8,
  portgroup: 9,
  dnsHost: 10,
  dnsTxt: 11,
  dnsSrv: 12,
} as const;

/** What a secret is for. */
export const SecretUsage = {
  none: 0,
  volume: 1,
  ceph: 2,
  iscsi: 3,
  tls: 4,
  vtpm: 5,
} as const;

/** Flags of openConsole. */
export const ConsoleFlag = {
  force: 1,
  safe: 2,
} as const;

/** How a monitor event name is matched. */
export const MonitorEventFlag = {
  regex: 1,
  nocase: 2,
} as const;

/** Names of domainMemoryStats. */
export const MemoryStat = {
  swapIn: 0,
  swapOut: 1,
  majorFault: 2,
  minorFault: 3,
  unused: 4,
  available: 5,
  actualBalloon: 6,
  rss: 7,
  usable: 8,
  lastUpdate: 9,
  diskCaches: 10,
  hugetlbPgalloc: 11,
  hugetlbPgfail: 12,
  nr: 13,
} as const;

/** Address families of leases and interface addresses. */
export const IpAddressType = {
  ipv4: 0,
  ipv6: 1,
} as const;
