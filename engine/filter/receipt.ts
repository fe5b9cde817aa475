// The signed word of this host on what stands in its kernel.
import { receiptText, type Receipt } from '@wocloud/protocol/reports.ts';
import { signText } from '../link/identity.ts';
import type { Protection } from './placement.ts';

const MAX_NICS = 10_000;

export interface ReceiptInput {
  generation: number;
  digest: string;
  /** ms from the arrival of the desired state. */
  took: number;
  /** '' when applied. */
  error: string;
  protections: ReadonlyMap<string, Protection>;
}

/** @param key PEM of the host's key. */
export function signReceipt(host: string, key: string, input: ReceiptInput): Receipt {
  const unsigned: Omit<Receipt, 'signature'> = {
    generation: input.generation,
    result: input.error === '' ? 'applied' : 'failed',
    digest: input.digest,
    at: Date.now() * 1000,
    took: input.took,
    error: input.error.slice(0, 2000),
    nics: [...input.protections]
      .slice(0, MAX_NICS)
      .map(([nic, { protection, reason }]) => ({ nic, protection, reason: reason.slice(0, 500) })),
  };
  return { ...unsigned, signature: signText(key, receiptText(host, unsigned)) };
}
