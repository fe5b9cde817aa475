// The Cedar schema, made from the operation table: an action for every permission, so that a policy naming one
// that does not exist is an error.
import { OPERATIONS, type Operation } from '@wocloud/protocol/api.ts';

/** Every permission of the table, sorted. */
export const PERMISSIONS: readonly string[] = [
  ...new Set(
    Object.values(OPERATIONS).flatMap((o: Operation) => (o.permission === null ? [] : [o.permission])),
  ),
].sort();

/** Cedar schema text: User acts on Thing. */
export function cedarSchema(): string {
  const actions = PERMISSIONS.map((p) => `action "${p}" appliesTo { principal: User, resource: Thing };`);
  return [
    'entity User { roles: Set<String>, tenant?: String, tenantRole?: String };',
    "// roles: this write changes somebody's roles.",
    'entity Thing { tenant?: String, tier?: String, user?: User, roles?: Bool };',
    ...actions,
  ].join('\n');
}
