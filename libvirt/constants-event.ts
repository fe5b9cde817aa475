/**
 * Numbers in events, by name: which event, what happened, and why. See constants.ts for numbers without a name.
 */
import type { Names } from './constants.ts';

/** What happened to a domain. */
export const DomainLifecycle = {
  defined: 0,
  undefined: 1,
  started: 2,
  suspended: 3,
  resumed: 4,
  stopped: 5,
  shutdown: 6,
  pmsuspended: 7,
  crashed: 8,
} as const;

/** Why `defined`. */
export const DefinedDetail = {
  added: 0,
  updated: 1,
  renamed: 2,
  fromSnapshot: 3,
} as const;

/** Why `undefined`. */
export const UndefinedDetail = {
  removed: 0,
  renamed: 1,
} as const;

/** Why `started`. */
export const StartedDetail = {
  booted: 0,
  migrated: 1,
  restored: 2,
  fromSnapshot: 3,
  wakeup: 4,
} as const;

/** Why `suspended`. */
export const SuspendedDetail = {
  paused: 0,
  migrated: 1,
  ioerror: 2,
  watchdog: 3,
  restored: 4,
  fromSnapshot: 5,
  apiError: 6,
  postcopy: 7,
  postcopyFailed: 8,
} as const;

/** Why `resumed`. */
export const ResumedDetail = {
  unpaused: 0,
  migrated: 1,
  fromSnapshot: 2,
  postcopy: 3,
  postcopyFailed: 4,
} as const;

/** Why `stopped`. */
export const StoppedDetail = {
  shutdown: 0,
  destroyed: 1,
  crashed: 2,
  migrated: 3,
  saved: 4,
  failed: 5,
  fromSnapshot: 6,
} as const;

/** Why `shutdown`. */
export const ShutdownDetail = {
  finished: 0,
  guest: 1,
  host: 2,
} as const;

/** Why `pmsuspended`. */
export const PmSuspendedDetail = {
  memory: 0,
  disk: 1,
} as const;

/** Why `crashed`. */
export const CrashedDetail = {
  panicked: 0,
  crashloaded: 1,
} as const;

/** What happened to a network. */
export const NetworkLifecycle = {
  defined: 0,
  undefined: 1,
  started: 2,
  stopped: 3,
} as const;

/** What happened to a secret. */
export const SecretLifecycle = {
  defined: 0,
  undefined: 1,
} as const;

/** Whether the guest agent is there. */
export const AgentState = {
  connected: 1,
  disconnected: 2,
} as const;

/** Why the agent came or went. */
export const AgentReason = {
  unknown: 0,
  domainStarted: 1,
  channel: 2,
} as const;

/** Why a disk changed its source. */
export const DiskChangeReason = {
  changeMissingOnStart: 0,
  dropMissingOnStart: 1,
} as const;

/** Which way a tray moved. */
export const TrayChangeReason = {
  open: 0,
  close: 1,
} as const;

/** What a watchdog did. */
export const WatchdogAction = {
  none: 0,
  pause: 1,
  reset: 2,
  poweroff: 3,
  shutdown: 4,
  debug: 5,
  injectnmi: 6,
} as const;

/** What followed an I/O error. */
export const IoErrorAction = {
  none: 0,
  pause: 1,
  report: 2,
} as const;

/** Stage of a graphics connection. */
export const GraphicsPhase = {
  connect: 0,
  initialize: 1,
  disconnect: 2,
} as const;

/** The details of each lifecycle event. */
export const LIFECYCLE_DETAILS: Readonly<Record<number, Names>> = {
  [DomainLifecycle.defined]: DefinedDetail,
  [DomainLifecycle.undefined]: UndefinedDetail,
  [DomainLifecycle.started]: StartedDetail,
  [DomainLifecycle.suspended]: SuspendedDetail,
  [DomainLifecycle.resumed]: ResumedDetail,
  [DomainLifecycle.stopped]: StoppedDetail,
  [DomainLifecycle.shutdown]: ShutdownDetail,
  [DomainLifecycle.pmsuspended]: PmSuspendedDetail,
  [DomainLifecycle.crashed]: CrashedDetail,
};
