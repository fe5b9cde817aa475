// What `get`, `describe` and `delete` know: each noun's operations, its columns, and its other names.
import type { Client } from '@wocloud/protocol/client.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import { KINDS, type DocumentOf, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { LimitSpec } from '@wocloud/protocol/resources/limit.ts';
import type { AppliesTo } from '@wocloud/protocol/resources/policy.ts';
import type {
  Alert,
  Change,
  GatewayView,
  Grant,
  HostView,
  Publication,
  Stored,
  Token,
  User,
  VmView,
} from '@wocloud/protocol/views.ts';
import type { ResponseOf } from '@wocloud/protocol/api.ts';
import { CliError } from './errors.ts';
import { age, bytes, moment, type Color, type Column } from './output.ts';

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
  enforce: 'green',
  observe: 'yellow',
  created: 'green',
  changed: 'yellow',
  deleted: 'red',
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
  working: 'green',
  starting: 'yellow',
  degraded: 'yellow',
  draining: 'dim',
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

/** IPv4 first; link-local ones, which every NIC has, only when asked for. */
const addresses = (vm: VmView, all: boolean) =>
  vm.nics
    .flatMap((n) => n.addresses.map((a) => a.ip))
    .filter((ip) => all || !/^fe80:/i.test(ip))
    .sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));

const vms: Noun = {
  plural: 'vms',
  aliases: ['vm', 'domain', 'domains'],
  columns: [
    { title: 'NAME', value: (v: VmView) => v.name },
    { title: 'TENANT', value: (v) => v.tenant ?? '' },
    word('STATE', (v) => v.state),
    word('PROTECTION', (v) => v.protection),
    { title: 'ADDRESSES', value: (v) => addresses(v, false).join(' ') },
    { title: 'HOST', value: (v) => v.hostName },
    { title: 'ALL ADDRESSES', value: (v) => addresses(v, true).join(' '), wide: true },
    { title: 'LABELS', value: (v) => labels(v.labels), wide: true },
    { title: 'GROUPS', value: (v) => v.groups.join(','), wide: true },
    { title: 'NETWORKS', value: (v) => v.nics.map((n) => n.network ?? n.source).join(','), wide: true },
    { title: 'REASON', value: (v) => v.reason, wide: true },
    { title: 'ID', value: (v) => v.id, wide: true },
  ] satisfies Column<VmView>[],
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
    { title: 'DEFAULT', value: (h) => h.mode },
    { title: 'GENERATION', value: (h) => `${h.generation.applied}/${h.generation.desired}`, align: 'right' },
    { title: 'SEEN', value: (h) => age(h.lastSeen), align: 'right' },
    { title: 'NOTICES', value: (h) => (h.facts?.notices ?? []).map((n) => n.code).join(',') },
    { title: 'LIBVIRT', value: (h) => h.facts?.libvirt ?? '', wide: true },
    { title: 'KERNEL', value: (h) => h.facts?.kernel ?? '', wide: true },
    { title: 'ID', value: (h) => h.id, wide: true },
  ] satisfies Column<HostView>[],
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
  ] satisfies Column<User>[],
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
  { title: 'ID', value: (a) => a.id.slice(0, 8), whole: true },
  { title: 'HOST', value: (a) => a.hostName ?? '', wide: true },
  { title: 'TENANT', value: (a) => a.tenant ?? '', wide: true },
  { title: 'FULL ID', value: (a) => a.id, wide: true },
] satisfies Column<Alert>[];

const alerts: Noun = {
  plural: 'alerts',
  aliases: ['alert'],
  columns: alertColumns,
  list: (client, o) =>
    allPages((cursor) =>
      client.call('alerts.list', {
        query: { ...tenanted(o), ...(o.all ? {} : { state: 'open' as const }), ...paged(cursor) },
      }),
    ),
  get: async (client, id) => client.call('alerts.get', { params: { id: await alertId(client, id) } }),
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The alert whose id begins so, as the table shows it. @throws CliError when none or several do */
export async function alertId(client: Client, start: string): Promise<string> {
  if (UUID.test(start)) return start;
  const all = await allPages((cursor) => client.call('alerts.list', { query: paged(cursor) }));
  const found = all.filter((a) => a.id.startsWith(start.toLowerCase()));
  if (found.length === 1 && found[0]) return found[0].id;
  throw new CliError(
    found.length === 0
      ? `No alert's id begins with ${start}`
      : `${found.length} alerts' ids begin with ${start}`,
    'notFound',
    'See them with their ids: wocloud alerts --all',
  );
}

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
  ] satisfies Column<Publication>[],
  list: (client, o) =>
    allPages((cursor) => client.call('publications.list', { query: { ...tenanted(o), ...paged(cursor) } })),
  get: (client, id) => client.call('publications.get', { params: { id }, query: {} }),
};

export const changeColumns = [
  word('ACTION', (c: Change) => c.action),
  { title: 'KIND', value: (c) => c.kind },
  { title: 'TENANT', value: (c) => c.tenant ?? '' },
  { title: 'NAME', value: (c) => c.name },
  { title: 'BY', value: (c) => c.by },
  { title: 'AGE', value: (c) => age(c.at), align: 'right' },
] satisfies Column<Change>[];

/** The one of a list that a person names, for what has no address of its own. */
const among =
  <T>(
    what: string,
    all: (client: Client, o: ListOptions) => Promise<T[]>,
    is: (one: T, name: string) => boolean,
  ) =>
  async (client: Client, name: string, o: ListOptions) => {
    const found = (await all(client, o)).filter((one) => is(one, name));
    if (found.length === 0)
      throw new CliError(`${what} ${name} is not there`, 'notFound', `List them: wocloud get ${what}`);
    return found.length === 1 ? found[0] : found;
  };

const listChanges = (client: Client, o: ListOptions) =>
  client.call('changes.list', { query: tenanted(o) }).then((page) => page.items);
const changes: Noun = {
  plural: 'changes',
  aliases: ['change', 'drafts'],
  columns: changeColumns,
  list: listChanges,
  get: among('changes', listChanges, (c, name) => c.name === name || `${c.tenant}/${c.name}` === name),
};

const listGrants = (client: Client) =>
  allPages((cursor) => client.call('grants.list', { query: paged(cursor) }));
const grants: Noun = {
  plural: 'grants',
  aliases: ['grant'],
  columns: [
    { title: 'USER', value: (g: Grant & { vmName?: string }) => g.user },
    { title: 'VM', value: (g) => g.vmName ?? g.vm },
    { title: 'RIGHTS', value: (g) => g.rights.join(', ') },
    { title: 'BY', value: (g) => g.by },
    { title: 'AGE', value: (g) => age(g.at), align: 'right' },
    { title: 'VM ID', value: (g) => g.vm, wide: true },
  ] satisfies Column<Grant & { vmName?: string }>[],
  list: async (client, o) => {
    const [rows, known] = [await listGrants(client), await vms.list(client, o)];
    const names = new Map((known as VmView[]).map((v) => [v.id, v.name]));
    return rows.map((g) => ({ ...g, vmName: names.get(g.vm) ?? g.vm }));
  },
  get: among('grants', listGrants, (g, name) => g.user === name || g.vm === name),
};

/** An instance of a host that is silent is as it was when it was last heard of. */
const instanceState = (g: GatewayView) => (g.stale ? 'stale' : g.state);

export const instanceColumns = [
  { title: 'HOST', value: (g: GatewayView) => g.hostName },
  { title: 'GATEWAY', value: (g) => g.id, whole: true },
  { title: 'FORM', value: (g) => g.form },
  word('STATE', instanceState),
  { title: 'SINCE', value: (g) => age(new Date(g.since / 1000).toISOString()), align: 'right' },
  { title: 'REASON', value: (g) => g.reason },
  {
    title: 'LATENCY',
    value: (g) => (g.latencyMicros === null ? '' : `${Math.round(g.latencyMicros)} µs`),
    align: 'right',
  },
  {
    title: 'RULES',
    value: (g) => `${g.loaded}${g.refused > 0 ? ` (${g.refused} refused)` : ''}`,
    align: 'right',
  },
  { title: 'DROPS', value: (g) => String(g.counters['dropped'] ?? ''), align: 'right' },
  { title: 'MEMORY', value: (g) => bytes(g.residentKiB * 1024), align: 'right', wide: true },
  { title: 'IMAGE', value: (g) => g.image, wide: true },
  { title: 'SURICATA', value: (g) => g.suricata, wide: true },
  { title: 'RULES DIGEST', value: (g) => g.rules.slice(0, 16), wide: true },
  { title: 'RULES ERROR', value: (g) => g.rulesError, wide: true, color: () => 'red' },
  { title: 'SEEN', value: (g) => age(g.at), align: 'right', wide: true },
] satisfies Column<GatewayView>[];

const listTokens = (client: Client) => client.call('tokens.list').then((page) => page.items);
const tokens: Noun = {
  plural: 'tokens',
  aliases: ['token'],
  columns: [
    { title: 'ID', value: (t: Token) => t.id, whole: true },
    { title: 'NAME', value: (t) => t.name },
    { title: 'CREATED', value: (t) => age(t.createdAt), align: 'right' },
    { title: 'LAST USED', value: (t) => age(t.lastUsed), align: 'right' },
    { title: 'EXPIRES', value: (t) => (t.expiresAt ? moment(t.expiresAt) : 'never') },
  ] satisfies Column<Token>[],
  list: listTokens,
  get: among('tokens', listTokens, (t, name) => t.id === name || t.name === name),
};

type Switched = ResponseOf<'enforcement.list'>['items'][number];
const listEnforcement = (client: Client) => client.call('enforcement.list').then((page) => page.items);
const enforcement: Noun = {
  plural: 'enforcement',
  aliases: ['enforcements'],
  columns: [
    { title: 'SCOPE', value: (e: Switched) => e.scope },
    { title: 'NAME', value: (e) => e.name },
    word('MODE', (e) => e.mode),
    { title: 'BY', value: (e) => e.by },
    { title: 'AGE', value: (e) => age(e.at), align: 'right' },
  ] satisfies Column<Switched>[],
  list: listEnforcement,
  get: among('enforcement', listEnforcement, (e, name) => e.name === name),
};

/** Whom a document applies to, in a few words. */
const applied = (appliesTo: AppliesTo): string => {
  if (appliesTo === 'all') return 'all';
  const whom =
    'selector' in appliesTo ? appliesTo.selector : 'group' in appliesTo ? `group ${appliesTo.group}` : '';
  return [appliesTo.tenant === undefined ? '' : `${appliesTo.tenant}:`, whom].filter(Boolean).join(' ');
};

/** Lines of a text that are rules and on, without reading them. */
const rulesOn = (text: string): number => text.match(/^[ \t]*[a-z]+[ \t].*\(/gm)?.length ?? 0;

const said = <K extends Kind>(
  title: string,
  value: (spec: DocumentOf<K>['spec']) => string | number,
): Column<Stored> => ({ title, value: (d) => String(value(d.spec as DocumentOf<K>['spec'])) });

/** What of a kind's spec is worth a column. */
const SPEC_COLUMNS: Partial<Record<Kind, Column<Stored>[]>> = {
  Insertion: [
    said<'Insertion'>('APPLIES TO', (s) => applied(s.appliesTo)),
    said<'Insertion'>('MODE', (s) => s.mode),
    said<'Insertion'>('FAILURE', (s) => (s.mode === 'mirror' ? '' : (s.failure ?? 'open'))),
    said<'Insertion'>('SERVICES', (s) => s.services?.join(',') ?? 'all'),
  ],
  Limit: [
    said<'Limit'>('APPLIES TO', (s) => applied(s.appliesTo)),
    said<'Limit'>('LIMITS', (s) =>
      (Object.keys(LimitSpec.properties) as (keyof typeof s)[])
        .flatMap((key) => (typeof s[key] === 'number' ? [`${key}=${s[key]}`] : []))
        .join(' '),
    ),
  ],
  RuleSet: [
    said<'RuleSet'>('ENABLED', (s) => (s.enabled === false ? 'no' : 'yes')),
    { ...said<'RuleSet'>('RULES', (s) => rulesOn(s.rules)), align: 'right' },
  ],
  Gateway: [
    said<'Gateway'>('HOST', (s) => s.host),
    said<'Gateway'>('FORM', (s) => s.form ?? 'vm'),
    { ...said<'Gateway'>('INSTANCES', (s) => s.instances ?? 1), align: 'right' },
    said<'Gateway'>('IMAGE', (s) => s.image ?? 'newest'),
  ],
};

const documentNoun = (kind: Kind): Noun => {
  const { plural } = KINDS[kind];
  return {
    plural,
    aliases: [kind.toLowerCase(), ...(kind === 'RuleSet' ? ['rule-set', 'rulesets'] : [])].filter(
      (alias) => alias !== 'vm',
    ),
    columns: [
      { title: 'NAME', value: (d: Stored) => d.metadata.name },
      { title: 'TENANT', value: (d) => d.metadata.tenant ?? '' },
      ...(SPEC_COLUMNS[kind] ?? []),
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
    ] satisfies Column<Stored>[],
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
  alerts,
  changes,
  publications,
  users,
  grants,
  tokens,
  enforcement,
  ...(Object.keys(KINDS) as Kind[]).map(documentNoun),
];

/** The plural of a kind by any of its names. */
export const kindNamed = (text: string): string | undefined =>
  NOUNS.find((n) => n.plural === text || n.aliases.includes(text))?.plural;

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
