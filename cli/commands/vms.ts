// label, enforce, observe: what one says about VMs themselves.
import type { Command } from 'commander';
import type { VmView } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { many } from '../output.ts';

export function addVmCommands(program: Command): void {
  program
    .command('label <vm> [labels...]')
    .description('set labels of a VM: app=web, or app- to remove; labels decide which policies apply')
    .option('-t, --tenant <name>', 'and give it to this tenant')
    .option('--no-tenant', 'and take it from its tenant')
    .action(async (id: string, changes: string[], options: { tenant?: string | boolean }) => {
      const client = connect();
      const vm: VmView = await client.call('vms.get', { params: { id } });
      const labels = { ...vm.labels };
      for (const change of changes) {
        const at = change.indexOf('=');
        if (at > 0) labels[change.slice(0, at)] = change.slice(at + 1);
        else if (change.endsWith('-')) delete labels[change.slice(0, -1)];
        else throw new CliError(`${change} is not a label`, 'usage', 'Write key=value, or key- to remove');
      }
      const tenant =
        typeof options.tenant === 'string' ? options.tenant : options.tenant === false ? null : undefined;
      if (changes.length === 0 && tenant === undefined)
        throw new CliError('Nothing to change', 'usage', 'Write key=value, key- or --tenant NAME');
      const after = await client.call('vms.update', {
        params: { id: vm.id },
        body: {
          ...(changes.length > 0 ? { labels } : {}),
          ...(tenant === undefined ? {} : { tenant }),
        },
      });
      const said = Object.entries(after.labels).map(([k, v]) => `${k}=${v}`);
      console.log(`vm ${after.name} of ${after.tenant ?? 'no tenant'}: ${said.join(' ') || 'no labels'}`);
    });

  for (const mode of ['enforce', 'observe'] as const) {
    program
      .command(`${mode} <scope> <name>`)
      .description(
        mode === 'enforce'
          ? 'apply policy to a vm, tenant or host'
          : 'stop applying policy to a vm, tenant or host; only watch',
      )
      .option('--unset', 'return to what the wider scope says')
      .action(async (scope: string, name: string, options: { unset?: boolean }) => {
        if (scope !== 'vm' && scope !== 'tenant' && scope !== 'host')
          throw new CliError(`${scope} is not a scope`, 'usage', 'Scopes: vm, tenant, host');
        const { vms } = await connect().call('enforcement.put', {
          body: { scope, name, mode: options.unset ? null : mode },
        });
        console.log(`${scope} ${name}: ${options.unset ? 'unset' : mode}, ${many(vms, 'VM')}`);
      });
  }
}
