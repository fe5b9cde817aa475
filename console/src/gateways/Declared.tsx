// The gateway documents: on which host, in which form, how many.
import type { GatewaySpec } from '@wocloud/protocol/resources/gateway.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { memory } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import type { Column } from '../table/table.ts';
import { Form } from './columns.tsx';
import { InspectionTabs } from './InspectionTabs.tsx';

const specOf = (stored: Stored) => stored.spec as GatewaySpec;
/** As the schema says it where a document does not. */
const DEFAULTS = { form: 'vm', instances: 1, vcpus: 1, memoryMiB: 768 } as const;

function Size({ of }: { of: GatewaySpec }) {
  const { language } = useWords();
  return (
    <>
      {of.vcpus ?? DEFAULTS.vcpus} / {memory((of.memoryMiB ?? DEFAULTS.memoryMiB) * 1024, language)}
    </>
  );
}

function Image({ of }: { of: string | undefined }) {
  const { t } = useWords();
  return of ? (
    <span className="mono">{of}</span>
  ) : (
    <span className="subtle">{t('gateways.newestImage')}</span>
  );
}

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'host',
    title: 'gateways.host',
    width: 130,
    cell: (d) => specOf(d).host,
    sort: (d) => specOf(d).host,
  },
  {
    key: 'form',
    title: 'gateways.form',
    width: 100,
    cell: (d) => <Form of={specOf(d).form ?? DEFAULTS.form} />,
    sort: (d) => specOf(d).form ?? DEFAULTS.form,
  },
  {
    key: 'instances',
    title: 'gateways.instances',
    width: 90,
    align: 'end',
    cell: (d) => specOf(d).instances ?? DEFAULTS.instances,
    sort: (d) => specOf(d).instances ?? DEFAULTS.instances,
  },
  { key: 'size', title: 'gateways.size', width: 140, cell: (d) => <Size of={specOf(d)} /> },
  { key: 'image', title: 'gateways.image', width: 180, cell: (d) => <Image of={specOf(d).image} /> },
  {
    key: 'description',
    title: 'documents.description',
    width: 160,
    grow: 1,
    cell: (d) => specOf(d).description ?? '',
  },
];

export function Declared() {
  return (
    <DocumentsScreen
      kind="Gateway"
      room="gateways"
      empty={['gateways.emptyDeclared', 'gateways.emptyDeclaredBody']}
      own={COLUMNS}
      tabs={<InspectionTabs at="declared" />}
    />
  );
}
