// All groups.
import type { GroupSpec } from '@wocloud/protocol/resources/group.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import type { Column } from '../table/table.ts';

export const groupSpec = (stored: Stored) => stored.spec as GroupSpec;

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'selector',
    title: 'groups.selector',
    width: 150,
    grow: 1,
    cell: (d) => <span className="mono">{groupSpec(d).selector ?? '–'}</span>,
    sort: (d) => groupSpec(d).selector ?? null,
  },
  {
    key: 'members',
    title: 'groups.members',
    width: 130,
    cell: (d) => (
      <span title={groupSpec(d).members?.join('\n')}>{groupSpec(d).members?.join(', ') ?? '–'}</span>
    ),
  },
  {
    key: 'cidrs',
    title: 'groups.cidrs',
    width: 140,
    cell: (d) => (
      <span className="mono" title={groupSpec(d).cidrs?.join('\n')}>
        {groupSpec(d).cidrs?.join(', ') ?? '–'}
      </span>
    ),
  },
  {
    key: 'description',
    title: 'documents.description',
    width: 160,
    grow: 1,
    cell: (d) => groupSpec(d).description ?? '',
  },
];

export default function GroupsScreen() {
  return <DocumentsScreen kind="Group" room="groups" own={COLUMNS} panel="group" />;
}
