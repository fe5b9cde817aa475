// Walking a grid by keyboard: one tab stop, arrows and page keys move, Enter acts on the cell, O opens the row.
import { useState, type FocusEvent, type KeyboardEvent, type RefObject } from 'react';

interface Grid {
  rows: number;
  columns: number;
  scroller: RefObject<HTMLElement | null>;
  reveal: (row: number) => void;
  act: (row: number, column: number, how: 'include' | 'exclude' | 'open') => void;
}

const PAGE = 15;

export function useGridKeys(grid: Grid) {
  const [active, setActive] = useState<readonly [number, number]>([0, 0]);
  // A shorter list leaves the focus on its last row.
  const row = Math.max(0, Math.min(active[0], grid.rows - 1));
  const column = Math.max(0, Math.min(active[1], grid.columns - 1));

  const move = (toRow: number, toColumn: number) => {
    const r = Math.max(0, Math.min(toRow, grid.rows - 1));
    const c = Math.max(0, Math.min(toColumn, grid.columns - 1));
    setActive([r, c]);
    grid.reveal(r);
    focusCell(grid.scroller, r, c, 10);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Only keys of the cells: the header's buttons and a cell's own controls keep theirs.
    if (!(event.target instanceof HTMLTableCellElement) || event.ctrlKey || event.metaKey) return;
    const moves: Record<string, () => void> = {
      ArrowDown: () => move(row + 1, column),
      ArrowUp: () => move(row - 1, column),
      ArrowRight: () => move(row, column + 1),
      ArrowLeft: () => move(row, column - 1),
      PageDown: () => move(row + PAGE, column),
      PageUp: () => move(row - PAGE, column),
      Home: () => move(0, column),
      End: () => move(grid.rows - 1, column),
      Enter: () => grid.act(row, column, event.altKey ? 'exclude' : 'include'),
      o: () => grid.act(row, column, 'open'),
    };
    const act = moves[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  const onFocus = (event: FocusEvent) => {
    const cell = event.target.closest('td');
    const r = Number(cell?.parentElement?.dataset['row']);
    const c = Number(cell?.dataset['column']);
    if (!Number.isNaN(r) && !Number.isNaN(c)) setActive([r, c]);
  };
  return { active: [row, column] as const, onKeyDown, onFocus };
}

/** Focuses a cell once it exists: a row far away is rendered only after the scroll. */
function focusCell(
  scroller: RefObject<HTMLElement | null>,
  row: number,
  column: number,
  frames: number,
): void {
  const cell = scroller.current?.querySelector<HTMLElement>(
    `tr[data-row="${row}"] td[data-column="${column}"]`,
  );
  if (cell) cell.focus({ preventScroll: true });
  else if (frames > 0) requestAnimationFrame(() => focusCell(scroller, row, column, frames - 1));
}
