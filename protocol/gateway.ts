// What the engine and the daemon of a gateway say to each other, as JSON in the frames of frames.ts. What comes from
// the gateway is hostile: the engine checks each message against these schemas, and bounds what it believes.
import { Type, type Static } from 'typebox';
import { oneOf, record } from './schema.ts';

export const GATEWAY_PORT = 'org.wocloud.gateway.0';
export const GATEWAY_VERSION = 1;
/** Ethertype of the engine's health probes (IEEE Std 802, local experimental 1). */
export const PROBE_ETHERTYPE = 0x88b5;
/** EVE lines in one message, and bytes of one line: a longer one is cut off and counted by the gateway. */
export const MAX_EVE_LINES = 512;
export const MAX_EVE_BYTES = 64 * 1024;
/** Messages of EVE lines that may wait for their acknowledgment. */
export const EVE_WINDOW = 8;

const message = <T extends string, P extends Record<string, import('typebox').TSchema>>(
  type: T,
  properties: P,
) => record({ type: Type.Literal(type), ...properties });
const counter = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Gateway → engine. */
export const FromGateway = Type.Union([
  message('hello', {
    version: Type.Integer(),
    /** Of the image the gateway was started from. */
    image: Type.String({ maxLength: 64 }),
    suricata: Type.String({ maxLength: 64 }),
    /** sha256, hex, of the rules in force; '' before the first. */
    rules: Type.String({ maxLength: 64 }),
    /** Drawn when the daemon starts: `sequence` counts anew, and what is counted begins at 0. */
    boot: Type.String({ minLength: 1, maxLength: 64 }),
  }),
  /**
   * EVE JSON lines as Suricata wrote them. `sequence` counts messages of this kind from 1 without gaps; acknowledged by
   * number, and sent again in a new session when they were not. At most EVE_WINDOW are under way.
   */
  message('eve', {
    sequence: counter,
    lines: Type.Array(Type.String({ maxLength: MAX_EVE_BYTES }), { maxItems: MAX_EVE_LINES }),
    /** Lines lost or cut in the gateway since it started. */
    lost: counter,
    cut: counter,
  }),
  /** Every second, and when something changes. */
  message('health', {
    /** The gateway's clock, µs since the epoch: what EVE's timestamps are by. */
    time: Type.Number(),
    suricata: oneOf(['starting', 'running', 'failed']),
    rules: Type.String({ maxLength: 64 }),
    /** Signatures loaded, and those Suricata refused. */
    loaded: counter,
    refused: counter,
    residentKiB: counter,
    freeKiB: counter,
    packets: counter,
    dropped: counter,
    restarts: counter,
    lost: counter,
    cut: counter,
  }),
  /** The answer to `rules`: in force when error is ''. */
  message('rulesResult', {
    digest: Type.String({ maxLength: 64 }),
    error: Type.String({ maxLength: 8_000 }),
  }),
]);
export type FromGateway = Static<typeof FromGateway>;

/** Engine → gateway. */
export const ToGateway = Type.Union([
  message('welcome', { time: Type.Number() }),
  message('ack', { sequence: counter }),
  /**
   * A part of new rules, in order, from offset 0 on; the last one makes the gateway test and load them. Offset and total
   * count UTF-16 code units of the text; `digest` is the sha256, hex, of the text in UTF-8.
   */
  message('rules', {
    digest: Type.String({ minLength: 64, maxLength: 64 }),
    offset: counter,
    total: counter,
    /** The text of gateway rules: see InspectionRules. */
    part: Type.String({ maxLength: 512 * 1024 }),
  }),
  /** It gets no new flows and will be stopped: what it still has to say it says without waiting for more. */
  message('drain', {}),
]);
export type ToGateway = Static<typeof ToGateway>;

/** What the platform makes of all rule sets in force, and a gateway loads; travels as its JSON text. */
export const InspectionRules = record({
  rules: Type.String(),
  /** Suricata's threshold.config. */
  thresholds: Type.String(),
});
export type InspectionRules = Static<typeof InspectionRules>;
