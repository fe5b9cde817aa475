// What a table is made of: its columns, and what its owner gives it and may ask of it.
import type { ReactNode, Ref } from 'react';
import type { Key } from '../i18n/language.ts';
import type { ColumnChoice } from './columns.ts';

export interface Column<Row> extends ColumnChoice {
  title: Key;
  /** Pixels at least; what is left of the width is shared by `grow`. */
  width: number;
  grow?: number;
  align?: 'end';
  cell: (row: Row) => ReactNode;
  /** Stands after the value, outside of what a click filters by. */
  beside?: (row: Row) => ReactNode;
  /** Makes the column sortable. */
  sort?: (row: Row) => string | number | null;
  /** A click on the cell filters by this; null where there is nothing to filter by. */
  filter?: (row: Row) => { field: string; value: string } | null;
}

/** What a table's owner may ask of it. */
export interface TableHandle {
  toTop(): void;
}

export interface DataTableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  shown: readonly string[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** What a screen reader calls the row. */
  rowName: (row: Row) => string;
  onOpen?: (row: Row) => void;
  openKey?: string | null;
  onFilter?: (field: string, value: string, exclude: boolean) => void;
  /** The end came near: time for the next page. */
  onEnd?: () => void;
  /** Whether the reader stands at the top; called when that changes. */
  onAtTop?: (atTop: boolean) => void;
  empty?: ReactNode;
  handle?: Ref<TableHandle>;
  /** Rows keep the order given, and the header does not sort. */
  fixedOrder?: boolean;
}
