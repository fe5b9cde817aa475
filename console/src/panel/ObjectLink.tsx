// A link to an object: opens it in the side panel of the screen one is on.
import type { ReactNode } from 'react';
import { Link, useLocation } from 'react-router';
import { changed } from '../screen/address.ts';
import { useMay } from '../session/session.tsx';
import { writeObject, type ObjectKind } from './object.ts';

const READS: Record<ObjectKind, string> = {
  vm: 'vm.read',
  flow: 'flow.read',
  rule: 'policy.read',
  alert: 'alert.read',
  host: 'host.read',
  group: 'group.read',
  publication: 'publication.read',
  gateway: 'gateway.read',
  event: 'inspection.read',
};

interface Props {
  kind: ObjectKind;
  id: string;
  children: ReactNode;
  className?: string;
  title?: string;
  /** Not in the tab order: the cell around it is. */
  inGrid?: boolean;
  label?: string;
}

export function ObjectLink({ kind, id, children, className, title, inGrid, label }: Props) {
  const { pathname, search } = useLocation();
  const may = useMay();
  // What one may not see is still named, but leads nowhere.
  if (!may(READS[kind]))
    return (
      <span className={className} title={title}>
        {children}
      </span>
    );
  return (
    <Link
      to={{ pathname, search: changed(search, { panel: writeObject({ kind, id }) }) }}
      className={className}
      title={title}
      aria-label={label}
      {...(inGrid ? { tabIndex: -1 } : {})}
    >
      {children}
    </Link>
  );
}
