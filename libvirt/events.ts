/**
 * Events: what can be subscribed to, how each is asked for, and how its message reads. An event's `kind` tells
 * its fields; names are those of constants-event.ts.
 */
import {
  array,
  hyper,
  int,
  optional,
  received,
  string,
  struct,
  uhyper,
  uint,
  type Codec,
  type Value,
} from './codec.ts';
import { nameOf, BlockJobStatus, BlockJobType, MetadataType } from './constants.ts';
import * as E from './constants-event.ts';
import type { Frame } from './frame.ts';
import { qemu, QEMU_PROGRAM, remote, REMOTE_PROGRAM, type CallOptions, type Caller } from './procedure.ts';
import { domainRef, networkRef, params, secretRef } from './wire.ts';
import { XdrReader } from './xdr.ts';

export const DomainEventRegister = remote(
  316,
  'connect_domain_event_callback_register_any',
  { eventId: int, domain: optional(domainRef) },
  { callbackId: int },
);
export const DomainEventDeregister = remote(
  317,
  'connect_domain_event_callback_deregister_any',
  { callbackId: int },
  {},
);
export const NetworkEventRegister = remote(
  313,
  'connect_network_event_register_any',
  { eventId: int, network: optional(networkRef) },
  { callbackId: int },
);
export const NetworkEventDeregister = remote(
  314,
  'connect_network_event_deregister_any',
  { callbackId: int },
  {},
);
export const SecretEventRegister = remote(
  380,
  'connect_secret_event_register_any',
  { eventId: int, secret: optional(secretRef) },
  { callbackId: int },
);
export const SecretEventDeregister = remote(
  381,
  'connect_secret_event_deregister_any',
  { callbackId: int },
  {},
);
export const MonitorEventRegister = qemu(
  4,
  'connect_domain_monitor_event_register',
  { domain: optional(domainRef), event: optional(string), flags: uint },
  { callbackId: int },
);
export const MonitorEventDeregister = qemu(
  5,
  'connect_domain_monitor_event_deregister',
  { callbackId: int },
  {},
);

type Of = 'domain' | 'network' | 'secret';

interface EventType<T> {
  readonly of: Of | 'monitor';
  /** libvirt's number of the event, to ask for it. */
  readonly id: number;
  /** The procedure its messages carry. */
  readonly procedure: number;
  readonly codec: Codec<T>;
}

const domain = { callbackId: int, domain: domainRef };

function event<const F extends Readonly<Record<string, Codec<unknown>>>, T>(
  of: Of,
  id: number,
  procedure: number,
  fields: F,
  read: (wire: { readonly [K in keyof F]: Value<F[K]> }) => T,
): EventType<T> {
  return { of, id, procedure, codec: received(struct(fields), read) };
}

const device = (
  id: number,
  procedure: number,
): EventType<{ domain: Value<typeof domainRef>; alias: string }> =>
  event('domain', id, procedure, { ...domain, alias: string }, ({ domain, alias }) => ({ domain, alias }));

const plain = (id: number, procedure: number): EventType<{ domain: Value<typeof domainRef> }> =>
  event('domain', id, procedure, domain, ({ domain }) => ({ domain }));

/** Power-management events carry a reason, before the domain, that is always 0. */
const power = (id: number, procedure: number): EventType<{ domain: Value<typeof domainRef> }> =>
  event('domain', id, procedure, { callbackId: int, reason: int, domain: domainRef }, ({ domain }) => ({
    domain,
  }));

const graphicsAddress = struct({ family: int, node: string, service: string });

const blockJob = (id: number, procedure: number) =>
  event(
    'domain',
    id,
    procedure,
    { ...domain, disk: string, type: int, status: int },
    ({ domain, disk, type, status }) => ({
      domain,
      /** Path (`block-job`) or target name (`block-job-2`). */
      disk,
      type: nameOf(BlockJobType, type),
      status: nameOf(BlockJobStatus, status),
    }),
  );

export const EVENT_TYPES = {
  'domain-lifecycle': event(
    'domain',
    0,
    318,
    { ...domain, event: int, detail: int },
    ({ domain, event, detail }) => ({
      domain,
      event: nameOf(E.DomainLifecycle, event),
      /** Why, by the event's own table; see constants-event.ts. */
      detail: nameOf(E.LIFECYCLE_DETAILS[event] ?? {}, detail),
    }),
  ),
  'domain-reboot': plain(1, 319),
  'domain-rtc-change': event('domain', 2, 320, { ...domain, offset: hyper }, ({ domain, offset }) => ({
    domain,
    offset,
  })),
  'domain-watchdog': event('domain', 3, 321, { ...domain, action: int }, ({ domain, action }) => ({
    domain,
    action: nameOf(E.WatchdogAction, action),
  })),
  'domain-io-error': event(
    'domain',
    6,
    324,
    { ...domain, path: string, alias: string, action: int, reason: string },
    ({ domain, path, alias, action, reason }) => ({
      domain,
      path,
      alias,
      action: nameOf(E.IoErrorAction, action),
      reason,
    }),
  ),
  'domain-graphics': event(
    'domain',
    5,
    323,
    {
      ...domain,
      phase: int,
      local: graphicsAddress,
      remote: graphicsAddress,
      authScheme: string,
      subject: array(struct({ type: string, name: string }), 20),
    },
    ({ domain, phase, local, remote, authScheme, subject }) => ({
      domain,
      phase: nameOf(E.GraphicsPhase, phase),
      local,
      remote,
      authScheme,
      subject,
    }),
  ),
  'domain-control-error': plain(7, 325),
  'domain-block-job': blockJob(8, 326),
  'domain-block-job-2': blockJob(16, 339),
  'domain-disk-change': event(
    'domain',
    9,
    327,
    { ...domain, oldPath: optional(string), newPath: optional(string), alias: string, reason: int },
    ({ domain, oldPath, newPath, alias, reason }) => ({
      domain,
      oldPath,
      newPath,
      alias,
      reason: nameOf(E.DiskChangeReason, reason),
    }),
  ),
  'domain-tray-change': event(
    'domain',
    10,
    328,
    { ...domain, alias: string, reason: int },
    ({ domain, alias, reason }) => ({
      domain,
      alias,
      reason: nameOf(E.TrayChangeReason, reason),
    }),
  ),
  'domain-wakeup': power(11, 329),
  'domain-suspend-memory': power(12, 330),
  'domain-suspend-disk': power(14, 332),
  'domain-balloon-change': event('domain', 13, 331, { ...domain, actual: uhyper }, ({ domain, actual }) => ({
    domain,
    /** KiB. */
    actual,
  })),
  'domain-device-removed': device(15, 333),
  'domain-tunable': event('domain', 17, 346, { ...domain, params: params(2048) }, ({ domain, params }) => ({
    domain,
    params,
  })),
  'domain-agent-lifecycle': event(
    'domain',
    18,
    348,
    { ...domain, state: int, reason: int },
    ({ domain, state, reason }) => ({
      domain,
      state: nameOf(E.AgentState, state),
      reason: nameOf(E.AgentReason, reason),
    }),
  ),
  'domain-device-added': device(19, 354),
  'domain-migration-iteration': event(
    'domain',
    20,
    359,
    { ...domain, iteration: int },
    ({ domain, iteration }) => ({
      domain,
      iteration,
    }),
  ),
  'domain-job-completed': event(
    'domain',
    21,
    363,
    { ...domain, params: params(64) },
    ({ domain, params }) => ({ domain, params }),
  ),
  'domain-device-removal-failed': device(22, 367),
  'domain-metadata-change': event(
    'domain',
    23,
    379,
    { ...domain, type: int, namespaceUri: optional(string) },
    ({ domain, type, namespaceUri }) => ({ domain, type: nameOf(MetadataType, type), namespaceUri }),
  ),
  'domain-block-threshold': event(
    'domain',
    24,
    385,
    { ...domain, disk: string, path: optional(string), threshold: uhyper, excess: uhyper },
    ({ domain, disk, path, threshold, excess }) => ({ domain, disk, path, threshold, excess }),
  ),
  'domain-memory-failure': event(
    'domain',
    25,
    423,
    { ...domain, recipient: int, action: int, flags: uint },
    ({ domain, recipient, action, flags }) => ({ domain, recipient, action, flags }),
  ),
  'domain-memory-device-size-change': event(
    'domain',
    26,
    438,
    { ...domain, alias: string, size: uhyper },
    ({ domain, alias, size }) => ({
      domain,
      alias,
      size,
    }),
  ),
  'network-lifecycle': event(
    'network',
    0,
    315,
    { callbackId: int, network: networkRef, event: int, detail: int },
    ({ network, event }) => ({
      network,
      event: nameOf(E.NetworkLifecycle, event),
    }),
  ),
  'secret-lifecycle': event(
    'secret',
    0,
    382,
    { callbackId: int, secret: secretRef, event: int, detail: int },
    ({ secret, event }) => ({
      secret,
      event: nameOf(E.SecretLifecycle, event),
    }),
  ),
  'secret-value-changed': event('secret', 1, 383, { callbackId: int, secret: secretRef }, ({ secret }) => ({
    secret,
  })),
  monitor: {
    of: 'monitor',
    id: 0,
    procedure: 6,
    codec: received(
      struct({
        callbackId: int,
        domain: domainRef,
        event: string,
        seconds: hyper,
        micros: uint,
        details: optional(string),
      }),
      ({ domain, event, seconds, micros, details }) => ({
        domain,
        /** QMP's name, e.g. VSERPORT_CHANGE. */
        event,
        /** When QEMU said so, microseconds since 1970. */
        atMicros: seconds * 1_000_000n + BigInt(micros),
        /** QMP's `data` as JSON text. */
        details,
      }),
    ),
  },
} as const satisfies Readonly<Record<string, EventType<unknown>>>;

type Types = typeof EVENT_TYPES;
export type EventKind = keyof Types;
export type EventOf<K extends EventKind> = { readonly kind: K } & Readonly<Value<Types[K]['codec']>>;
/** Any event; `kind` tells which. */
export type LibvirtEvent = { [K in EventKind]: EventOf<K> }[EventKind];

/** A kind of event, or QEMU monitor events by name (with flags of MonitorEventFlag; no name means all). */
export type Subscription =
  | Exclude<EventKind, 'monitor'>
  | { readonly monitor: string | null; readonly flags?: number };

/** Asks for events of all domains, networks or secrets; they flow until the connection ends or unregisterEvents. */
export async function registerEvents(
  caller: Caller,
  subscription: Subscription,
  options?: CallOptions,
): Promise<number> {
  if (typeof subscription !== 'string') {
    const { monitor, flags = 0 } = subscription;
    return (await caller.call(MonitorEventRegister, { domain: null, event: monitor, flags }, options))
      .callbackId;
  }
  const { of, id: eventId } = EVENT_TYPES[subscription];
  const reply =
    of === 'domain'
      ? await caller.call(DomainEventRegister, { eventId, domain: null }, options)
      : of === 'network'
        ? await caller.call(NetworkEventRegister, { eventId, network: null }, options)
        : await caller.call(SecretEventRegister, { eventId, secret: null }, options);
  return reply.callbackId;
}

/** Ends a registration by the id that registerEvents gave. */
export async function unregisterEvents(
  caller: Caller,
  subscription: Subscription,
  callbackId: number,
  options?: CallOptions,
): Promise<void> {
  const of = typeof subscription === 'string' ? EVENT_TYPES[subscription].of : 'monitor';
  const procedure = {
    domain: DomainEventDeregister,
    network: NetworkEventDeregister,
    secret: SecretEventDeregister,
    monitor: MonitorEventDeregister,
  }[of];
  await caller.call(procedure, { callbackId }, options);
}

const byProcedure = new Map(
  Object.entries(EVENT_TYPES).map(([kind, type]) => [
    `${type.of === 'monitor' ? QEMU_PROGRAM : REMOTE_PROGRAM}/${type.procedure}`,
    { kind: kind as EventKind, codec: type.codec },
  ]),
);

/** Reads an event message; undefined for a message we have no name for. Throws ProtocolError when malformed. */
export function decodeEvent(
  frame: Pick<Frame, 'program' | 'procedure' | 'payload'>,
): LibvirtEvent | undefined {
  const known = byProcedure.get(`${frame.program}/${frame.procedure}`);
  if (known === undefined) return undefined;
  const reader = new XdrReader(frame.payload);
  const fields = known.codec.decode(reader);
  reader.end();
  return { kind: known.kind, ...fields } as LibvirtEvent;
}
