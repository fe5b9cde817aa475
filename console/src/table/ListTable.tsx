// A list as a table with what stands in its place: loading, failing, empty; and how many rows there are.
import type { ReactNode } from 'react';
import type { usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { DataTable } from './DataTable.tsx';
import type { DataTableProps } from './table.ts';

type Pages<Row> = Pick<ReturnType<typeof usePages>, 'pending' | 'error' | 'retry' | 'hasMore' | 'more'> & {
  items: readonly Row[];
};
interface Props<Row> extends Omit<DataTableProps<Row>, 'rows' | 'onEnd' | 'empty' | 'shown'> {
  pages: Pages<Row>;
  empty: ReactNode;
  shown?: readonly string[];
  /** Rows as they are shown, when some of those read are left out. */
  rows?: readonly Row[];
}

export function ListTable<Row>({ pages, empty, shown, rows, ...table }: Props<Row>) {
  const { t } = useWords();
  const items = rows ?? pages.items;
  if (pages.pending) return <Loading lines={8} />;
  return (
    <>
      {pages.error ? <Failure error={pages.error} retry={pages.retry} /> : null}
      {pages.error && items.length === 0 ? null : (
        <DataTable
          {...table}
          rows={items}
          shown={shown ?? table.columns.filter((c) => !c.optional).map((c) => c.key)}
          onEnd={pages.more}
          empty={empty}
        />
      )}
      {items.length > 0 ? (
        <div className="table-foot" role="status">
          {pages.hasMore
            ? t('table.rowsMore', { shown: items.length })
            : t('table.rows', { count: items.length, shown: items.length })}
        </div>
      ) : null}
    </>
  );
}
