// RuleSet: signatures in the format of Suricata and Emerging Threats Open, and what of them is on.
import { Type, type Static } from 'typebox';
import { oneOf, record, resource } from '../schema.ts';

const Sid = Type.Integer({ minimum: 1, maximum: 4_294_967_295 });
export const MAX_RULE_TEXT = 8 * 1024 * 1024;

/** As in Suricata's threshold.config. */
export const Threshold = record({
  sid: Sid,
  type: oneOf(['threshold', 'limit', 'both']),
  track: oneOf(['by_src', 'by_dst', 'by_both', 'by_rule']),
  count: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  seconds: Type.Integer({ minimum: 1, maximum: 86_400 }),
});
export type Threshold = Static<typeof Threshold>;

export const RuleSetSpec = record({
  enabled: Type.Optional(Type.Boolean({ default: true })),
  rules: Type.String({
    maxLength: MAX_RULE_TEXT,
    description: 'Rules as in ET Open files, one per line; a line that begins with # is off',
  }),
  enable: Type.Optional(Type.Array(Sid, { maxItems: 10_000, description: 'Rules that the text has off' })),
  disable: Type.Optional(Type.Array(Sid, { maxItems: 10_000, description: 'Rules that the text has on' })),
  drop: Type.Optional(
    Type.Array(Sid, { maxItems: 10_000, description: 'Rules that drop where the text has them alert' }),
  ),
  thresholds: Type.Optional(Type.Array(Threshold, { maxItems: 1_000 })),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const RuleSet = resource('RuleSet', RuleSetSpec, 'Signatures the gateways look for');
export type RuleSetSpec = Static<typeof RuleSetSpec>;
export type RuleSet = Static<typeof RuleSet>;
