// The flow filter language as a value: what a caller asked for, resolved to ids and ranges within what they may see.
// Compiled to SQL (sql.ts) and to a predicate (match.ts), so that lists and live streams agree.
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import { packAddress } from '@wocloud/protocol/columns.ts';
import { lastAddress, parseCidr, type Prefix } from '@wocloud/policy/cidr.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Scope } from '../handler.ts';
import { instant } from '../http/instant.ts';
import { visible, type Directory } from '../vms/directory.ts';

export type Side = 'src' | 'dst' | 'either';

/** One thing a flow may be. Addresses are 32 hex digits, both ends included. */
export type Atom =
  | { is: 'vm'; side: Side; ids: readonly string[] }
  | { is: 'ip'; side: Side; low: string; high: string }
  | { is: 'port'; protocol: number | null; low: number; high: number }
  | { is: 'protocol'; number: number }
  | { is: 'verdict'; value: string }
  | { is: 'staged'; value: string }
  | { is: 'rule'; value: string; prefix: boolean }
  | { is: 'tenant'; value: string }
  | { is: 'network'; value: string }
  | { is: 'host'; id: string };

export type AtomOf<I extends Atom['is']> = Extract<Atom, { is: I }>;

/** Any of `any` (when there are some) and none of `none`. */
export interface Condition<A = Atom> {
  any: readonly A[];
  none: readonly A[];
}

export interface FlowFilter {
  scope: Scope;
  /** µs since the epoch. */
  since: number | undefined;
  until: number | undefined;
  conditions: readonly Condition[];
  /** Asked by host: what another host reports as well is not left out. */
  byHost: boolean;
}

export const PROTOCOLS: Record<string, number> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  icmpv6: 58,
  sctp: 132,
};
const ALIASES: Record<string, number> = { ...PROTOCOLS, icmp6: 58, 'ipv6-icmp': 58 };
const PROTOCOL_NAMES = new Map(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]));

/** `tcp`, or the number of a protocol without a name here. */
export const protocolName = (number: number): string => PROTOCOL_NAMES.get(number) ?? String(number);

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ADDRESS = /^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)(\/\d{1,3})?$/;

/** Reads a query. Throws bad-request for what cannot be read and not-found for a VM or host the caller cannot see. */
export function flowFilter(query: FlowQuery, scope: Scope, directory: Directory, now: Date): FlowFilter {
  return {
    scope,
    since: micros(query.since, now),
    until: micros(query.until, now),
    conditions: [
      ...condition<Atom>(query.vm, endpoint('either', scope, directory)),
      ...condition<Atom>(query.from, endpoint('src', scope, directory)),
      ...condition<Atom>(query.to, endpoint('dst', scope, directory)),
      ...condition<Atom>(query.ip, (value) => range(value, 'either')),
      ...condition<Atom>(query.port, port),
      ...condition<Atom>(query.protocol, (value) => ({ is: 'protocol', number: protocolNumber(value) })),
      ...condition<Atom>(query.verdict, (value) => ({ is: 'verdict', value })),
      ...condition<Atom>(query.staged, (value) => ({ is: 'staged', value })),
      ...condition<Atom>(query.rule, (value) => ({
        is: 'rule',
        value: value.replace(/\/\*$/, ''),
        prefix: value.split('/').length < 3 || value.endsWith('/*'),
      })),
      ...condition<Atom>(query.tenant, (value) => ({ is: 'tenant', value })),
      ...condition<Atom>(query.network, (value) => ({ is: 'network', value })),
      ...condition<Atom>(query.host, host(scope, directory)),
    ],
    byHost: (query.host?.length ?? 0) > 0,
  };
}

/** The values of one field as a condition; none when there are none. A value that starts with "!" excludes. */
export function condition<A>(
  values: readonly string[] | undefined,
  atom: (value: string) => A,
): Condition<A>[] {
  if (!values?.length) return [];
  const any = values.filter((v) => !v.startsWith('!'));
  const none = values.filter((v) => v.startsWith('!')).map((v) => v.slice(1));
  return [{ any: any.map(atom), none: none.map(atom) }];
}

/** µs since the epoch. */
export const micros = (text: string | undefined, now: Date): number | undefined =>
  text === undefined ? undefined : instant(text, now).getTime() * 1000;

/** A VM by id or name, or an address or prefix. */
export function endpoint(side: Side, scope: Scope, directory: Directory) {
  return (value: string): AtomOf<'vm' | 'ip'> => {
    if (UUID.test(value)) {
      const vm = directory.vm(value);
      if (vm ? !visible(scope, vm) : !scope.all) throw notFound('VM', value);
      return { is: 'vm', side, ids: [value] };
    }
    if (ADDRESS.test(value)) return range(value, side);
    const ids = directory.named(value).flatMap((vm) => (visible(scope, vm) ? [vm.id] : []));
    if (!ids.length) throw notFound('VM', value);
    return { is: 'vm', side, ids };
  };
}

export function host(scope: Scope, directory: Directory) {
  return (value: string): AtomOf<'host'> => {
    for (const { id, name } of directory.hosts())
      if ((id === value || name === value) && (scope.all || hasVisibleVm(id, scope, directory)))
        return { is: 'host', id };
    throw notFound('host', value);
  };
}

export function hasVisibleVm(host: string, scope: Scope, directory: Directory): boolean {
  for (const vm of directory.all()) if (vm.host === host && visible(scope, vm)) return true;
  return false;
}

/** 16 bytes of an address as 32 hex digits, IPv4 as mapped. */
export function addressHex(text: string): string {
  const bytes = new Uint8Array(16);
  packAddress(text, bytes, 0);
  return Buffer.from(bytes).toString('hex');
}

export function range(value: string, side: Side): AtomOf<'ip'> {
  let prefix: Prefix;
  try {
    prefix = parseCidr(value);
  } catch (cause) {
    throw new PlatformError('bad-request', (cause as Error).message, { cause });
  }
  const mapped = prefix.family === 4 ? 0xffffn << 32n : 0n;
  const hex = (n: bigint) => (mapped | n).toString(16).padStart(32, '0');
  return { is: 'ip', side, low: hex(prefix.first), high: hex(lastAddress(prefix)) };
}

function protocolNumber(value: string): number {
  const number = ALIASES[value.toLowerCase()] ?? (/^\d{1,3}$/.test(value) ? Number(value) : NaN);
  if (!(number >= 0 && number <= 255))
    throw new PlatformError(
      'bad-request',
      `protocol: "${value}" is not known; known: ${Object.keys(PROTOCOLS).join(', ')}, or 0 to 255.`,
    );
  return number;
}

/** `443`, `8000-8100`, `tcp/443`: the destination's port. */
export function port(value: string): AtomOf<'port'> {
  const parts = /^(?:([a-z0-9-]+)\/)?(\d{1,5})(?:-(\d{1,5}))?$/.exec(value);
  const low = Number(parts?.[2]);
  const high = Number(parts?.[3] ?? parts?.[2]);
  if (!parts || low > high || high > 65_535)
    throw new PlatformError('bad-request', `port: "${value}" is none; write 443, 8000-8100 or tcp/443.`);
  return { is: 'port', protocol: parts[1] === undefined ? null : protocolNumber(parts[1]), low, high };
}
