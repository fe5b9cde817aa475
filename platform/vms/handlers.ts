// Operations on VMs. What is another's is not there.
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import type { Document } from '@wocloud/protocol/resources/kinds.ts';
import { Value } from 'typebox/value';
import type { Context } from '../context.ts';
import type { Apply, Write } from '../documents/apply.ts';
import { selectorOf } from '../documents/store.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Call, Handlers } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { findVm, visible, type Directory, type DirectoryVm } from './directory.ts';
import { protectionOf, vmViews } from './view.ts';

export function handlers(
  context: Context,
  { directory, apply }: { directory: Directory; apply: Apply | undefined },
): Pick<Handlers, 'vms.list' | 'vms.get' | 'vms.update'> {
  const { db } = context;
  const one = async (vm: DirectoryVm) => {
    const [view] = await vmViews(db, directory, [vm]);
    if (!view) throw notFound('VM', vm.id);
    return view;
  };
  return {
    async 'vms.list'({ query, caller: { scope } }) {
      const limit = query.limit ?? 100;
      const cursor = cursorOf(query.cursor, ['string', 'string']);
      const matches = selectorOf(query.selector);
      const found = [...directory.all()]
        .filter(
          (vm) =>
            visible(scope, vm) &&
            vm.gone === (query.gone ?? false) &&
            (query.tenant === undefined || vm.tenant === query.tenant) &&
            (query.host === undefined || vm.host === query.host || vm.hostName === query.host) &&
            (query.state === undefined || vm.state === query.state) &&
            (query.protection === undefined || protectionOf(vm.nics).protection === query.protection) &&
            (matches === undefined || matches(vm.labels)) &&
            (query.q === undefined || mentions(vm, query.q.toLowerCase())),
        )
        .sort((a, b) => compare([a.name, a.id], [b.name, b.id]));
      const start = cursor ? found.findIndex((vm) => compare([vm.name, vm.id], cursor) > 0) : 0;
      const rows = start < 0 ? [] : found.slice(start, start + limit + 1);
      const page = pageOf(
        rows,
        limit,
        (vm) => vm,
        (vm) => [vm.name, vm.id],
      );
      return { items: await vmViews(db, directory, page.items), next: page.next };
    },

    async 'vms.get'({ params, caller: { scope } }) {
      const vm = findVm(directory, params.id, scope);
      if (!vm) throw notFound('VM', params.id);
      return one(vm);
    },

    async 'vms.update'(call) {
      const { params, caller, audit } = call;
      const vm = findVm(directory, params.id, caller.scope);
      if (!vm || vm.gone) throw notFound('VM', params.id);
      audit.object = `vms/${vm.id}`;
      audit.tenant = vm.tenant;
      audit.detail['name'] = vm.name;
      if (!apply) throw new PlatformError('unavailable', 'Documents cannot be written here.');
      await apply(await writesFor(context, vm, call), { caller, reason: 'set on the VM' });
      // The answer shows what holds once this is committed.
      const { tenant = vm.document?.tenant ?? null, labels } = call.body;
      const view = await one(vm);
      return {
        ...view,
        tenant: tenant ?? (call.body.tenant === undefined ? vm.tenant : await reportedTenant(context, vm)),
        labels: labels ? { ...(await reportedLabels(context, vm)), ...labels } : view.labels,
      };
    },
  };
}

const compare = (a: readonly (string | number)[], b: readonly (string | number)[]): number => {
  for (let i = 0; i < a.length; i++) {
    if ((a[i] ?? '') < (b[i] ?? '')) return -1;
    if ((a[i] ?? '') > (b[i] ?? '')) return 1;
  }
  return 0;
};

/** Whether a text occurs in its name, title, id, addresses, labels or tenant. */
export const mentions = (vm: DirectoryVm, text: string): boolean =>
  [vm.name, vm.title, vm.id, vm.tenant ?? '', vm.hostName].some((t) => t.toLowerCase().includes(text)) ||
  vm.nics.some((nic) => nic.mac.includes(text) || nic.addresses.some((ip) => ip.includes(text))) ||
  Object.entries(vm.labels).some(([k, v]) => `${k}=${v}`.toLowerCase().includes(text));

/** The VM document that says what was asked, in place of the one there is. */
async function writesFor(
  { db }: Context,
  vm: DirectoryVm,
  { body, caller: { scope } }: Call<'vms.update'>,
): Promise<Write[]> {
  const old = vm.document;
  const tenant = body.tenant === undefined ? (old?.tenant ?? scope.tenant) : body.tenant;
  const labels = body.labels ?? old?.labels;
  let name = old?.name ?? vm.name.toLowerCase();
  const moved = old !== undefined && old.tenant !== tenant;
  if (old === undefined || moved) {
    const taken = await db.one(
      `SELECT 1 FROM documents WHERE kind = 'VM' AND tenant = $1 AND name = $2 AND NOT deleted`,
      [tenant ?? '', name],
    );
    if (taken || !Value.Check(KINDS.VM.schema.properties.metadata.properties.name, name)) name = vm.id;
  }
  const document: Document = {
    apiVersion: 'wocloud/v1',
    kind: 'VM',
    metadata: { name, ...(tenant === null ? {} : { tenant }), ...(labels ? { labels } : {}) },
    spec: { ...old?.spec, id: vm.id },
  };
  return [
    ...(moved ? [{ remove: { kind: 'VM' as const, tenant: old.tenant, name: old.name } }] : []),
    { document },
  ];
}

const reportedTenant = async ({ db }: Context, vm: DirectoryVm) =>
  (await db.one<{ tenant: string | null }>('SELECT tenant FROM vms WHERE id = $1', [vm.id]))?.tenant ?? null;
const reportedLabels = async ({ db }: Context, vm: DirectoryVm) =>
  (await db.one<{ labels: Record<string, string> }>('SELECT labels FROM vms WHERE id = $1', [vm.id]))
    ?.labels ?? {};
