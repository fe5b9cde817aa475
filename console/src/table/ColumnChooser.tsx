// Chooses the columns of a table; the choice is kept in this browser.
import { Divider, Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core';
import ColumnsIcon from '@patternfly/react-icons/dist/esm/icons/columns-icon';
import { useState } from 'react';
import { useWords } from '../i18n/language.ts';
import { defaultColumns, keepColumns, readColumns } from './columns.ts';
import type { Column } from './table.ts';

const store = () => {
  try {
    return localStorage;
  } catch {
    return null;
  }
};

/** The shown columns of a table, and how to choose others. */
export function useColumns<Row>(table: string, columns: readonly Column<Row>[]) {
  const [shown, setShown] = useState(() => readColumns(table, columns, store()));
  const choose = (keys: string[]) => {
    setShown(columns.filter((c) => c.always || keys.includes(c.key)).map((c) => c.key));
    keepColumns(table, columns, keys, store());
  };
  return { shown, choose };
}

interface Props<Row> {
  columns: readonly Column<Row>[];
  shown: readonly string[];
  choose: (keys: string[]) => void;
}

export function ColumnChooser<Row>({ columns, shown, choose }: Props<Row>) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const toggle = (key: string) =>
    choose(shown.includes(key) ? shown.filter((k) => k !== key) : [...shown, key]);
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          isExpanded={open}
          onClick={() => setOpen(!open)}
          icon={<ColumnsIcon />}
          variant="secondary"
        >
          {t('table.columns')}
        </MenuToggle>
      )}
    >
      <DropdownList>
        {columns.map((c) => (
          <DropdownItem
            key={c.key}
            hasCheckbox
            isSelected={shown.includes(c.key)}
            isDisabled={c.always ?? false}
            onClick={() => toggle(c.key)}
          >
            {t(c.title)}
          </DropdownItem>
        ))}
        <Divider key="divider" />
        <DropdownItem key="reset" onClick={() => choose(defaultColumns(columns))}>
          {t('table.columnsReset')}
        </DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}
