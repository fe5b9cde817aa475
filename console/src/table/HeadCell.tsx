// A column's head: its title, and its order when it can be sorted by.
import LongArrowAltDownIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-down-icon';
import LongArrowAltUpIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-up-icon';

interface Props {
  title: string;
  end: boolean;
  sortable: boolean;
  order: 'ascending' | 'descending' | 'none';
  onSort: () => void;
}

export function HeadCell({ title, end, sortable, order, onSort }: Props) {
  const className = `pf-v6-c-table__th${end ? ' cell-end' : ''}`;
  if (!sortable)
    return (
      <th className={className} scope="col">
        {title}
      </th>
    );
  return (
    <th className={className} scope="col" aria-sort={order}>
      <button type="button" className="head-sort" onClick={onSort}>
        {title}
        {order === 'ascending' ? <LongArrowAltUpIcon /> : null}
        {order === 'descending' ? <LongArrowAltDownIcon /> : null}
      </button>
    </th>
  );
}
