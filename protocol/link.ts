// The link between an engine and the platform: one WebSocket over mutual TLS. JSON text frames carry control
// and facts, binary frames carry record batches (columns.ts). The client certificate's CN is the host's id.
import { Type, type Static } from 'typebox';
import { DesiredDelta, DesiredState } from './desired.ts';
import { EngineAlert, GatewayReport, Health, HostFacts, ObservedVm, Receipt } from './reports.ts';
import { Uuid, record } from './schema.ts';

export const LINK_VERSION = 1;
/** Path of the WebSocket, and of the joining call, on the platform's link listener. */
export const LINK_PATH = '/link';
export const JOIN_PATH = '/join';
/** A name in the listener's certificate whatever its address: what engines ask for in TLS (SNI) and verify. */
export const LINK_SERVER_NAME = 'platform.wocloud';
/** Unacknowledged batches an engine may have under way. */
export const LINK_WINDOW = 32;
export const MAX_CONTROL_BYTES = 16 * 1024 * 1024;
export const HEARTBEAT_SECONDS = 5;

const message = <T extends string, P extends Record<string, import('typebox').TSchema>>(
  type: T,
  properties: P,
) => record({ type: Type.Literal(type), ...properties });

/** Engine → platform. */
export const Up = Type.Union([
  /** First frame. `boot` changes when the engine's stream numbering restarts. `generation`: what stands now. */
  message('hello', {
    version: Type.Integer(),
    boot: Uuid,
    engine: Type.String({ maxLength: 64 }),
    generation: Type.Integer({ minimum: 0 }),
    facts: HostFacts,
  }),
  /** All domains of the host; replaces what was known. Sent after hello, after libvirt reconnects, and periodically. */
  message('inventory', { vms: Type.Array(ObservedVm, { maxItems: 10_000 }) }),
  message('vm', { vm: ObservedVm }),
  message('vmGone', { id: Uuid }),
  message('facts', { facts: HostFacts }),
  message('receipt', { receipt: Receipt }),
  message('alert', { alert: EngineAlert }),
  message('health', { health: Health }),
  /** All gateway instances of the host, and the image versions it has; when one changes, and every ten seconds. */
  message('gateways', {
    gateways: Type.Array(GatewayReport, { maxItems: 64 }),
    images: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 }),
  }),
  /** The desired state names rules that this host has not. */
  message('rulesWanted', { digest: Type.String({ maxLength: 64 }) }),
  /** PEM certificate signing request with the host's present key, or a new one. */
  message('renew', { csr: Type.String({ maxLength: 8192 }) }),
]);
export type Up = Static<typeof Up>;

/** Platform → engine. */
export const Down = Type.Union([
  message('welcome', { host: Uuid, time: Type.Number() }),
  message('desired', { state: DesiredState }),
  /** When `from` is not what the engine has, it answers with hello and gets the full state. */
  message('delta', { delta: DesiredDelta }),
  /** Batches up to and including `sequence` of `stream` are durable. */
  message('ack', { stream: Type.String(), sequence: Type.Integer({ minimum: 0 }) }),
  message('resync', {}),
  /** The text of InspectionRules, zstd, base64: what was wanted, when it is still known. */
  message('rules', { digest: Type.String({ maxLength: 64 }), text: Type.String() }),
  message('certificate', { pem: Type.String(), ca: Type.String() }),
  message('error', { code: Type.String(), message: Type.String() }),
]);
export type Down = Static<typeof Down>;

/** POST /join: a one-time token and a signing request give a certificate. */
export const JoinRequest = record({
  token: Type.String({ maxLength: 512 }),
  hostname: Type.String({ minLength: 1, maxLength: 253 }),
  csr: Type.String({ maxLength: 8192 }),
});
export type JoinRequest = Static<typeof JoinRequest>;
export const JoinResponse = record({ host: Uuid, certificate: Type.String(), ca: Type.String() });
export type JoinResponse = Static<typeof JoinResponse>;

/**
 * A join token is `<id>.<secret>.<sha256 of the CA certificate's DER, base64url>`: the engine trusts no
 * platform whose chain does not end in that certificate.
 */
export function parseJoinToken(token: string): { id: string; secret: string; fingerprint: string } | null {
  const parts = /^([A-Za-z0-9_-]{8,64})\.([A-Za-z0-9_-]{32,128})\.([A-Za-z0-9_-]{43})$/.exec(token.trim());
  return parts ? { id: parts[1] ?? '', secret: parts[2] ?? '', fingerprint: parts[3] ?? '' } : null;
}
