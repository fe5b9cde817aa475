// Which VMs a document applies to, asked as far as the list of VMs can be asked, and told apart by the rest.
import type { QueryOf } from '@wocloud/protocol/api.ts';
import type { AppliesTo } from '@wocloud/protocol/resources/policy.ts';
import type { VmView } from '@wocloud/protocol/views.ts';

export interface Reach {
  query: NonNullable<QueryOf<'vms.list'>>;
  includes: (vm: Pick<VmView, 'name' | 'groups'>) => boolean;
}

/** `own`: the document's tenant; what it names is in there unless it says otherwise. */
export function reachOf(target: AppliesTo, own: string | undefined): Reach {
  const everything = () => true;
  const within = (tenant: string | undefined) => (tenant ? { tenant } : {});
  if (target === 'all') return { query: within(own), includes: everything };
  const tenant = target.tenant ?? own;
  if ('selector' in target)
    return { query: { ...within(tenant), selector: target.selector }, includes: everything };
  if ('group' in target) {
    const group = tenant ? `${tenant}/${target.group}` : target.group;
    return { query: within(tenant), includes: (vm) => vm.groups.includes(group) };
  }
  if ('vm' in target)
    return { query: { ...within(tenant), q: target.vm }, includes: (vm) => vm.name === target.vm };
  return { query: within(tenant), includes: everything };
}
