// A table that holds 10,000 rows: only those in sight exist, the header stays, the keyboard walks it as a grid,
// a click on a value filters by it, and the order lives in the address.
import { useVirtualizer } from '@tanstack/react-virtual';
import '@patternfly/react-styles/css/components/Table/table.css';
import { useEffect, useImperativeHandle, useMemo, useRef } from 'react';
import { useWords } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { readSort, sorted, writeSort } from './columns.ts';
import { useGridKeys } from './grid-keys.ts';
import { HeadCell } from './HeadCell.tsx';
import type { Column, DataTableProps } from './table.ts';
import { TableRow } from './TableRow.tsx';
import './table.css';

export const ROW_HEIGHT = 34;

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { columns, rows, rowKey, onEnd, onAtTop } = props;
  const { t, language } = useWords();
  const change = useChange();
  const sort = readSort(useParam('sort'));
  const shown = useMemo(() => columns.filter((c) => props.shown.includes(c.key)), [columns, props.shown]);
  const sortColumn = props.fixedOrder ? undefined : columns.find((c) => c.key === sort?.key && c.sort);
  const ordered = useMemo(
    () => (sortColumn?.sort && sort ? sorted(rows, sortColumn.sort, sort.down, language) : rows),
    [rows, sortColumn, sort?.down, language],
  );
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: ordered.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    getItemKey: (i) => rowKey(ordered[i]!),
    // Rows are painted in the next frame anyway; a synchronous flush per scroll event costs smoothness.
    useFlushSync: false,
  });
  useImperativeHandle(props.handle, () => ({ toTop: () => virtual.scrollToOffset(0) }), [virtual]);
  const keys = useGridKeys({
    rows: ordered.length,
    columns: shown.length,
    scroller,
    reveal: (row) => virtual.scrollToIndex(row),
    act: (row, column, how) => act(props, shown, ordered[row], column, how),
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onEnd && ordered.length > 0 && last >= ordered.length - 20) onEnd();
  }, [last, ordered.length, onEnd]);
  const atTop = useRef(true);
  const scrolled = () => {
    const now = (scroller.current?.scrollTop ?? 0) < ROW_HEIGHT / 2;
    if (now === atTop.current) return;
    atTop.current = now;
    onAtTop?.(now);
  };
  if (ordered.length === 0 && props.empty) return <>{props.empty}</>;
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = shown.reduce((sum, c) => sum + c.width, 0);
  return (
    <div className="table-scroller" ref={scroller} onScroll={scrolled}>
      <table
        className="pf-v6-c-table pf-m-compact data-table"
        role="grid"
        aria-label={props.label}
        aria-rowcount={ordered.length + 1}
        aria-colcount={shown.length}
        style={{ minInlineSize: width }}
        onKeyDown={keys.onKeyDown}
        onFocus={keys.onFocus}
      >
        <colgroup>
          {shown.map((c) => (
            <col key={c.key} style={c.grow ? {} : { inlineSize: c.width }} />
          ))}
        </colgroup>
        <thead className="pf-v6-c-table__thead">
          <tr className="pf-v6-c-table__tr" aria-rowindex={1}>
            {shown.map((c) => (
              <HeadCell
                key={c.key}
                title={t(c.title)}
                end={c.align === 'end'}
                sortable={!props.fixedOrder && c.sort !== undefined}
                order={sort?.key === c.key ? (sort.down ? 'descending' : 'ascending') : 'none'}
                onSort={() => change({ sort: nextSort(sort, c.key) }, { replace: true })}
              />
            ))}
          </tr>
        </thead>
        <tbody className="pf-v6-c-table__tbody">
          {before > 0 ? <Spacer height={before} /> : null}
          {items.map((item) => (
            <TableRow
              key={item.key}
              row={ordered[item.index]!}
              index={item.index}
              columns={shown}
              active={keys.active}
              open={props.openKey !== undefined && props.openKey === item.key}
              table={props}
            />
          ))}
          {after > 0 ? <Spacer height={after} /> : null}
        </tbody>
      </table>
    </div>
  );
}

const Spacer = ({ height }: { height: number }) => (
  <tr aria-hidden="true" style={{ blockSize: height }}>
    <td />
  </tr>
);

function nextSort(sort: ReturnType<typeof readSort>, key: string): string {
  if (sort?.key !== key) return key;
  return sort.down ? '' : writeSort({ key, down: true });
}

function act<Row>(
  table: DataTableProps<Row>,
  shown: readonly Column<Row>[],
  row: Row | undefined,
  column: number,
  how: 'include' | 'exclude' | 'open',
): void {
  if (row === undefined) return;
  const term = shown[column]?.filter?.(row);
  if (how !== 'open' && term && table.onFilter) table.onFilter(term.field, term.value, how === 'exclude');
  else table.onOpen?.(row);
}
