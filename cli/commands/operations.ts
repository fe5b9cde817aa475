// status, alerts, audit, search: is everything well, what needs me, who did what, where is it.
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { OPERATIONS, type OperationId } from '@wocloud/protocol/api.ts';
import { ALERT_STATES, type AuditEntry, type Overview, type SearchHit } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { alertColumns, alertId, allPages } from '../kinds.ts';
import { whole } from '../numbers.ts';
import {
  age,
  forPeople,
  many,
  moment,
  outputOption,
  paint,
  parseFormat,
  printList,
  printOne,
  type Column,
} from '../output.ts';

const chinese = () =>
  /^zh/i.test(process.env['LC_ALL'] ?? process.env['LC_MESSAGES'] ?? process.env['LANG'] ?? '');

const AUDIT_COLUMNS = [
  { title: 'INDEX', value: (e: AuditEntry) => String(e.index), align: 'right' },
  { title: 'TIME', value: (e) => moment(e.at), whole: true },
  { title: 'WHO', value: (e) => e.who },
  { title: 'OPERATION', value: (e) => e.operation },
  { title: 'OBJECT', value: (e) => e.object },
  { title: 'OUTCOME', value: (e) => e.outcome, color: (e) => (e.outcome === 'allowed' ? undefined : 'red') },
  { title: 'STATUS', value: (e) => String(e.status), wide: true },
  { title: 'VIA', value: (e) => e.via, wide: true },
  { title: 'TENANT', value: (e) => e.tenant ?? '', wide: true },
  { title: 'HASH', value: (e) => e.hash, wide: true },
] satisfies Column<AuditEntry>[];

const HIT_COLUMNS = [
  { title: 'KIND', value: (h: SearchHit) => h.kind },
  { title: 'NAME', value: (h) => h.name },
  { title: 'TENANT', value: (h) => h.tenant ?? '' },
  { title: 'DETAIL', value: (h) => h.detail },
  { title: 'ID', value: (h) => h.id, wide: true },
] satisfies Column<SearchHit>[];

/** Looking is audited as well; most questions are about what was changed, or tried in vain. */
function isRead({ operation, outcome }: AuditEntry): boolean {
  // A page that is opened asks who one is; not being signed in yet is no attempt at anything.
  if (operation === 'session.get') return true;
  if (outcome !== 'allowed' || !Object.hasOwn(OPERATIONS, operation)) return false;
  return operation === 'trace.create' || OPERATIONS[operation as OperationId].method === 'GET';
}

/** Settled: every host connected and at its generation, nothing being published. */
const settled = (o: Overview) =>
  o.hosts.total > 0 && o.hosts.connected === o.hosts.total && o.hosts.behind === 0;

interface AlertOptions {
  all?: boolean;
  vm?: string;
  kind?: string;
  state?: string;
  tenant?: string;
  find?: string;
  output: string;
}

interface AuditOptions {
  who?: string;
  operation?: string;
  object?: string;
  tenant?: string;
  changes?: boolean;
  since?: string;
  until?: string;
  limit: string;
  output: string;
}

export function addOperationCommands(program: Command): void {
  program
    .command('status')
    .description('is everything well; exit 0 yes, 1 no')
    .option('--wait [seconds]', 'until every host is connected and up to date')
    .addOption(outputOption())
    .action(async (options: { wait?: string | true; output: string }) => {
      const format = parseFormat(options.output);
      const patience = options.wait === true ? 60 : whole(options.wait ?? '0', '--wait', 0, 86_400);
      const client = connect();
      let status = await client.call('status.get');
      const deadline = Date.now() + patience * 1000;
      while (!settled(status) && Date.now() < deadline) {
        await wait(500);
        status = await client.call('status.get');
      }
      if (!forPeople(format)) printOne(status, format);
      else {
        console.log(paint(status.sentence[chinese() ? 'zh-CN' : 'en'], status.healthy ? 'green' : 'yellow'));
        const { vms, hosts, alerts, flows, policies, lastPublication: last } = status;
        console.log(
          `  VMs       ${vms.total} (${vms.running} running, ${vms.enforced} enforced, ${vms.observed} observed, ${vms.unprotected} unprotected)`,
        );
        console.log(`  hosts     ${hosts.total} (${hosts.connected} connected, ${hosts.behind} behind)`);
        console.log(
          `  policies  ${policies.total} (${policies.unpublished} unpublished)${last ? `; last publication ${last.id}, ${age(last.at)} ago by ${last.by}: ${last.state}` : ''}`,
        );
        console.log(
          `  flows     ${flows.lastMinute} in the last minute, ${flows.dropped} refused, ${flows.lost} records lost`,
        );
        const { gateways } = status;
        if (gateways && gateways.total > 0)
          console.log(`  gateways  ${gateways.total} (${gateways.failed} failed)`);
        console.log(`  alerts    ${alerts.open} open, ${alerts.critical} critical`);
      }
      if (options.wait ? !settled(status) : !status.healthy) process.exitCode = EXIT.differs;
    });

  const alerts = program
    .command('alerts')
    .description('what needs a person; open ones unless --all')
    .option('-a, --all', 'also acknowledged and resolved')
    .option('--vm <name>', 'of this VM')
    .option('--kind <kind>', 'of this kind: spoof.mac, firewall.drift, …')
    .option('--state <state>', ALERT_STATES.join(', '))
    .option('-t, --tenant <name>', 'about the VMs of this tenant')
    .option('--find <text>', 'whose title says this')
    .addOption(outputOption())
    .action(async (options: AlertOptions) => {
      const client = connect();
      const state = options.state === undefined ? 'open' : ALERT_STATES.find((s) => s === options.state);
      if (!state)
        throw new CliError(
          `${options.state} is no state of an alert`,
          'usage',
          `States: ${ALERT_STATES.join(', ')}`,
        );
      const filter = {
        ...(options.all ? {} : { state }),
        ...(options.tenant ? { tenant: options.tenant } : {}),
        ...(options.find ? { q: options.find } : {}),
        ...(options.vm ? { vm: options.vm } : {}),
        ...(options.kind ? { kind: options.kind } : {}),
      };
      const rows = await allPages((cursor) =>
        client.call('alerts.list', { query: { ...filter, limit: 1000, ...(cursor ? { cursor } : {}) } }),
      );
      printList(
        rows,
        alertColumns,
        parseFormat(options.output),
        options.all ? 'No alerts yet.' : 'Nothing needs you. All there ever was: wocloud alerts --all',
      );
    });
  for (const [verb, state] of [
    ['ack', 'acknowledged'],
    ['resolve', 'resolved'],
    ['reopen', 'open'],
  ] as const)
    alerts
      .command(`${verb} <id...>`)
      .description(`make alerts ${state}; the first characters of an id are enough`)
      .option('-m, --note <text>', 'why')
      .action(async (ids: string[], options: { note?: string }) => {
        const client = connect();
        for (const id of await Promise.all(ids.map((start) => alertId(client, start)))) {
          const alert = await client.call('alerts.update', {
            params: { id },
            body: { state, ...(options.note ? { note: options.note } : {}) },
          });
          console.log(`alert ${alert.id.slice(0, 8)} ${alert.state}: ${alert.title}`);
        }
      });

  const audit = program.command('audit').description('who did what');
  audit
    .command('list', { isDefault: true })
    .description('entries, newest first')
    .option('--who <user>', 'by this user')
    .option('--operation <id>', 'policies.put, enforcement.put, …')
    .option('--object <text>', 'whose object contains this: policy/web, vm/…')
    .option('-t, --tenant <name>', 'of this tenant')
    .option('--changes', 'without what only reads')
    .option('--since <when>', 'from: 90s, 15m, 24h or a time')
    .option('--until <when>', 'until')
    .option('-n, --limit <n>', 'at most', '50')
    .addOption(outputOption())
    .action(async (options: AuditOptions) => {
      const { limit, output: format, changes, ...filter } = options;
      const wanted = whole(limit, '--limit', 1, 100_000);
      const client = connect();
      const rows: AuditEntry[] = [];
      let cursor: string | undefined;
      do {
        const page = await client.call('audit.list', {
          query: { ...filter, limit: Math.min(1000, changes ? 1000 : wanted), ...(cursor ? { cursor } : {}) },
        });
        rows.push(...page.items.filter((e) => !changes || !isRead(e)));
        cursor = page.next ?? undefined;
      } while (cursor && rows.length < wanted);
      printList(rows.slice(0, wanted), AUDIT_COLUMNS, parseFormat(format), 'No entries match.');
    });
  audit
    .command('verify')
    .description('check that no entry was changed or removed; exit 0 intact, 1 not')
    .addOption(outputOption())
    .action(async (options: { output: string }) => {
      const format = parseFormat(options.output);
      const result = await connect().call('audit.verify');
      if (!forPeople(format)) printOne(result, format);
      else if (result.intact)
        console.log(`intact: ${many(result.entries, 'entry', 'entries')}, head ${result.head}`);
      else console.log(paint(`broken at entry ${result.brokenAt}: what follows cannot be trusted`, 'red'));
      if (!result.intact) process.exitCode = EXIT.differs;
    });

  program
    .command('search <text>')
    .description('find VMs, hosts, users and documents by name, address, label or id')
    .addOption(outputOption())
    .action(async (q: string, options: { output: string }) => {
      const { items } = await connect().call('search.get', { query: { q } });
      printList(
        items,
        HIT_COLUMNS,
        parseFormat(options.output),
        `Nothing is called ${q}, nor has it as an address.`,
      );
    });
}
