// All services.
import type { ServiceSpec } from '@wocloud/protocol/resources/service.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import type { Column } from '../table/table.ts';

const specOf = (stored: Stored) => stored.spec as ServiceSpec;

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'ports',
    title: 'services.ports',
    width: 200,
    grow: 1,
    cell: (d) => (
      <span className="mono" title={specOf(d).ports.join('\n')}>
        {specOf(d).ports.join(', ')}
      </span>
    ),
    sort: (d) => specOf(d).ports[0] ?? null,
  },
  {
    key: 'description',
    title: 'documents.description',
    width: 180,
    grow: 1,
    cell: (d) => specOf(d).description ?? '',
  },
];

export default function ServicesScreen() {
  return <DocumentsScreen kind="Service" room="services" own={COLUMNS} />;
}
