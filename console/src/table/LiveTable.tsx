// A table whose rows come page by page and live: those that wait, what stands in its place, how many there are.
import { useRef, type ReactNode } from 'react';
import { useWords } from '../i18n/language.ts';
import { NewRows } from '../live/LiveControls.tsx';
import type { LiveRows } from '../live/useLiveRows.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { DataTable } from './DataTable.tsx';
import type { DataTableProps, TableHandle } from './table.ts';

interface Props<Row> extends Omit<DataTableProps<Row>, 'rows' | 'onEnd' | 'handle' | 'fixedOrder'> {
  live: LiveRows<Row>;
  empty: ReactNode;
}

export function LiveTable<Row>({ live, ...props }: Props<Row>) {
  const { t } = useWords();
  const table = useRef<TableHandle>(null);
  const { rows, waiting, release, pages } = live;
  return (
    <>
      <NewRows
        waiting={waiting}
        onShow={() => {
          release();
          table.current?.toTop();
        }}
      />
      {pages.error ? <Failure error={pages.error} retry={pages.retry} /> : null}
      {pages.pending ? (
        <Loading lines={12} />
      ) : pages.error && rows.length === 0 ? null : (
        <DataTable {...props} rows={rows} onEnd={pages.more} handle={table} fixedOrder />
      )}
      <div className="table-foot">
        <span>
          {pages.hasMore
            ? t('table.rowsMore', { shown: rows.length })
            : t('table.rows', { count: rows.length, shown: rows.length })}
        </span>
        <span className="subtle">{t('table.keys')}</span>
      </div>
    </>
  );
}
