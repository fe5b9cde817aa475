// One row: a click on a value filters (with Alt: excludes), a click anywhere else opens the row.
import type { MouseEvent } from 'react';
import { useWords } from '../i18n/language.ts';
import type { Column, DataTableProps } from './table.ts';

interface Props<Row> {
  row: Row;
  index: number;
  columns: readonly Column<Row>[];
  active: readonly [row: number, column: number];
  open: boolean;
  table: DataTableProps<Row>;
}

export function TableRow<Row>({ row, index, columns, active, open, table }: Props<Row>) {
  const { t } = useWords();
  const onClick = (event: MouseEvent<HTMLTableRowElement>) => {
    // A link or button in the row speaks for itself, and marking text is no click.
    if ((event.target as Element).closest('a, button, input') || window.getSelection()?.toString()) return;
    table.onOpen?.(row);
  };
  return (
    <tr
      className={`pf-v6-c-table__tr${table.onOpen ? ' pf-m-clickable' : ''}${open ? ' pf-m-selected' : ''}`}
      aria-rowindex={index + 2}
      aria-selected={table.onOpen ? open : undefined}
      data-row={index}
      onClick={onClick}
    >
      {columns.map((c, i) => {
        const term = table.onFilter ? c.filter?.(row) : null;
        const content = c.cell(row);
        return (
          <td
            key={c.key}
            className={`pf-v6-c-table__td${c.align === 'end' ? ' cell-end' : ''}`}
            tabIndex={active[0] === index && active[1] === i ? 0 : -1}
            data-column={i}
            data-field={c.key}
          >
            {term ? (
              <button
                type="button"
                tabIndex={-1}
                className={`cell-filter${c.beside ? ' cell-shared' : ''}`}
                title={t('table.include', { value: term.value })}
                onClick={(event) => table.onFilter?.(term.field, term.value, event.altKey)}
              >
                {content}
              </button>
            ) : (
              content
            )}
            {c.beside?.(row)}
          </td>
        );
      })}
    </tr>
  );
}
