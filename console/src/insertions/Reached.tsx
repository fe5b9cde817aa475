// The VMs an insertion applies to: whether anything of theirs is inspected, and whether their host has a gateway.
import type { InsertionSpec } from '@wocloud/protocol/resources/insertion.ts';
import type { GatewayView, Stored, VmView } from '@wocloud/protocol/views.ts';
import { useMemo } from 'react';
import { usePages } from '../api/calls.ts';
import { stateOf, urgency } from '../gateways/instance.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { Empty } from '../screen/Answers.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { ListTable } from '../table/ListTable.tsx';
import type { Column } from '../table/table.ts';
import { statusOf } from '../documents/describe.tsx';
import { reachOf } from './reach.ts';
import './insertions.css';

/** The instance of each host that is best off: one that works is enough. */
const bestOf = (instances: readonly GatewayView[]) => {
  const best = new Map<string, GatewayView>();
  for (const i of instances) {
    const known = best.get(i.host);
    if (!known || urgency(i) > urgency(known)) best.set(i.host, i);
  }
  return best;
};

function HostGateway({ best }: { best: GatewayView | undefined }) {
  const { t } = useWords();
  return best ? (
    <StateWord state={stateOf(best)} title={best.id} />
  ) : (
    <span className="subtle">{t('insertions.noGateway')}</span>
  );
}

export function Reached({ stored }: { stored: Stored }) {
  const { t } = useWords();
  const may = useMay();
  const { object, open } = usePanel();
  const spec = stored.spec as InsertionSpec;
  const reach = reachOf(spec.appliesTo, stored.metadata.tenant);
  const pages = usePages('vms.list', { query: { ...reach.query, limit: 1000 } }, { upTo: 20_000 });
  const seesGateways = may('gateway.read');
  const instances = usePages('instances.list', {}, { enabled: seesGateways });
  const rows = pages.items.filter(reach.includes);
  const enforced = rows.filter((v) => v.protection === 'enforced').length;
  const unseen = rows.filter((v) => v.protection === 'observed' || v.protection === 'unprotected').length;
  const columns = useMemo(() => {
    const best = bestOf(instances.items);
    return columnsWith(seesGateways ? best : null);
  }, [instances.items, seesGateways]);
  return (
    <div className="reached">
      {statusOf(stored) === 'published' ? null : <p className="subtle">{t('insertions.draft')}</p>}
      {rows.length > 0 ? (
        <>
          <p>
            {t('insertions.goesThrough', { count: enforced })}{' '}
            {unseen > 0 ? t('insertions.notEnforced', { count: unseen }) : ''}
          </p>
          <p className="subtle">
            {t(`insertions.modeHelp_${spec.mode}`)}
            {spec.mode === 'inline'
              ? `${t('trace.semicolon')}${t(`insertions.failureHelp_${spec.failure ?? 'open'}`)}`
              : ''}
          </p>
        </>
      ) : null}
      <ListTable
        label={t('insertions.tabVms')}
        columns={columns}
        pages={pages}
        rows={rows}
        rowKey={(v) => v.id}
        rowName={(v) => v.name}
        openKey={object?.kind === 'vm' ? object.id : null}
        onOpen={(v) => open('vm', v.id)}
        empty={
          <Empty title={t('insertions.nobody')} cli="wocloud get vms">
            {t('insertions.nobodyBody')}
          </Empty>
        }
      />
    </div>
  );
}

const columnsWith = (best: ReadonlyMap<string, GatewayView> | null): Column<VmView>[] => [
  {
    key: 'vm',
    title: 'insertions.vm',
    width: 160,
    grow: 1,
    cell: (v) => (
      <ObjectLink kind="vm" id={v.id} inGrid>
        {v.name}
      </ObjectLink>
    ),
    sort: (v) => v.name,
  },
  {
    key: 'protection',
    title: 'insertions.protection',
    width: 140,
    cell: (v) => <StateWord state={v.protection} title={v.reason || undefined} />,
    sort: (v) => v.protection,
  },
  { key: 'host', title: 'insertions.host', width: 140, cell: (v) => v.hostName, sort: (v) => v.hostName },
  ...(best
    ? [
        {
          key: 'gateway',
          title: 'insertions.hostGateway' as const,
          width: 190,
          cell: (v: VmView) => <HostGateway best={best.get(v.host)} />,
          sort: (v: VmView) => {
            const instance = best.get(v.host);
            return instance ? urgency(instance) : -1;
          },
        },
      ]
    : []),
];
