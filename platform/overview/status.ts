// Is everything well? Counted in one place, and said in one sentence in both languages.
import type { Overview } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import type { Handlers, Scope } from '../handler.ts';
import { live } from '../hosts/store.ts';
import { PENDING } from '../documents/rows.ts';
import { readPublications, type HostsOf } from '../publications/read.ts';
import { visible, type Directory } from '../vms/directory.ts';
import { protectionOf } from '../vms/view.ts';

/** Flows of the last minute, as a caller may see them. */
export type CountFlows = (
  scope: Scope,
  signal: AbortSignal,
) => Promise<{ lastMinute: number; dropped: number }>;

const ACTIVE = new Set(['running', 'blocked', 'paused']);

export function statusHandlers(
  { db, log, now }: Context,
  directory: () => Directory,
  countFlows: CountFlows,
  hostsOf: HostsOf,
): Pick<Handlers, 'status.get'> {
  return {
    async 'status.get'({ caller: { scope }, signal }) {
      const vms = countVms(directory(), scope);
      const shown = hostsOf(scope);
      const [hosts, alerts, policies, [last], flows, lost, gateways] = await Promise.all([
        db.one<Overview['hosts']>(
          `SELECT count(*)::integer AS total, count(*) FILTER (WHERE ${live('h')})::integer AS connected,
             count(*) FILTER (WHERE coalesce(g.generation, 0) > h.applied_generation)::integer AS behind
           FROM hosts h LEFT JOIN generations g ON g.host = h.id
           WHERE NOT h.forgotten AND ($1::text[] IS NULL OR h.id::text = ANY ($1))`,
          [shown && [...shown]],
        ),
        countAlerts(scope),
        db.one<Overview['policies']>(
          `SELECT count(*) FILTER (WHERE kind = 'Policy' AND NOT deleted)::integer AS total,
             count(*) FILTER (WHERE ${PENDING})::integer AS unpublished
           FROM documents WHERE $1 OR tenant = $2`,
          [scope.all, scope.tenant],
        ),
        readPublications(db, scope, hostsOf, { limit: 1 }),
        countFlows(scope, signal).catch((error: unknown) => {
          log.warn({ err: error }, 'flows could not be counted');
          return { lastMinute: 0, dropped: 0 };
        }),
        scope.all
          ? db.one<{ lost: number }>(
              "SELECT coalesce(sum(lost), 0)::float8 AS lost FROM streams WHERE stream = 'flows'",
            )
          : undefined,
        scope.all ? countGateways() : undefined,
      ]);
      const counts = {
        vms,
        hosts: hosts ?? { total: 0, connected: 0, behind: 0 },
        ...(gateways ? { gateways } : {}),
        alerts,
        flows: { ...flows, lost: lost?.lost ?? 0 },
        policies: policies ?? { total: 0, unpublished: 0 },
        lastPublication: last ? { id: last.id, at: last.at, by: last.by, state: last.state } : null,
      };
      return { ...say(counts, now()), ...counts };
    },
  };

  /** Of a host that is silent nothing is known: that is said of the host. */
  function countGateways(): Promise<Overview['gateways']> {
    return db.one(
      `SELECT count(*)::integer AS total, count(*) FILTER (WHERE g.report ->> 'state' = 'failed')::integer AS failed
       FROM gateway_instances g JOIN hosts h ON h.id = g.host WHERE NOT h.forgotten AND ${live('h')}`,
    );
  }

  async function countAlerts(scope: Scope): Promise<Overview['alerts']> {
    const known = directory();
    const mine = scope.all ? null : [...known.all()].filter((vm) => visible(scope, vm)).map((vm) => vm.id);
    const row = await db.one<Overview['alerts']>(
      `SELECT count(*)::integer AS open, count(*) FILTER (WHERE severity = 'critical')::integer AS critical
       FROM alerts WHERE state = 'open' AND ($1::uuid[] IS NULL OR vm = ANY ($1))`,
      [mine],
    );
    return row ?? { open: 0, critical: 0 };
  }
}

function countVms(directory: Directory, scope: Scope): Overview['vms'] {
  const counts = { total: 0, running: 0, enforced: 0, observed: 0, unprotected: 0 };
  for (const vm of directory.all()) {
    if (vm.gone || !visible(scope, vm)) continue;
    counts.total++;
    if (ACTIVE.has(vm.state)) counts.running++;
    const { protection } = protectionOf(vm.nics);
    if (protection !== 'inactive') counts[protection]++;
  }
  return counts;
}

type Counts = Pick<
  Overview,
  'vms' | 'hosts' | 'gateways' | 'alerts' | 'flows' | 'policies' | 'lastPublication'
>;
type Said = Record<'en' | 'zh-CN', string>;

const many = (n: number, one: string, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;

/** The sentence an operator reads first: what there is, as of when it is enforced, and what needs a person. */
export function say(counts: Counts, now: Date): Pick<Overview, 'sentence' | 'healthy'> {
  const { vms, hosts } = counts;
  const needs = troubles(counts);
  const healthy = needs.length === 0;
  if (hosts.total === 0 && vms.total === 0 && healthy)
    return { healthy, sentence: { en: 'No host has joined yet.', 'zh-CN': '尚无宿主机接入。' } };
  const standing = protection(counts, now);
  const say = (language: keyof Said, none: string, comma: string) =>
    needs.map((n) => n[language]).join(comma) || none;
  return {
    healthy,
    sentence: {
      en: `${many(vms.total, 'VM')} on ${many(hosts.total, 'host')}, ${standing.en}; ${say('en', 'nothing needs you', ', ')}.`,
      'zh-CN': `${hosts.total} 台宿主机上的 ${vms.total} 台虚拟机，${standing['zh-CN']}；${say('zh-CN', '没有需要处理的事项', '，')}。`,
    },
  };
}

/** How the VMs stand, and since which publication. */
function protection({ vms, hosts, lastPublication: last }: Counts, now: Date): Said {
  const { total, enforced, observed, unprotected } = vms;
  const idle = total - enforced - observed - unprotected;
  const en: string[] = [];
  const zh: string[] = [];
  const add = (n: number, word: string, chinese: string) => {
    if (n === 0) return;
    en.push(n === total ? `all ${word}` : `${n} ${word}`);
    zh.push(n === total ? `全部${chinese}` : `${n} 台${chinese}`);
  };
  add(enforced, 'enforced', '已强制防护');
  add(observed, 'only observed', '仅观察');
  add(unprotected, 'unprotected', '未防护');
  add(idle, 'not running', '未运行');
  if (!last)
    return { en: [...en, 'nothing published yet'].join(', '), 'zh-CN': [...zh, '尚未发布策略'].join('，') };
  const at = ago(Date.parse(last.at), now.getTime());
  // "As published" is said only when every host has proven it.
  const proven = hosts.behind === 0 && hosts.connected === hosts.total && last.state === 'published';
  if (proven && total > 0 && enforced === total)
    return { en: `all enforced as published ${at.en}`, 'zh-CN': `全部按${at['zh-CN']}发布的策略强制防护` };
  return {
    en: [...en, `last published ${at.en}`].join(', '),
    'zh-CN': [...zh, `最近一次发布于${at['zh-CN']}`].join('，'),
  };
}

/** What needs a person, the worst first. */
function troubles({ vms, hosts, gateways, alerts }: Counts): Said[] {
  const failed = gateways?.failed ?? 0;
  const silent = hosts.total - hosts.connected;
  const rest = alerts.open - alerts.critical;
  const found: [number, string, string][] = [
    [
      alerts.critical,
      `${many(alerts.critical, 'critical alert')} ${alerts.critical === 1 ? 'needs' : 'need'} you`,
      `${alerts.critical} 条严重告警待处理`,
    ],
    [silent, `${many(silent, 'host')} not connected`, `${silent} 台宿主机未连接`],
    [hosts.behind, `${many(hosts.behind, 'host')} behind the plan`, `${hosts.behind} 台宿主机落后于期望状态`],
    [failed, `${many(failed, 'gateway')} failed`, `${failed} 个安全网关故障`],
    [vms.unprotected, `${many(vms.unprotected, 'VM')} unprotected`, `${vms.unprotected} 台虚拟机未防护`],
    [
      rest,
      `${many(rest, alerts.critical > 0 ? 'other alert' : 'alert')} ${rest === 1 ? 'needs' : 'need'} you`,
      `${alerts.critical > 0 ? '另有 ' : ''}${rest} 条告警待处理`,
    ],
  ];
  return found.filter(([n]) => n > 0).map(([, en, zh]) => ({ en, 'zh-CN': zh }));
}

const UNITS: [Intl.RelativeTimeFormatUnit, number, string][] = [
  ['day', 86_400_000, '天'],
  ['hour', 3_600_000, '小时'],
  ['minute', 60_000, '分钟'],
];
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'always' });

/** How long ago, in the largest unit that fits. */
function ago(at: number, now: number): Said {
  const passed = Math.max(0, now - at);
  for (const [unit, ms, chinese] of UNITS) {
    const n = Math.floor(passed / ms);
    if (n > 0) return { en: RELATIVE.format(-n, unit), 'zh-CN': ` ${n} ${chinese}前` };
  }
  return { en: 'just now', 'zh-CN': '刚刚' };
}
