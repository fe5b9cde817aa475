// Some rows of a batch as a batch of their own.
import { STREAMS, type Batch } from '@wocloud/protocol/columns.ts';

const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8, f64: 8, ip: 16, str: 4 } as const;

/** The rows for which `keep` is 1, in order; same strings, same sequence. */
export function selectRows(batch: Batch, keep: Uint8Array): Batch {
  const count = keep.reduce((sum, k) => sum + k, 0);
  const columns = STREAMS[batch.stream].columns.map(({ type }, c) => {
    const width = WIDTH[type];
    const from = batch.columns[c] ?? new Uint8Array();
    const out = new Uint8Array(count * width);
    let at = 0;
    for (let i = 0; i < batch.count; i++) {
      if (!keep[i]) continue;
      out.set(from.subarray(i * width, (i + 1) * width), at);
      at += width;
    }
    return out;
  });
  return { ...batch, count, columns };
}

/** Day (YYYY-MM-DD, UTC) of a time in µs. */
export const dayOf = (micros: number): string => new Date(micros / 1000).toISOString().slice(0, 10);
