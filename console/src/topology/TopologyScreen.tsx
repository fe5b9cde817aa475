// Which groups talk to which over the time range, as a map and as a table; the VMs of a group on demand.
import { Button, Checkbox, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { Suspense, lazy, useCallback, useEffect, useMemo, useState } from 'react';
import { useCall, usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { isLive, rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { EdgeCard } from './EdgeCard.tsx';
import { shownGraph, type ShownEdge, type ShownNode } from './graph.ts';
import { EDGE_SIGNS } from './look.ts';
import { Matrix } from './Matrix.tsx';
import './topology.css';

// Asked for with the screen, not after its first answer: drawing begins when both are here.
const loadMap = () => import('./TopologyMap.tsx');
const TopologyMap = lazy(loadMap);
const VIEWS = ['both', 'map', 'table'] as const;
const NO_TRAFFIC = { nodes: [], edges: [] };

export default function TopologyScreen() {
  const { t } = useWords();
  const [range] = useRange();
  const change = useChange();
  const { open: openPanel } = usePanel();
  const view = VIEWS.find((v) => v === useParam('view')) ?? 'both';
  const openText = useParam('open');
  const withStaged = useParam('staged') === '1';
  const open = useMemo(() => new Set(openText ? openText.split(',') : []), [openText]);
  const [edgeId, setEdgeId] = useState<string | null>(null);
  const time = rangeQuery(range);
  useEffect(() => {
    if (view !== 'table') void loadMap();
  }, [view]);
  const poll = { keep: true, ...(isLive(range) ? { every: 15_000 } : {}) };
  const groups = useCall('topology.get', { query: { ...time, by: 'group' } }, poll);
  const vms = useCall('topology.get', { query: { ...time, by: 'vm' } }, { ...poll, enabled: open.size > 0 });
  const staged = useCall(
    'topology.get',
    { query: { ...time, by: 'group', staged: ['dropped', 'rejected'] } },
    { ...poll, enabled: withStaged },
  );
  const list = usePages('vms.list', { query: { limit: 1000 } });
  const graph = useMemo(
    () =>
      shownGraph(
        groups.data ?? NO_TRAFFIC,
        open.size > 0 ? vms.data : undefined,
        open,
        withStaged ? staged.data : undefined,
      ),
    [groups.data, vms.data, open, withStaged, staged.data],
  );
  const edge = graph.edges.find((e) => e.id === edgeId) ?? null;
  const setOpen = useCallback(
    (ids: ReadonlySet<string>) => change({ open: [...ids].join(',') }, { replace: true }),
    [change],
  );
  const onNode = useCallback(
    (node: ShownNode) => {
      if (node.type === 'group') {
        const next = new Set(open);
        if (!next.delete(node.id)) next.add(node.id);
        setOpen(next);
      } else if (node.type === 'vm') openPanel('vm', node.id.replace(/^vm\//, ''));
    },
    [open, setOpen, openPanel],
  );
  const onEdge = useCallback((e: ShownEdge | null) => setEdgeId(e?.id ?? null), []);
  const groupIds = (groups.data?.nodes ?? []).filter((n) => n.type === 'group').map((n) => n.id);
  return (
    <Screen
      title={t('topology.title')}
      answer={t('topology.answer')}
      cli={`wocloud topology --since ${range.since}${range.until ? ` --until ${range.until}` : ''}`}
      fill
      toolbar={
        <>
          <ToggleGroup aria-label={t('topology.view')}>
            {VIEWS.map((v) => (
              <ToggleGroupItem
                key={v}
                buttonId={`view-${v}`}
                text={t(
                  v === 'both' ? 'topology.both' : v === 'map' ? 'topology.mapOnly' : 'topology.matrix',
                )}
                isSelected={v === view}
                onChange={() => change({ view: v === 'both' ? null : v }, { replace: true })}
              />
            ))}
          </ToggleGroup>
          <Button
            variant="secondary"
            onClick={() => setOpen(new Set(open.size === groupIds.length ? [] : groupIds))}
          >
            {open.size > 0 && open.size === groupIds.length
              ? t('topology.collapseAll')
              : t('topology.expandAll')}
          </Button>
          <Checkbox
            id="staged"
            label={t('topology.staged')}
            isChecked={withStaged}
            onChange={(_, on) => change({ staged: on ? '1' : null }, { replace: true })}
          />
          <Legend />
        </>
      }
    >
      {groups.error ? <Failure error={groups.error} retry={() => void groups.refetch()} /> : null}
      {groups.data === undefined ? (
        groups.error ? null : (
          <Loading lines={10} />
        )
      ) : graph.edges.length === 0 ? (
        <Empty title={t('topology.empty')} cli="wocloud topology --since 24h">
          {t('topology.emptyBody')}
        </Empty>
      ) : (
        <>
          {graph.clustered ? <p className="subtle">{t('topology.clustered')}</p> : null}
          <div className={`topology topology-${view}`}>
            {view === 'table' ? null : (
              <div className="map">
                <Suspense fallback={<Loading lines={10} />}>
                  <TopologyMap graph={graph} onNode={onNode} onEdge={onEdge} edge={edge} />
                </Suspense>
              </div>
            )}
            {view === 'map' ? null : <Matrix graph={graph} onEdge={onEdge} edge={edge} />}
          </div>
          {edge ? (
            <EdgeCard
              edge={edge}
              graph={graph}
              nodes={[...(groups.data.nodes ?? []), ...(vms.data?.nodes ?? [])]}
              vms={list.items}
              onClose={() => setEdgeId(null)}
            />
          ) : null}
        </>
      )}
    </Screen>
  );
}

function Legend() {
  const { t } = useWords();
  return (
    <ul className="legend" aria-label={t('topology.legend')}>
      {(['allowed', 'dropped', 'rejected', 'unprotected', 'observed', 'staged'] as const).map((v) => (
        <li key={v}>
          <span className={`legend-line legend-${v}`} aria-hidden="true">
            {EDGE_SIGNS[v]}
          </span>
          <StateWord state={v} />
        </li>
      ))}
    </ul>
  );
}
