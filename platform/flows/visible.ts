// What a caller may know of a flow that they may see: of an end that is not theirs only the address, of a rule that
// is another tenant's nothing.
import type { Scope } from '../handler.ts';

/** Whether the end with this VM and (at the time) tenant is the caller's. */
export const endIsVisible = (scope: Scope, vm: string, tenant: string): boolean =>
  scope.all ||
  (scope.tenant !== null &&
    tenant === scope.tenant &&
    vm !== '' &&
    (scope.vms === null || scope.vms.includes(vm)));

/** Rules of everyone (`-/…`, `default/…`) and of the caller's own tenant. */
export const ruleIsVisible = (scope: Scope, rule: string): boolean =>
  scope.all ||
  rule.startsWith('-/') ||
  rule.startsWith('default/') ||
  (scope.tenant !== null && rule.startsWith(`${scope.tenant}/`));
