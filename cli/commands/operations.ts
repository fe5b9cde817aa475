// status, alerts, audit, host, user: is everything well, what needs me, who did what.
import { setTimeout as wait } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { AuditEntry, Overview } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError, EXIT } from '../errors.ts';
import { alertColumns, allPages } from '../kinds.ts';
import { age, FORMATS, paint, parseFormat, printList, printOne, type Column } from '../output.ts';
import { askSecret } from '../prompt.ts';

const output = () => new Option('-o, --output <format>', FORMATS.join(', ')).default('table');

const chinese = () =>
  /^zh/i.test(process.env['LC_ALL'] ?? process.env['LC_MESSAGES'] ?? process.env['LANG'] ?? '');

const AUDIT_COLUMNS = [
  { title: 'INDEX', value: (e: AuditEntry) => String(e.index), align: 'right' },
  { title: 'TIME', value: (e) => e.at.replace('T', ' ').slice(0, 19) },
  { title: 'WHO', value: (e) => e.who },
  { title: 'OPERATION', value: (e) => e.operation },
  { title: 'OBJECT', value: (e) => e.object },
  { title: 'OUTCOME', value: (e) => e.outcome, color: (e) => (e.outcome === 'allowed' ? undefined : 'red') },
  { title: 'STATUS', value: (e) => String(e.status), wide: true },
  { title: 'VIA', value: (e) => e.via, wide: true },
  { title: 'TENANT', value: (e) => e.tenant ?? '', wide: true },
  { title: 'HASH', value: (e) => e.hash, wide: true },
] satisfies Column<AuditEntry>[];

/** Settled: every host connected and at its generation, nothing being published. */
const settled = (o: Overview) =>
  o.hosts.total > 0 && o.hosts.connected === o.hosts.total && o.hosts.behind === 0;

export function addOperationCommands(program: Command): void {
  program
    .command('status')
    .description('is everything well; exit 0 yes, 1 no')
    .option('--wait [seconds]', 'until every host is connected and up to date')
    .option('-o, --output <format>', 'table, json, yaml', 'table')
    .action(async (options: { wait?: string | true; output: string }) => {
      const client = connect();
      let status = await client.call('status.get');
      const deadline = Date.now() + Number(options.wait === true ? 60 : (options.wait ?? 0)) * 1000;
      while (!settled(status) && Date.now() < deadline) {
        await wait(500);
        status = await client.call('status.get');
      }
      if (options.output !== 'table') printOne(status, parseFormat(options.output));
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
    .addOption(output())
    .action(async (options: { all?: boolean; vm?: string; kind?: string; output: string }) => {
      const client = connect();
      const filter = {
        ...(options.all ? {} : { state: 'open' as const }),
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
      .command(`${verb} <id>`)
      .description(`make an alert ${state}`)
      .option('-m, --note <text>', 'why')
      .action(async (id: string, options: { note?: string }) => {
        const alert = await connect().call('alerts.update', {
          params: { id },
          body: { state, ...(options.note ? { note: options.note } : {}) },
        });
        console.log(`alert ${alert.id} ${alert.state}: ${alert.title}`);
      });

  const audit = program.command('audit').description('who did what');
  audit
    .command('list', { isDefault: true })
    .description('entries, newest first')
    .option('--who <user>', 'by this user')
    .option('--operation <id>', 'policies.put, enforcement.put, …')
    .option('--since <when>', 'from: 90s, 15m, 24h or a time')
    .option('-n, --limit <n>', 'at most', '50')
    .addOption(output())
    .action(
      async (options: {
        who?: string;
        operation?: string;
        since?: string;
        limit: string;
        output: string;
      }) => {
        const { limit, output: format, ...filter } = options;
        const { items } = await connect().call('audit.list', { query: { ...filter, limit: Number(limit) } });
        printList(items, AUDIT_COLUMNS, parseFormat(format), 'No entries match.');
      },
    );
  audit
    .command('verify')
    .description('check that no entry was changed or removed; exit 0 intact, 1 not')
    .action(async () => {
      const result = await connect().call('audit.verify');
      console.log(
        result.intact
          ? `intact: ${result.entries} entries, head ${result.head}`
          : paint(`broken at entry ${result.brokenAt} of ${result.entries}`, 'red'),
      );
      if (!result.intact) process.exitCode = EXIT.differs;
    });

  const host = program.command('host').description('join, check and forget hosts');
  host
    .command('check [name]')
    .description('what stands in the way of protection on a host; exit 0 nothing, 1 something')
    .action(async (name: string | undefined) => {
      const client = connect();
      const list = name
        ? [await client.call('hosts.get', { params: { id: name } })]
        : (await client.call('hosts.list', { query: { limit: 1000 } })).items;
      if (list.length === 0)
        throw new CliError('No hosts yet', 'notFound', 'Make a token for one: wocloud host token');
      for (const h of list) {
        console.log(
          `${h.name}: ${paint(h.state, h.state === 'connected' ? 'green' : 'red')}, generation ${h.generation.applied} of ${h.generation.desired}${h.generation.error ? `, ${h.generation.error}` : ''}`,
        );
        for (const n of h.facts?.notices ?? [])
          console.log(`  ${paint(n.code, 'yellow')}  ${n.message}\n    ${n.action}`);
        if (h.state !== 'connected' || h.generation.error || (h.facts?.notices.length ?? 0) > 0)
          process.exitCode = EXIT.differs;
      }
    });
  host
    .command('token')
    .description('make a one-time token with which a host joins')
    .option('--minutes <n>', 'valid for', '60')
    .action(async (options: { minutes: string }) => {
      const { token, expiresAt } = await connect().call('joinTokens.create', {
        body: { expiresInMinutes: Number(options.minutes) },
      });
      console.log(token);
      console.error(`Valid once, until ${expiresAt}.`);
    });
  host
    .command('forget <name>')
    .description('forget a host and refuse its certificate')
    .action(async (name: string) => {
      const found = await connect().call('hosts.get', { params: { id: name } });
      await connect().call('hosts.delete', { params: { id: found.id } });
      console.log(`host ${found.name} forgotten`);
    });

  program
    .command('user-add <name>')
    .description('create a user')
    .option('--role <role...>', 'system-admin, security-admin, auditor')
    .option('-t, --tenant <name>', 'belongs to this tenant')
    .option('--tenant-role <role>', 'owner or member')
    .option('--password-file <file>', 'read the password from a file, - for standard input')
    .action(
      async (
        name: string,
        options: { role?: string[]; tenant?: string; tenantRole?: string; passwordFile?: string },
      ) => {
        const password = await askSecret('Password (12 characters or more)', options.passwordFile);
        const user = await connect().call('users.create', {
          body: {
            name,
            password,
            ...(options.role ? { roles: options.role as never } : {}),
            ...(options.tenant
              ? { tenant: options.tenant, tenantRole: (options.tenantRole ?? 'member') as 'member' }
              : {}),
          },
        });
        console.log(`user ${user.name} created`);
      },
    );
}
