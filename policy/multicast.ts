// Frames to many: the sender's rules decide as for any packet; a receiver gets them from its own tenant only, and only
// when nothing in its rules refuses anyone. One frame goes to many NICs, so no rule is asked per receiver.
import type { DesiredChain } from '@wocloud/protocol/desired.ts';

const TCP = 6;

/**
 * The set of senders a NIC with this `in` chain hears, or null for none. A rule that refuses anything but TCP,
 * before the tenant's own default, closes it: better deaf than open.
 */
export function receivesGroups(chain: DesiredChain): string | null {
  for (const rule of chain.rules) {
    if (rule.staged) continue;
    if (rule.id === 'default/within') {
      const [peer] = rule.peers;
      return rule.action === 'allow' && typeof peer === 'object' ? peer.set : null;
    }
    const refuses = rule.action === 'drop' || rule.action === 'reject';
    if (refuses && !(rule.services.length > 0 && rule.services.every((s) => s.protocol === TCP))) return null;
  }
  return null;
}
