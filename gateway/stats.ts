// What a gateway's health needs of an EVE event of type stats.

export interface Stats {
  packets: number;
  /** By the kernel, because Suricata was too slow. */
  dropped: number;
}

const HEAD = /^\{"timestamp":"[^"]{0,64}","event_type":"stats",/;

/** The counters of a stats event; undefined for any other line. */
export function readStats(line: string): Stats | undefined {
  if (!HEAD.test(line)) return undefined;
  try {
    const { stats } = JSON.parse(line) as { stats?: { capture?: Record<string, unknown> } };
    const of = (name: string) => {
      const value = stats?.capture?.[name];
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
    };
    return { packets: of('kernel_packets'), dropped: of('kernel_drops') };
  } catch {
    return undefined;
  }
}
