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
  { db, log }: Context,
  directory: () => Directory,
  countFlows: CountFlows,
  hostsOf: HostsOf,
): Pick<Handlers, 'status.get'> {
  return {
    async 'status.get'({ caller: { scope }, signal }) {
      const vms = countVms(directory(), scope);
      const shown = hostsOf(scope);
      const [hosts, alerts, policies, [last], flows, lost] = await Promise.all([
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
          ? db.one<{ lost: number }>('SELECT coalesce(sum(lost), 0)::float8 AS lost FROM streams')
          : undefined,
      ]);
      const counts = {
        vms,
        hosts: hosts ?? { total: 0, connected: 0, behind: 0 },
        alerts,
        flows: { ...flows, lost: lost?.lost ?? 0 },
        policies: policies ?? { total: 0, unpublished: 0 },
      };
      return {
        ...say(counts),
        ...counts,
        lastPublication: last ? { id: last.id, at: last.at, by: last.by, state: last.state } : null,
      };
    },
  };

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

type Counts = Pick<Overview, 'vms' | 'hosts' | 'alerts' | 'flows' | 'policies'>;

/** The sentence an operator reads first: the worst thing, or that all is well. */
export function say({ vms, hosts, alerts }: Counts): Pick<Overview, 'sentence' | 'healthy'> {
  const many = (n: number, one: string, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;
  const silent = hosts.total - hosts.connected;
  const troubles: [boolean, string, string][] = [
    [alerts.critical > 0, many(alerts.critical, 'critical alert'), `${alerts.critical} 条严重告警`],
    [silent > 0, `${many(silent, 'host')} not connected`, `${silent} 台主机未连接`],
    [
      hosts.behind > 0,
      `${many(hosts.behind, 'host')} behind the plan`,
      `${hosts.behind} 台主机未达到期望状态`,
    ],
    [
      vms.unprotected > 0,
      `${many(vms.unprotected, 'VM')} unprotected`,
      `${vms.unprotected} 台虚拟机未受保护`,
    ],
    [
      alerts.critical === 0 && alerts.open > 0,
      many(alerts.open, 'open alert'),
      `${alerts.open} 条未处理告警`,
    ],
  ];
  const found = troubles.filter(([holds]) => holds);
  const healthy = found.length === 0;
  if (hosts.total === 0 && vms.total === 0 && healthy)
    return {
      healthy,
      sentence: { en: 'No host has joined yet.', 'zh-CN': '尚无主机加入。' },
    };
  if (!healthy)
    return {
      healthy,
      sentence: {
        en: `Needs attention: ${found.map(([, en]) => en).join(', ')}.`,
        'zh-CN': `需要关注：${found.map(([, , zh]) => zh).join('，')}。`,
      },
    };
  return {
    healthy,
    sentence: {
      en: `All is well: ${many(vms.running, 'VM')} running, ${vms.enforced} enforced, ${vms.observed} observed.`,
      'zh-CN': `一切正常：${vms.running} 台虚拟机运行中，${vms.enforced} 台已强制执行，${vms.observed} 台观察中。`,
    },
  };
}
