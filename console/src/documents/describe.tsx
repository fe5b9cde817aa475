// What the lists of documents have in common: names, status, who changed them.
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { StateWord, type State } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { Age } from '../time/Age.tsx';

/** A document's own page. */
export const documentPath = (kind: Kind, tenant: string | null | undefined, name: string) =>
  `/${KINDS[kind].plural}/${tenant ?? '-'}/${encodeURIComponent(name)}`;

/** Whether what is saved is in force. */
export function statusOf(stored: Stored): State {
  const { version, published } = stored.metadata;
  if (published === null) return 'draft';
  return published === version ? 'published' : 'changedDraft';
}

function NameCell({ stored }: { stored: Stored }) {
  const address = useAddress();
  const { name, tenant } = stored.metadata;
  return (
    <Link to={address(documentPath(stored.kind as Kind, tenant, name))} tabIndex={-1}>
      {name}
    </Link>
  );
}

function TenantCell({ stored }: { stored: Stored }) {
  const { t } = useWords();
  return <>{stored.metadata.tenant ?? <span className="subtle">{t('documents.everyone')}</span>}</>;
}

const tenantColumn: Column<Stored> = {
  key: 'tenant',
  title: 'documents.tenant',
  width: 120,
  cell: (d) => <TenantCell stored={d} />,
  sort: (d) => d.metadata.tenant ?? null,
  filter: (d) => (d.metadata.tenant ? { field: 'tenant', value: d.metadata.tenant } : null),
};

const statusColumn: Column<Stored> = {
  key: 'status',
  title: 'documents.status',
  width: 150,
  cell: (d) => <StateWord state={statusOf(d)} />,
  sort: (d) => statusOf(d),
};

/** The columns of a kind's list around its own. */
export function documentColumns(kind: Kind, own: readonly Column<Stored>[]): Column<Stored>[] {
  return [
    {
      key: 'name',
      title: 'documents.name',
      width: 170,
      grow: 1,
      always: true,
      cell: (d) => <NameCell stored={d} />,
      sort: (d) => d.metadata.name,
    },
    ...(KINDS[kind].scope === 'platform' ? [] : [tenantColumn]),
    ...own,
    ...(KINDS[kind].published ? [statusColumn] : []),
    {
      key: 'version',
      title: 'documents.version',
      width: 84,
      align: 'end',
      optional: true,
      cell: (d) => d.metadata.version,
      sort: (d) => d.metadata.version,
    },
    {
      key: 'updated',
      title: 'documents.updated',
      width: 120,
      cell: (d) => <Age at={d.metadata.updatedAt} />,
      sort: (d) => d.metadata.updatedAt,
    },
    {
      key: 'updatedBy',
      title: 'documents.updatedBy',
      width: 110,
      cell: (d) => d.metadata.updatedBy,
      sort: (d) => d.metadata.updatedBy,
    },
  ];
}
