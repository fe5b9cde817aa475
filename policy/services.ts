// Port specifications (tcp/443, udp/5000-5100, icmp/8, proto/47, any, or a Service's name) → protocols and port ranges.
import type { DesiredService } from '@wocloud/protocol/desired.ts';
import { PolicyError } from './errors.ts';
import { didYouMean } from './names.ts';

export const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};
const PORTED = new Set([6, 17, 132, 136]);
const ICMP = new Set([1, 58]);
const ANY: DesiredService = { protocol: null, ports: null, icmpTypes: null };

/** True for protocols whose header starts with source and destination port. */
export const hasPorts = (protocol: number): boolean => PORTED.has(protocol);
export const isIcmp = (protocol: number): boolean => ICMP.has(protocol);

/**
 * One literal port specification → service, or null when the text is not of that form (then it names a Service).
 * Throws PolicyError `service.syntax` when it is of the form and wrong.
 */
export function parsePorts(text: string): DesiredService | null {
  if (text === 'any') return ANY;
  const slash = text.indexOf('/');
  const word = slash < 0 ? text : text.slice(0, slash);
  if (slash < 0)
    return Object.hasOwn(PROTOCOLS, word) ? { ...ANY, protocol: PROTOCOLS[word] as number } : null;
  const rest = text.slice(slash + 1);
  const wrong = (message: string, hint: string): PolicyError =>
    new PolicyError('service.syntax', `"${text}": ${message}`, { position: slash + 1, hint });
  if (word === 'proto') {
    const number = integer(rest);
    if (number === null || number > 255) throw wrong('a protocol number is 0 to 255', 'for example proto/47');
    return { ...ANY, protocol: number };
  }
  const protocol = Object.hasOwn(PROTOCOLS, word) ? PROTOCOLS[word] : undefined;
  if (protocol === undefined)
    throw new PolicyError('service.syntax', `"${text}": unknown protocol "${word}"`, {
      position: 0,
      hint:
        didYouMean(word, Object.keys(PROTOCOLS)) ?? `known: ${Object.keys(PROTOCOLS).join(', ')}, proto/N`,
    });
  if (ICMP.has(protocol)) {
    const type = integer(rest);
    if (type === null || type > 255)
      throw wrong('an ICMP type is 0 to 255', `for example ${word}/${protocol === 1 ? 8 : 128}`);
    return { protocol, ports: null, icmpTypes: [type] };
  }
  if (!PORTED.has(protocol)) throw wrong(`${word} has no ports`, `write ${word} alone`);
  return { protocol, ports: [portRange(rest, wrong)], icmpTypes: null };
}

function portRange(rest: string, wrong: (message: string, hint: string) => PolicyError): [number, number] {
  const dash = rest.indexOf('-');
  const first = integer(dash < 0 ? rest : rest.slice(0, dash));
  const last = dash < 0 ? first : integer(rest.slice(dash + 1));
  if (first === null || last === null || first < 1 || last < 1 || first > 65535 || last > 65535)
    throw wrong('a port is 1 to 65535, a range is first-last', 'for example 443 or 5000-5100');
  if (first > last) throw wrong(`the range is reversed`, `write ${last}-${first}`);
  return [first, last];
}

const integer = (text: string): number | null => (/^(0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : null);

/** Sorted, merged, without repetition. Empty means: all traffic (some part was `any`). */
export function normalizeServices(services: readonly DesiredService[]): DesiredService[] {
  const merged = new Map<number, { ports: [number, number][] | null; types: number[] | null }>();
  for (const { protocol, ports, icmpTypes } of services) {
    if (protocol === null) return [];
    const entry = merged.get(protocol);
    if (!entry) {
      merged.set(protocol, {
        ports: ports && ports.map(([a, b]): [number, number] => [a, b]),
        types: icmpTypes && [...icmpTypes],
      });
      continue;
    }
    entry.ports = entry.ports &&
      ports && [...entry.ports, ...ports.map(([a, b]): [number, number] => [a, b])];
    entry.types = entry.types && icmpTypes && [...entry.types, ...icmpTypes];
  }
  return [...merged]
    .sort(([a], [b]) => a - b)
    .map(([protocol, { ports, types }]) => ({
      protocol,
      ports: ports && mergeRanges(ports),
      icmpTypes: types && [...new Set(types)].sort((a, b) => a - b),
    }));
}

/** Sorted, disjoint, not even touching. */
export function mergeRanges(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const out: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const previous = out.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else out.push([first, last]);
  }
  return out;
}
