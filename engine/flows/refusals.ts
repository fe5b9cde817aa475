// Refused packets → flow records of kind `drop`, with the rule that refused them and the NICs they ran between.
// The log prefix says which: `wocloud:<slot out>:<slot in>:<dropped|rejected>`. Rules that allow and log say
// `allowed`: what they let through is in the connections' records already, so it is counted and left at that.
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { parseVerdictPrefix } from '@wocloud/policy/render/names.ts';
import type { Directory, LocalNic } from '../directory.ts';
import { pointOf, type StagedCache } from './conntrack.ts';
import type { NicFinder } from './ports.ts';
import type { Refusal } from './reading.ts';

/** Makes records of refusals. Identities of drops never meet those of connections: the top bit is theirs. */
export class RefusalRecords {
  /** Packets: of no NIC of ours or with somebody else's prefix; let through and logged. */
  readonly counters = { 'refusals.foreign': 0, 'refusals.allowed': 0 };
  readonly #directory: Directory;
  readonly #finder: NicFinder;
  readonly #staged: Pick<StagedCache, 'of'>;
  #next: bigint;

  constructor(directory: Directory, finder: NicFinder, staged: Pick<StagedCache, 'of'>) {
    this.#directory = directory;
    this.#finder = finder;
    this.#staged = staged;
    this.#next = (1n << 63n) | (BigInt(Math.floor(Date.now() / 1000)) << 31n);
  }

  /** The record, or undefined when the prefix is not ours or no NIC of ours is concerned. */
  record(refusal: Refusal): FlowRecord | undefined {
    const said = parseVerdictPrefix(refusal.prefix);
    if (!said) {
      this.counters['refusals.foreign'] += refusal.packets;
      return undefined;
    }
    if (said.verdict === 'allowed') {
      this.counters['refusals.allowed'] += refusal.packets;
      return undefined;
    }
    const { source, destination } = this.#ends(refusal);
    if (!source && !destination) {
      this.counters['refusals.foreign'] += refusal.packets;
      return undefined;
    }
    const network = source?.network || destination?.network || '';
    const { src, dst, protocol, sport, dport } = refusal;
    const staged = this.#staged.of(source, destination, { network, src, dst, protocol, sport, dport });
    return {
      time: refusal.first,
      kind: 'drop',
      flow: this.#next++,
      start: refusal.first,
      end: refusal.last,
      network,
      point: pointOf(source, destination),
      srcVm: source?.vm ?? '',
      dstVm: destination?.vm ?? '',
      src,
      dst,
      protocol,
      sport,
      dport,
      packetsOut: refusal.packets,
      packetsIn: 0,
      bytesOut: refusal.bytes,
      bytesIn: 0,
      verdict: said.verdict,
      ruleOut: this.#directory.rule(said.outSlot),
      ruleIn: this.#directory.rule(said.inSlot),
      stagedVerdict: staged.verdict,
      stagedRule: staged.rule,
    };
  }

  #ends(refusal: Refusal): { source: LocalNic | undefined; destination: LocalNic | undefined } {
    const finder = this.#finder;
    const inBridge = finder.names.of(refusal.inIndex);
    const outBridge = finder.names.of(refusal.outIndex);
    const source =
      finder.byPort(refusal.physInIndex) ??
      finder.byPort(refusal.inIndex) ??
      finder.byMac(refusal.srcMac) ??
      finder.byAddress(inBridge, undefined, refusal.src);
    const vlan = source && inBridge === outBridge ? source.vlan : undefined;
    const destination =
      finder.byPort(refusal.physOutIndex) ??
      finder.byPort(refusal.outIndex) ??
      finder.byMac(refusal.dstMac) ??
      finder.byAddress(outBridge || inBridge, vlan, refusal.dst);
    return { source, destination: destination === source ? undefined : destination };
  }
}
