// The columns of the VMs table.
import { Label } from '@patternfly/react-core';
import type { VmView } from '@wocloud/protocol/views.ts';
import { memory } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { Age } from '../time/Age.tsx';

/** IPv4 first, what every card makes for itself (link-local) last. */
export const addressesOf = (vm: VmView) => {
  const rank = (ip: string) => (/^fe80:/i.test(ip) ? 2 : ip.includes(':') ? 1 : 0);
  return vm.nics.flatMap((n) => n.addresses.map((a) => a.ip)).toSorted((a, b) => rank(a) - rank(b));
};
const networksOf = (vm: VmView) => [...new Set(vm.nics.flatMap((n) => (n.network ? [n.network] : [])))];

function MemoryCell({ kib }: { kib: number }) {
  return <>{memory(kib, useWords().language)}</>;
}

/** The first few, and how many more; all on hover. */
function Several({ of, mono }: { of: readonly string[]; mono?: boolean }) {
  const rest = of.length - 2;
  return (
    <span className={mono ? 'mono' : ''} title={of.join('\n')}>
      {of.slice(0, 2).join(' ')}
      {rest > 0 ? ` +${rest}` : ''}
    </span>
  );
}

export const VM_COLUMNS: readonly Column<VmView>[] = [
  {
    key: 'name',
    title: 'vms.name',
    width: 170,
    grow: 1,
    always: true,
    cell: (v) => (
      <ObjectLink kind="vm" id={v.id} inGrid>
        {v.name}
      </ObjectLink>
    ),
    sort: (v) => v.name,
  },
  {
    key: 'state',
    title: 'vms.state',
    width: 116,
    cell: (v) => <StateWord state={v.gone ? 'gone' : v.state} />,
    sort: (v) => v.state,
    filter: (v) => ({ field: 'state', value: v.state }),
  },
  {
    key: 'protection',
    title: 'vms.protection',
    width: 126,
    cell: (v) => <StateWord state={v.protection} title={v.reason} />,
    sort: (v) => v.protection,
    filter: (v) => ({ field: 'protection', value: v.protection }),
  },
  {
    key: 'tenant',
    title: 'vms.tenant',
    width: 110,
    cell: (v) => v.tenant ?? '–',
    sort: (v) => v.tenant,
    filter: (v) => (v.tenant ? { field: 'tenant', value: v.tenant } : null),
  },
  {
    key: 'host',
    title: 'vms.host',
    width: 110,
    cell: (v) => v.hostName,
    sort: (v) => v.hostName,
    filter: (v) => ({ field: 'host', value: v.hostName }),
  },
  {
    key: 'addresses',
    title: 'vms.addresses',
    width: 190,
    grow: 1,
    cell: (v) => <Several of={addressesOf(v)} mono />,
    sort: (v) => addressesOf(v)[0] ?? null,
  },
  {
    key: 'groups',
    title: 'vms.groups',
    width: 140,
    grow: 1,
    cell: (v) => <Several of={v.groups} />,
    sort: (v) => v.groups.join(' '),
  },
  {
    key: 'reason',
    title: 'vms.reason',
    width: 180,
    grow: 1,
    optional: true,
    cell: (v) => <span title={v.reason}>{v.reason || '–'}</span>,
    sort: (v) => v.reason,
  },
  {
    key: 'mode',
    title: 'vms.mode',
    width: 110,
    optional: true,
    cell: (v) => <StateWord state={v.mode} />,
    sort: (v) => v.mode,
  },
  {
    key: 'networks',
    title: 'vms.networks',
    width: 140,
    optional: true,
    cell: (v) => <Several of={networksOf(v)} />,
    sort: (v) => networksOf(v).join(' '),
  },
  {
    key: 'labels',
    title: 'vms.labels',
    width: 200,
    grow: 1,
    optional: true,
    cell: (v) => <Several of={labelsOf(v)} mono />,
    sort: (v) => labelsOf(v).join(' '),
  },
  {
    key: 'vcpus',
    title: 'vms.vcpus',
    width: 76,
    align: 'end',
    optional: true,
    cell: (v) => v.vcpus,
    sort: (v) => v.vcpus,
  },
  {
    key: 'memory',
    title: 'vms.memory',
    width: 92,
    align: 'end',
    optional: true,
    cell: (v) => <MemoryCell kib={v.memoryKiB} />,
    sort: (v) => v.memoryKiB,
  },
  {
    key: 'lastSeen',
    title: 'vms.lastSeen',
    width: 120,
    optional: true,
    cell: (v) => <Age at={v.lastSeen} />,
    sort: (v) => v.lastSeen,
  },
  {
    key: 'id',
    title: 'vms.id',
    width: 310,
    optional: true,
    cell: (v) => <span className="mono">{v.id}</span>,
    sort: (v) => v.id,
  },
];

export const labelsOf = (vm: VmView) => Object.entries(vm.labels).map(([k, v]) => (v ? `${k}=${v}` : k));

export function LabelList({ of }: { of: readonly string[] }) {
  return (
    <>
      {of.map((text) => (
        <Label key={text} isCompact variant="outline">
          {text}
        </Label>
      ))}
    </>
  );
}
