// Every flow, live: filtered by typing or by a click, over a time range that can be brushed; all of it in the address.
import { Button } from '@patternfly/react-core';
import {
  FLOW_LANGUAGE,
  filterFlags,
  parseFilter,
  printFilter,
  withTerm,
  type FlowFilter,
  type ListField,
} from '@wocloud/protocol/filter.ts';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { useCallback, useMemo, useState } from 'react';
import { FilterBar } from '../filter/FilterBar.tsx';
import { useKnownValues } from '../filter/useKnownValues.ts';
import { useWords } from '../i18n/language.ts';
import { LiveControls, usePause } from '../live/LiveControls.tsx';
import { useLiveRows } from '../live/useLiveRows.ts';
import { usePanel } from '../panel/object.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import { LiveTable } from '../table/LiveTable.tsx';
import { isLive, rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { FLOW_COLUMNS } from './columns.tsx';
import { endName, flowRef, readFlowRef } from './ends.ts';
import { FlowHistogram } from './FlowHistogram.tsx';
import './flows.css';

/** As the platform lists them: what began last stands first. */
const startOf = (flow: FlowView) => flow.start;

export default function FlowsScreen() {
  const { t } = useWords();
  const [range] = useRange();
  const q = useParam('q');
  const change = useChange();
  const { object, open } = usePanel();
  const filter = useMemo(() => withoutTime(parseFilter(q).query), [q]);
  const query = useMemo(() => ({ ...filter, ...rangeQuery(range) }), [filter, range]);
  const [atTop, setAtTop] = useState(true);
  const running = isLive(range);
  const { paused, turn } = usePause(running);
  const held = paused || !atTop || object?.kind === 'flow';
  const live = useLiveRows({ topic: 'flow', query, at: startOf, running, held });
  const { shown, choose } = useColumns('flows', FLOW_COLUMNS);
  const known = useKnownValues();

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
          <LiveControls running={running} paused={paused} onTurn={turn} />
          <ColumnChooser columns={FLOW_COLUMNS} shown={shown} choose={choose} />
        </>
      }
      toolbar={
        <FilterBar
          language={FLOW_LANGUAGE}
          label="filter.label"
          placeholder="filter.placeholder"
          query={filter}
          onQuery={setFilter}
          known={known}
        />
      }
    >
      <FlowHistogram filter={filter} every={10_000} />
      <LiveTable
        label={t('flows.title')}
        columns={FLOW_COLUMNS}
        shown={shown}
        live={live}
        rowKey={(f) => f.id}
        rowName={(f) => `${endName(f.src)} ${endName(f.dst)}`}
        onOpen={(f) => open('flow', flowRef(f))}
        openKey={openKey}
        onFilter={(field, value, exclude) => setFilter(withTerm(filter, field as ListField, value, exclude))}
        onAtTop={setAtTop}
        empty={
          <Empty
            title={t('flows.empty')}
            cli={filtered ? 'wocloud flows --since 24h' : 'wocloud flows -f'}
            action={filtered ? <Button onClick={() => setFilter({})}>{t('flows.clear')}</Button> : undefined}
          >
            {filtered ? t('flows.emptyFiltered') : t('flows.emptyBody')}
          </Empty>
        }
      />
    </Screen>
  );
}

function withoutTime({ since: _, until: __, ...rest }: FlowFilter): FlowFilter {
  return rest;
}
