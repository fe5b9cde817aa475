// All networks that documents join.
import type { NetworkSpec } from '@wocloud/protocol/resources/network.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import type { Column } from '../table/table.ts';

const specOf = (stored: Stored) => stored.spec as NetworkSpec;
const membersOf = (stored: Stored) =>
  specOf(stored).members.map((m) => `${m.host}:${m.bridge}${m.vlan === undefined ? '' : `.${m.vlan}`}`);

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'members',
    title: 'networks.members',
    width: 240,
    grow: 1,
    cell: (d) => (
      <span className="mono" title={membersOf(d).join('\n')}>
        {membersOf(d).join(', ')}
      </span>
    ),
  },
  {
    key: 'owner',
    title: 'networks.owner',
    width: 120,
    cell: (d) => specOf(d).tenant ?? '–',
    sort: (d) => specOf(d).tenant ?? null,
  },
  {
    key: 'description',
    title: 'documents.description',
    width: 180,
    grow: 1,
    cell: (d) => specOf(d).description ?? '',
  },
];

export default function NetworksScreen() {
  return <DocumentsScreen kind="Network" room="networks" own={COLUMNS} />;
}
