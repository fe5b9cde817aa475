// SQL literals for the telemetry store, by type. Everything that reaches a statement goes through here: bound
// parameters would run one at a time in our own process, and no text of a caller is ever SQL.

const ESCAPES: Record<string, string> = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\0': '\\0' };

function integer(value: number | bigint): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new RangeError(`${value} is no integer`);
  return String(value);
}

export const literal = {
  integer,
  text: (value: string): string => `'${value.replaceAll(/[\\'\n\0]/g, (c) => ESCAPES[c] ?? '')}'`,
  texts: (values: readonly string[]): string => values.map(literal.text).join(', '),
  /** µs since the epoch → DateTime64(6). */
  micros: (value: number): string => `fromUnixTimestamp64Micro(${integer(Math.trunc(value))}, 'UTC')`,
  /** ms since the epoch → DateTime. */
  seconds: (ms: number): string => `toDateTime(${integer(Math.trunc(ms / 1000))}, 'UTC')`,
  /** 32 hex digits of an address → IPv6. Throws RangeError on anything else. */
  ipHex(value: string): string {
    if (!/^[0-9a-f]{32}$/.test(value)) throw new RangeError(`${value} is no address`);
    return `toIPv6('${value.replaceAll(/(.{4})(?!$)/g, '$1:')}')`;
  },
} as const;
