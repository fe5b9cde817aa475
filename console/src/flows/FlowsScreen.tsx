// Every flow, live: filtered by typing or by a click, over a time range that can be brushed; all of it in the address.
import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import PauseIcon from '@patternfly/react-icons/dist/esm/icons/pause-icon';
import PlayIcon from '@patternfly/react-icons/dist/esm/icons/play-icon';
import {
  filterFlags,
  parseFilter,
  printFilter,
  withTerm,
  type FlowFilter,
  type ListField,
} from '@wocloud/protocol/filter.ts';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { FilterBar } from '../filter/FilterBar.tsx';
import { useKnownValues } from '../filter/useKnownValues.ts';
import { useWords } from '../i18n/language.ts';
import { useLiveStatus } from '../live/live.ts';
import { usePanel } from '../panel/object.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import { DataTable, type TableHandle } from '../table/DataTable.tsx';
import { isLive, rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { FLOW_COLUMNS } from './columns.tsx';
import { endName, flowRef, readFlowRef } from './ends.ts';
import { FlowHistogram } from './FlowHistogram.tsx';
import { useLiveFlows } from './useLiveFlows.ts';
import './flows.css';

export default function FlowsScreen() {
  const { t } = useWords();
  const [range] = useRange();
  const q = useParam('q');
  const paused = useParam('paused') === '1';
  const change = useChange();
  const { object, open } = usePanel();
  const filter = useMemo(() => withoutTime(parseFilter(q).query), [q]);
  const query = useMemo(() => ({ ...filter, ...rangeQuery(range) }), [filter, range]);
  const [atTop, setAtTop] = useState(true);
  const running = isLive(range);
  const held = paused || !atTop || object?.kind === 'flow';
  const { flows, waiting, release, pages } = useLiveFlows(query, running, held);
  const { shown, choose } = useColumns('flows', FLOW_COLUMNS);
  const known = useKnownValues();
  const table = useRef<TableHandle>(null);

  const setFilter = useCallback(
    (next: FlowFilter) => {
      // Time in the filter bar is the console's time range, said in words.
      const { since, until, ...rest } = next;
      change({
        q: printFilter(rest),
        ...(since === undefined && until === undefined ? {} : { since: since ?? null, until: until ?? null }),
      });
    },
    [change],
  );
  const pause = useCallback(
    () => change({ paused: paused ? null : '1' }, { replace: true }),
    [change, paused],
  );
  useSpaceKey(pause, running);
  const showNew = () => {
    release();
    table.current?.toTop();
  };
  const openKey = object?.kind === 'flow' ? (readFlowRef(object.id)?.id ?? null) : null;
  const filtered = Object.keys(filter).length > 0;
  return (
    <Screen
      title={t('flows.title')}
      answer={t('flows.answer')}
      cli={`wocloud flows${running ? ' -f' : ''} ${filterFlags(query)}`.trim()}
      fill
      actions={
        <>
          <LiveState running={running} paused={paused} />
          {running ? (
            <ToggleGroup aria-label={t('flows.live')}>
              <ToggleGroupItem
                icon={paused ? <PlayIcon /> : <PauseIcon />}
                text={paused ? t('flows.resume') : t('flows.pause')}
                isSelected={paused}
                onChange={pause}
                buttonId="pause"
              />
            </ToggleGroup>
          ) : null}
          <ColumnChooser columns={FLOW_COLUMNS} shown={shown} choose={choose} />
        </>
      }
      toolbar={<FilterBar query={filter} onQuery={setFilter} known={known} />}
    >
      <FlowHistogram filter={filter} every={10_000} />
      <div className="new-rows" aria-live="polite">
        {waiting > 0 ? (
          <Button variant="primary" size="sm" onClick={showNew} title={t('flows.newShow')} data-testid="new">
            {t('flows.new', { count: waiting })}
          </Button>
        ) : null}
      </div>
      {pages.error ? <Failure error={pages.error} retry={pages.retry} /> : null}
      {pages.pending ? (
        <Loading lines={12} />
      ) : pages.error && flows.length === 0 ? null : (
        <DataTable
          label={t('flows.title')}
          columns={FLOW_COLUMNS}
          shown={shown}
          rows={flows}
          rowKey={(f) => f.id}
          rowName={(f) => `${endName(f.src)} ${endName(f.dst)}`}
          onOpen={(f) => open('flow', flowRef(f))}
          openKey={openKey}
          onFilter={(field, value, exclude) =>
            setFilter(withTerm(filter, field as ListField, value, exclude))
          }
          onEnd={pages.more}
          onAtTop={setAtTop}
          handle={table}
          fixedOrder
          empty={
            <Empty
              title={t('flows.empty')}
              cli={filtered ? 'wocloud flows --since 24h' : 'wocloud flows -f'}
              action={
                filtered ? <Button onClick={() => setFilter({})}>{t('flows.clear')}</Button> : undefined
              }
            >
              {filtered ? t('flows.emptyFiltered') : t('flows.emptyBody')}
            </Empty>
          }
        />
      )}
      <div className="table-foot">
        <span>
          {pages.hasMore
            ? t('table.rowsMore', { shown: flows.length })
            : t('table.rows', { count: flows.length, shown: flows.length })}
        </span>
        <span className="subtle">{t('table.keys')}</span>
      </div>
    </Screen>
  );
}

function withoutTime({ since: _, until: __, ...rest }: FlowFilter): FlowFilter {
  return rest;
}

/** Whether new flows come, wait, or cannot come. */
function LiveState({ running, paused }: { running: boolean; paused: boolean }) {
  const { t } = useWords();
  const { state } = useLiveStatus();
  const word = !running
    ? 'past'
    : paused
      ? 'pausedState'
      : state === 'open'
        ? 'live'
        : state === 'lost'
          ? 'offline'
          : 'connecting';
  return (
    <span className={`live-state live-${word}`} role="status" data-testid="live-state">
      {t(`flows.${word}`)}
    </span>
  );
}

/** Space pauses and resumes, unless something else has the use of it. */
function useSpaceKey(act: () => void, enabled: boolean): void {
  useEffect(() => {
    if (!enabled) return undefined;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== ' ' || event.defaultPrevented) return;
      const target = event.composedPath()[0] as HTMLElement;
      if (target.closest('button, a, input, textarea, [contenteditable="true"], [aria-modal="true"]')) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [act, enabled]);
}
