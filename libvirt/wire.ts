/**
 * Structures that many procedures share: references to domains, networks, secrets, snapshots; typed parameters;
 * libvirt's error. Limits are those of the protocol.
 */
import {
  array,
  double,
  flag,
  hyper,
  int,
  mapped,
  optional,
  received,
  string,
  struct,
  uhyper,
  uint,
  uuid,
  type Codec,
} from './codec.ts';
import { ProtocolError, type RemoteErrorFields } from './errors.ts';

/** Upper limit on lists of domains, networks, snapshots, secrets. */
export const LIST_MAX = 16_384;

/** A domain as libvirt names it; `id` is -1 while it is not running. */
export interface DomainRef {
  readonly name: string;
  readonly uuid: string;
  readonly id: number;
}

/** What suffices to name a domain to libvirt: its UUID. */
export type DomainLike = { readonly uuid: string; readonly name?: string; readonly id?: number };

const domainWire = struct({ name: string, uuid, id: int });

export const domainRef: Codec<DomainRef> = domainWire;

/** For arguments: the server looks domains up by UUID; names and ids only serve its messages. */
export const domainArg: Codec<DomainLike> = mapped(
  domainWire,
  (ref): DomainLike => ref,
  ({ uuid, name = '', id = -1 }) => ({ name, uuid, id }),
);

export interface NetworkRef {
  readonly name: string;
  readonly uuid: string;
}
export const networkRef: Codec<NetworkRef> = struct({ name: string, uuid });

export interface SecretRef {
  readonly uuid: string;
  /** One of SecretUsage. */
  readonly usageType: number;
  readonly usageId: string;
}
export const secretRef: Codec<SecretRef> = struct({ uuid, usageType: int, usageId: string });

export interface SnapshotRef {
  readonly name: string;
  /** As it was named in the call that asked: without a name when that had none. */
  readonly domain: DomainRef;
}
/** Snapshots and checkpoints look the same. */
export const snapshotRef: Codec<SnapshotRef> = struct({ name: string, domain: domainRef });

export type TypedValue =
  | { readonly type: 'int' | 'uint' | 'double'; readonly value: number }
  | { readonly type: 'llong' | 'ullong'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string };

const typedValues: Readonly<Record<number, readonly [TypedValue['type'], Codec<unknown>]>> = {
  1: ['int', int],
  2: ['uint', uint],
  3: ['llong', hyper],
  4: ['ullong', uhyper],
  5: ['double', double],
  6: ['boolean', flag],
  7: ['string', string],
};
const typeNumbers = Object.fromEntries(Object.entries(typedValues).map(([n, [type]]) => [type, Number(n)]));

const typedValue: Codec<TypedValue> = {
  min: 8,
  encode(w, v) {
    const number = typeNumbers[v.type] as number;
    w.int(number);
    typedValues[number]?.[1].encode(w, v.value);
  },
  decode(r) {
    const number = r.int();
    const known = typedValues[number];
    if (known === undefined)
      throw new ProtocolError('malformed', `typed parameter of unknown type ${number}`);
    return { type: known[0], value: known[1].decode(r) } as TypedValue;
  },
};

export interface TypedParam {
  readonly field: string;
  readonly value: TypedValue;
}
export const typedParam: Codec<TypedParam> = struct({ field: string, value: typedValue });

/** A list of typed parameters as a plain object; 64-bit values are bigint. */
export type Params = Readonly<Record<string, number | bigint | boolean | string>>;

export function toParams(list: readonly TypedParam[]): Params {
  const out: Record<string, number | bigint | boolean | string> = Object.create(null);
  for (const { field, value } of list) out[field] = value.value;
  return out;
}

/** Typed parameters in a reply or event, read as an object. */
export function params(max: number): Codec<Params> {
  return received(array(typedParam, max), toParams);
}

/** The error structure that a reply or a stream carries when its status says error. */
export const remoteError: Codec<RemoteErrorFields> = mapped(
  struct({
    number: int,
    domain: int,
    message: optional(string),
    level: int,
    dom: optional(domainRef),
    str1: optional(string),
    str2: optional(string),
    str3: optional(string),
    int1: int,
    int2: int,
    net: optional(networkRef),
  }),
  ({ number, domain, message, str1, str2, str3, int1, int2 }) => ({
    number,
    domain,
    message,
    str1,
    str2,
    str3,
    int1,
    int2,
  }),
  (fields) => ({ ...fields, level: 2, dom: null, net: null }),
);
