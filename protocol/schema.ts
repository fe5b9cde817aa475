// The small vocabulary every schema is written in: names, addresses, times, and a resource's envelope.
import { Type, type Static, type TSchema } from 'typebox';

/** A string that is one of `values`. */
export const oneOf = <const V extends readonly string[]>(values: V, options: object = {}) =>
  Type.Unsafe<V[number]>({ type: 'string', enum: [...values], ...options });

/** A closed object: an unknown field is an error, so that a misspelt one is never silently ignored. */
export const record = <P extends Record<string, TSchema>>(properties: P, options: object = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options });

export const Name = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$',
  description:
    'Lower-case letters, digits, "-" and ".", at most 63, starting and ending with a letter or digit',
});
export const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
  description: 'UUID',
});
export const Mac = Type.String({
  pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$',
  description: 'MAC address, lower case',
});
export const Cidr = Type.String({
  minLength: 2,
  maxLength: 49,
  pattern: '^[0-9a-fA-F.:]+(/[0-9]{1,3})?$',
  description: 'IPv4 or IPv6 address or prefix, host bits zero (10.0.0.0/24, 2001:db8::/64)',
});
export const Timestamp = Type.String({ format: 'date-time', description: 'RFC 3339 time, UTC' });
export const Labels = Type.Record(
  Type.String({ pattern: '^[a-zA-Z0-9]([-a-zA-Z0-9_./]{0,61}[a-zA-Z0-9])?$' }),
  Type.String({ maxLength: 63, pattern: '^([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?)?$' }),
  { description: 'Labels: key to value' },
);
export type Labels = Static<typeof Labels>;

export const API_VERSION = 'wocloud/v1';

export const Metadata = record({
  name: Name,
  tenant: Type.Optional(Name),
  labels: Type.Optional(Labels),
});
export type Metadata = Static<typeof Metadata>;

/** A declarative document of one kind, as people write it. */
export const resource = <K extends string, S extends TSchema>(kind: K, spec: S, description: string) =>
  record(
    { apiVersion: Type.Literal(API_VERSION), kind: Type.Literal(kind), metadata: Metadata, spec },
    { description, $id: kind },
  );
