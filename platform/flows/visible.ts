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

/** What a gateway's signature refused; never a tenant's rule, which has three parts. */
export const SIGNATURE_RULE = '^suricata(/[0-9]+)?$';
const signatureRule = new RegExp(SIGNATURE_RULE);

/** Rules of everyone (`-/…`, `default/…`, signatures) and of the caller's own tenant. */
export const ruleIsVisible = (scope: Scope, rule: string): boolean =>
  scope.all ||
  rule.startsWith('-/') ||
  rule.startsWith('default/') ||
  signatureRule.test(rule) ||
  (scope.tenant !== null && rule.startsWith(`${scope.tenant}/`));
