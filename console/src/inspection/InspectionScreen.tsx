// Every inspection event, live: filtered by typing or by a click over a time range; all of it in the address.
import { Button, Label } from '@patternfly/react-core';
import {
  EVENT_LANGUAGE,
  parseFilter,
  printFilter,
  withTerm,
  type EventField,
  type Filter,
} from '@wocloud/protocol/filter.ts';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { useCallback, useMemo, useState } from 'react';
import { Link } from 'react-router';
import { FilterBar } from '../filter/FilterBar.tsx';
import { Find } from '../filter/Find.tsx';
import { useKnownValues } from '../filter/useKnownValues.ts';
import { useWords } from '../i18n/language.ts';
import { LiveControls, usePause } from '../live/LiveControls.tsx';
import { useLiveRows } from '../live/useLiveRows.ts';
import { usePanel } from '../panel/object.ts';
import { useAddress, useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import { LiveTable } from '../table/LiveTable.tsx';
import { isLive, rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { EVENT_COLUMNS } from './columns.tsx';
import { inspectionCommand } from './command.ts';
import { eventRef, eventTitle, readEventRef } from './event.ts';

const timeOf = (event: InspectionView) => event.time;

export default function InspectionScreen() {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const [range] = useRange();
  const q = useParam('q');
  const text = useParam('text');
  const flow = useParam('flow');
  const change = useChange();
  const { object, open } = usePanel();
  const filter = useMemo((): Filter<EventField> => {
    const { since: _, until: __, ...rest } = parseFilter(q, EVENT_LANGUAGE).query;
    return rest;
  }, [q]);
  const query = useMemo(
    () => ({
      ...filter,
      ...rangeQuery(range),
      ...(text ? { q: text } : {}),
      ...(/^\d{1,20}$/.test(flow) ? { flow } : {}),
    }),
    [filter, range, text, flow],
  );
  const [atTop, setAtTop] = useState(true);
  const running = isLive(range);
  const { paused, turn } = usePause(running);
  const held = paused || !atTop || object?.kind === 'event';
  const live = useLiveRows({ topic: 'inspection', query, at: timeOf, running, held });
  const { shown, choose } = useColumns('inspection', EVENT_COLUMNS);
  const known = useKnownValues();
  const setFilter = useCallback(
    ({ since, until, ...rest }: Filter<EventField>) => {
      // Time in the filter bar is the console's time range, said in words.
      change({
        q: printFilter(rest, EVENT_LANGUAGE),
        ...(since === undefined && until === undefined ? {} : { since: since ?? null, until: until ?? null }),
      });
    },
    [change],
  );
  const filtered = Object.keys(filter).length > 0 || text !== '' || flow !== '';
  const clear = () => change({ q: null, text: null, flow: null });
  return (
    <Screen
      title={t('inspection.title')}
      answer={t('inspection.answer')}
      cli={inspectionCommand(query, running)}
      fill
      actions={
        <>
          <LiveControls running={running} paused={paused} onTurn={turn} />
          <ColumnChooser columns={EVENT_COLUMNS} shown={shown} choose={choose} />
        </>
      }
      toolbar={
        <>
          <FilterBar
            language={EVENT_LANGUAGE}
            label="filter.eventLabel"
            placeholder="filter.eventPlaceholder"
            query={filter}
            onQuery={setFilter}
            known={known}
          />
          <Find
            value={text}
            label={t('inspection.find')}
            onFind={(words) => change({ text: words }, { replace: true })}
          />
          {flow ? (
            <Label
              isCompact
              color="blue"
              onClose={() => change({ flow: null })}
              closeBtnAriaLabel={t('filter.remove', { term: `flow: ${flow}` })}
            >
              {t('inspection.onlyFlow', { flow })}
            </Label>
          ) : null}
        </>
      }
    >
      <LiveTable
        label={t('inspection.title')}
        columns={EVENT_COLUMNS}
        shown={shown}
        live={live}
        rowKey={(e) => e.id}
        rowName={(e) => `${t(`inspection.type-${e.type}`)} ${eventTitle(e)}`}
        onOpen={(e) => open('event', eventRef(e))}
        openKey={object?.kind === 'event' ? (readEventRef(object.id)?.id ?? null) : null}
        onFilter={(field, value, exclude) =>
          setFilter(withTerm<EventField>(filter, field as EventField, value, exclude))
        }
        onAtTop={setAtTop}
        empty={
          <Empty
            title={t('inspection.empty')}
            cli={inspectionCommand({ since: '24h' }, false)}
            action={
              filtered ? (
                <Button onClick={clear}>{t('inspection.clear')}</Button>
              ) : may('insertion.read') ? (
                <Button component={(props) => <Link {...props} to={address('/insertions')} />}>
                  {t('inspection.toInsertions')}
                </Button>
              ) : undefined
            }
          >
            {filtered ? t('inspection.emptyFiltered') : t('inspection.emptyBody')}
          </Empty>
        }
      />
    </Screen>
  );
}
