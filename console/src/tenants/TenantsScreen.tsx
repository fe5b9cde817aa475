// All tenants.
import { TENANT_DEFAULTS, type TenantSpec } from '@wocloud/protocol/resources/tenant.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';

const specOf = (stored: Stored) => stored.spec as TenantSpec;
const defaultOf = (stored: Stored, which: keyof typeof TENANT_DEFAULTS) =>
  specOf(stored).defaults?.[which] ?? TENANT_DEFAULTS[which];

const defaultColumn = (which: keyof typeof TENANT_DEFAULTS): Column<Stored> => ({
  key: which,
  title: `tenants.${which}`,
  width: 110,
  cell: (d) => <StateWord state={defaultOf(d, which)} />,
  sort: (d) => defaultOf(d, which),
});

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'title',
    title: 'tenants.titleColumn',
    width: 180,
    grow: 1,
    cell: (d) => specOf(d).title ?? '',
    sort: (d) => specOf(d).title ?? null,
  },
  defaultColumn('within'),
  defaultColumn('ingress'),
  defaultColumn('egress'),
];

export default function TenantsScreen() {
  return <DocumentsScreen kind="Tenant" room="tenants" own={COLUMNS} />;
}
