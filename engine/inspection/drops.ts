// What a gateway dropped, as flow records: the firewall let it through, so nobody else tells of it.
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { pointOf } from '../flows/conntrack.ts';
import type { EveReading } from './eve.ts';
import { object, text, whole } from './fields.ts';

/** Flows whose signature is remembered: later packets of a dropped flow no longer name it. */
const MAX_FLOWS = 10_000;

export class DropRecords {
  readonly #signatures = new Map<string, number>();
  #next: bigint;

  constructor(now: number) {
    // The top two bits are theirs: identities of connections and of the firewall's refusals never meet them.
    this.#next = (3n << 62n) | (BigInt(Math.floor(now / 1_000_000)) << 30n);
  }

  /** undefined for an event that is no drop, or that is about nobody of ours. */
  record({ event, source, destination, isCopy, json }: EveReading): FlowRecord | undefined {
    const signature = this.#signature(event);
    if (event.type !== 'drop' || isCopy || (!source && !destination)) return undefined;
    const { time, network, srcVm, dstVm, src, dst, protocol, sport, dport } = event;
    const rule = signature > 0 ? `suricata/${signature}` : 'suricata';
    const reject = object(json['verdict'])?.['reject'];
    return {
      time,
      kind: 'drop',
      flow: this.#next++,
      start: time,
      end: time,
      network,
      point: pointOf(source, destination),
      srcVm,
      dstVm,
      src,
      dst,
      protocol,
      sport,
      dport,
      packetsOut: 1,
      packetsIn: 0,
      bytesOut: whole(object(json['drop'])?.['len'], 65_535),
      bytesIn: 0,
      verdict: Array.isArray(reject) || text(reject, 8) !== '' ? 'rejected' : 'dropped',
      ruleOut: '',
      ruleIn: rule,
      stagedVerdict: 'none',
      stagedRule: '',
    };
  }

  #signature({ gateway, flow, signature, action }: EveReading['event']): number {
    if (flow === 0n) return signature;
    const key = `${gateway} ${flow}`;
    if (signature === 0) return this.#signatures.get(key) ?? 0;
    if (action !== 'blocked') return signature;
    this.#signatures.delete(key);
    this.#signatures.set(key, signature);
    if (this.#signatures.size > MAX_FLOWS) {
      const [oldest] = this.#signatures.keys();
      if (oldest !== undefined) this.#signatures.delete(oldest);
    }
    return signature;
  }
}
