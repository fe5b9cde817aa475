// Where a search hit leads: to its list with its panel open, or to its own page.
import type { SearchHit } from '@wocloud/protocol/views.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';

const PANELS: Record<string, [path: string, panel: string]> = {
  vm: ['/vms', 'vm'],
  host: ['/hosts', 'host'],
  alert: ['/alerts', 'alert'],
  group: ['/groups', 'group'],
};

export function hitAddress(hit: SearchHit): { path: string; panel: string | null } {
  const kind = hit.kind.toLowerCase();
  const panel = PANELS[kind];
  if (panel) {
    // Groups are told apart by tenant; the others by an id of their own.
    const id = kind === 'group' ? `${hit.tenant ?? '-'}/${hit.name}` : hit.id;
    return { path: panel[0], panel: `${panel[1]}:${id}` };
  }
  const resource = (Object.keys(KINDS) as Kind[]).find((k) => k.toLowerCase() === kind);
  if (resource)
    return {
      path: `/${KINDS[resource].plural}/${hit.tenant ?? '-'}/${encodeURIComponent(hit.name)}`,
      panel: null,
    };
  return { path: kind === 'user' ? '/users' : '/', panel: null };
}
