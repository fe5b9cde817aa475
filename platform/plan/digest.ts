// A state's digest, its number left out: equal states have equal digests, in every replica and after a restart.
import { createHash } from 'node:crypto';
import type { DesiredState } from '@wocloud/protocol/desired.ts';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const known = new WeakMap<object, string>();

/** Chains and sets keep their object while they stand, so most of a large state is hashed once. */
const partDigest = (part: object): string => {
  let digest = known.get(part);
  if (digest === undefined) known.set(part, (digest = sha(JSON.stringify(part))));
  return digest;
};

export function stateDigest(state: DesiredState): string {
  const { networks, nics, chains, sets, insertions, gateways, rules } = state;
  const hash = createHash('sha256');
  for (const part of [networks, nics, chains, sets, insertions, gateways, rules])
    hash.update(part.map(partDigest).join(',')).update('\n');
  return hash.digest('hex');
}
