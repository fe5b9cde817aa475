// An inspection event: one line of a gateway's EVE log, tied to the VMs whose traffic it is about.

/** EVE's event types that a gateway emits; anything else is kept as `other`. */
export const EVENT_TYPES = [
  'other',
  'alert',
  'anomaly',
  'dns',
  'drop',
  'fileinfo',
  'flow',
  'ftp',
  'http',
  'ike',
  'krb5',
  'mqtt',
  'nfs',
  'quic',
  'rdp',
  'rfb',
  'smb',
  'smtp',
  'snmp',
  'ssh',
  'stats',
  'tftp',
  'tls',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
/** What became of the packet: in mirror mode nothing is ever dropped. */
export const EVENT_ACTIONS = ['none', 'allowed', 'blocked'] as const;
export type EventAction = (typeof EVENT_ACTIONS)[number];

/** Longest `detail`; a longer one is cut between its fields and says so in itself. */
export const MAX_DETAIL = 16_384;

/**
 * Times are microseconds since the epoch, UTC. The VMs are found by the frame's MAC addresses, which the guard has
 * made trustworthy; never by IP address. Empty strings and zeros mean: not of this type, or unknown.
 */
export interface InspectionEvent {
  time: number;
  type: EventType;
  /** Instance, as `<gateway>/<number>`. */
  gateway: string;
  network: string;
  srcVm: string;
  dstVm: string;
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
  /** Suricata's flow id: the same in all events of one flow. */
  flow: bigint;
  /** Application protocol, in Suricata's words. */
  application: string;
  action: EventAction;
  /** Of alerts and drops: generator always 1. */
  signature: number;
  title: string;
  category: string;
  /** 1 (worst) to 4, as the rule says; 0 for events without. */
  priority: number;
  /** MITRE ATT&CK technique from the rule's metadata (`mitre_technique_id`). */
  technique: string;
  /** What the type is about in a few words: the DNS name, the HTTP host and path, the TLS SNI, the file's hash. */
  subject: string;
  /** The event as JSON, without what the other fields say. */
  detail: string;
}
