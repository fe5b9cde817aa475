// Records of an arriving block as rows, for those who watch live. Only so many a second: what is over is counted.
import { batchReader } from '@wocloud/protocol/columns.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { FlowBlock } from './block.ts';
import type { LiveFlow } from './match.ts';

/** Rows a second that live views are given at most: more than anybody reads. */
export const LIVE_RATE = 5_000;

/** A bucket of so many tokens a second. */
export class LiveBudget {
  readonly #rate: number;
  #tokens: number;
  #at = Date.now();
  constructor(rate: number) {
    this.#rate = this.#tokens = rate;
  }
  /** How many of `wanted` rows may be shown now. */
  take(wanted: number): number {
    const now = Date.now();
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    const given = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= given;
    return given;
  }
}

/** The first `count` rows of a block. */
export function* liveFlows(host: string, block: FlowBlock, count: number): Generator<LiveFlow> {
  const read = batchReader(block.batch);
  for (let i = 0; i < count; i++) {
    const record = read(i) as unknown as FlowRecord;
    const [source, destination] = [block.source[i], block.destination[i]];
    yield {
      ...record,
      host,
      flow: String(record.flow),
      srcVm: source?.id ?? '',
      dstVm: destination?.id ?? '',
      srcTenant: source?.tenant ?? '',
      dstTenant: destination?.tenant ?? '',
      duplicate: block.duplicate[i] === 1,
    };
  }
}
