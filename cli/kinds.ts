// What `get`, `describe` and `delete` know: each noun's operations, its columns, and its other names.
import type { Client } from '@wocloud/protocol/client.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Alert, HostView, Publication, Stored, User, VmView } from '@wocloud/protocol/views.ts';
import { CliError } from './errors.ts';
import { age, type Color, type Column } from './output.ts';

export interface ListOptions {
  tenant?: string;
  selector?: string;
  all?: boolean;
}

export interface Noun {
  plural: string;
  aliases: string[];
  columns: Column<never>[];
  list(client: Client, options: ListOptions): Promise<unknown[]>;
  get(client: Client, name: string, options: ListOptions): Promise<unknown>;
}

const GOOD: Record<string, Color> = {
  running: 'green',
  enforced: 'green',
  connected: 'green',
  published: 'green',
  resolved: 'dim',
  observed: 'yellow',
  staged: 'yellow',
  unprotected: 'red',
  crashed: 'red',
  stale: 'red',
  critical: 'red',
  high: 'red',
  medium: 'yellow',
  failed: 'red',
  partial: 'yellow',
  open: 'yellow',
};
const word = <T>(title: string, value: (row: T) => string): Column<T> => ({
  title,
  value,
  color: (row) => GOOD[value(row)],
});

const labels = (map: Record<string, string>) =>
  Object.entries(map)
    .map(([k, v]) => (v ? `${k}=${v}` : k))
    .join(',');

/** Follows cursors until there is no next page. */
export async function allPages<T>(
  fetchPage: (cursor?: string) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    rows.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return rows;
}

const paged = (cursor: string | undefined) => ({ limit: 1000, ...(cursor ? { cursor } : {}) });
const tenanted = (o: ListOptions) => (o.tenant ? { tenant: o.tenant } : {});
const selected = (o: ListOptions) => (o.selector ? { selector: o.selector } : {});

const vms: Noun = {
  plural: 'vms',
  aliases: ['vm', 'domain', 'domains'],
  columns: [
    { title: 'NAME', value: (v: VmView) => v.name },
    { title: 'TENANT', value: (v) => v.tenant ?? '' },
    word('STATE', (v) => v.state),
    word('PROTECTION', (v) => v.protection),
    { title: 'ADDRESSES', value: (v) => v.nics.flatMap((n) => n.addresses.map((a) => a.ip)).join(' ') },
    { title: 'HOST', value: (v) => v.hostName },
    { title: 'LABELS', value: (v) => labels(v.labels), wide: true },
    { title: 'GROUPS', value: (v) => v.groups.join(','), wide: true },
    { title: 'NETWORKS', value: (v) => v.nics.map((n) => n.network ?? n.source).join(','), wide: true },
    { title: 'REASON', value: (v) => v.reason, wide: true },
    { title: 'ID', value: (v) => v.id, wide: true },
  ] satisfies Column<VmView>[] as Column<never>[],
  list: (client, o) =>
    allPages((cursor) =>
      client.call('vms.list', {
        query: { ...tenanted(o), ...selected(o), ...(o.all ? { gone: true } : {}), ...paged(cursor) },
      }),
    ),
  get: (client, id) => client.call('vms.get', { params: { id } }),
};

const hosts: Noun = {
  plural: 'hosts',
  aliases: ['host'],
  columns: [
    { title: 'NAME', value: (h: HostView) => h.name },
    word('STATE', (h) => h.state),
    { title: 'VMS', value: (h) => String(h.vms), align: 'right' },
    { title: 'MODE', value: (h) => h.mode },
    { title: 'GENERATION', value: (h) => `${h.generation.applied}/${h.generation.desired}`, align: 'right' },
    { title: 'SEEN', value: (h) => age(h.lastSeen), align: 'right' },
    { title: 'NOTICES', value: (h) => (h.facts?.notices ?? []).map((n) => n.code).join(',') },
    { title: 'LIBVIRT', value: (h) => h.facts?.libvirt ?? '', wide: true },
    { title: 'KERNEL', value: (h) => h.facts?.kernel ?? '', wide: true },
    { title: 'ID', value: (h) => h.id, wide: true },
  ] satisfies Column<HostView>[] as Column<never>[],
  list: (client) => allPages((cursor) => client.call('hosts.list', { query: paged(cursor) })),
  get: (client, id) => client.call('hosts.get', { params: { id } }),
};

const users: Noun = {
  plural: 'users',
  aliases: ['user'],
  columns: [
    { title: 'NAME', value: (u: User) => u.name },
    {
      title: 'ROLES',
      value: (u) => [...u.roles, ...(u.tenant ? [`${u.tenantRole} of ${u.tenant}`] : [])].join(', '),
    },
    { title: 'STATE', value: (u) => (u.disabled ? 'disabled' : 'active') },
    { title: 'LAST SIGN-IN', value: (u) => age(u.lastSignIn), align: 'right' },
    { title: 'ID', value: (u) => u.id, wide: true },
  ] satisfies Column<User>[] as Column<never>[],
  list: (client, o) =>
    allPages((cursor) => client.call('users.list', { query: { ...tenanted(o), ...paged(cursor) } })),
  get: (client, id) => client.call('users.get', { params: { id } }),
};

export const alertColumns = [
  word('SEVERITY', (a: Alert) => a.severity),
  word('STATE', (a) => a.state),
  { title: 'SEEN', value: (a) => age(a.lastSeen), align: 'right' },
  { title: 'COUNT', value: (a) => String(a.count), align: 'right' },
  { title: 'KIND', value: (a) => a.kind },
  { title: 'VM', value: (a) => a.vmName ?? '' },
  { title: 'TITLE', value: (a) => a.title },
  { title: 'HOST', value: (a) => a.hostName ?? '', wide: true },
  { title: 'TENANT', value: (a) => a.tenant ?? '', wide: true },
  { title: 'ID', value: (a) => a.id, wide: true },
] satisfies Column<Alert>[];

const alerts: Noun = {
  plural: 'alerts',
  aliases: ['alert'],
  columns: alertColumns as Column<never>[],
  list: (client, o) =>
    allPages((cursor) =>
      client.call('alerts.list', {
        query: { ...tenanted(o), ...(o.all ? {} : { state: 'open' as const }), ...paged(cursor) },
      }),
    ),
  get: (client, id) => client.call('alerts.get', { params: { id } }),
};

const publications: Noun = {
  plural: 'publications',
  aliases: ['publication'],
  columns: [
    { title: 'ID', value: (p: Publication) => String(p.id), align: 'right' },
    word('STATE', (p) => p.state),
    { title: 'AGE', value: (p) => age(p.at), align: 'right' },
    { title: 'BY', value: (p) => p.by },
    { title: 'TENANT', value: (p) => p.tenant ?? '' },
    { title: 'CHANGES', value: (p) => String(p.changes.length), align: 'right' },
    { title: 'MESSAGE', value: (p) => p.message },
  ] satisfies Column<Publication>[] as Column<never>[],
  list: (client, o) =>
    allPages((cursor) => client.call('publications.list', { query: { ...tenanted(o), ...paged(cursor) } })),
  get: (client, id) => client.call('publications.get', { params: { id }, query: {} }),
};

const documentNoun = (kind: Kind): Noun => {
  const { plural } = KINDS[kind];
  return {
    plural,
    aliases: [kind.toLowerCase()].filter((alias) => alias !== 'vm'),
    columns: [
      { title: 'NAME', value: (d: Stored) => d.metadata.name },
      { title: 'TENANT', value: (d) => d.metadata.tenant ?? '' },
      { title: 'VERSION', value: (d) => String(d.metadata.version), align: 'right' },
      ...(KINDS[kind].published
        ? [
            word('IN FORCE', (d: Stored) =>
              d.metadata.published === null
                ? 'not yet'
                : d.metadata.published === d.metadata.version
                  ? 'published'
                  : `version ${d.metadata.published}`,
            ),
          ]
        : []),
      { title: 'CHANGED', value: (d) => age(d.metadata.updatedAt), align: 'right' },
      { title: 'BY', value: (d) => d.metadata.updatedBy },
    ] satisfies Column<Stored>[] as Column<never>[],
    list: (client, o) =>
      allPages((cursor) =>
        client.call(`${plural}.list` as 'policies.list', {
          query: { ...tenanted(o), ...selected(o), ...paged(cursor) },
        }),
      ),
    get: (client, name, o) =>
      client.call(`${plural}.get` as 'policies.get', { params: { name }, query: tenanted(o) }),
  };
};

export const NOUNS: Noun[] = [
  vms,
  hosts,
  users,
  alerts,
  publications,
  ...(Object.keys(KINDS) as Kind[]).map(documentNoun),
];

/** The noun a person means. @throws CliError with the nearest name */
export function findNoun(text: string): Noun {
  const wanted = text.toLowerCase();
  const found = NOUNS.find((n) => n.plural === wanted || n.aliases.includes(wanted));
  if (found) return found;
  const names = NOUNS.map((n) => n.plural);
  const near = nearest(wanted, names);
  throw new CliError(
    `${text} is not a kind`,
    'usage',
    `${near ? `Did you mean ${near}? ` : ''}Kinds: ${names.join(', ')}`,
  );
}
