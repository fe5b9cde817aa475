// Switching enforcement: a separate act from publishing, for a VM, a tenant or a host, and as easily undone.
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import type { Handlers } from '../handler.ts';
import type { Directory } from '../vms/directory.ts';
import { visible } from '../vms/directory.ts';
import type { Mode } from './mode.ts';

interface Row {
  scope: 'vm' | 'tenant' | 'host';
  name: string;
  mode: Mode;
  by: string;
  at: Date;
}

export function enforcementHandlers(
  { db, signals }: Context,
  directory: () => Pick<Directory, 'vm' | 'named' | 'all'>,
): Pick<Handlers, 'enforcement.list' | 'enforcement.put'> {
  return {
    async 'enforcement.list'({ caller: { scope } }) {
      const rows = await db.query<Row>(
        'SELECT scope, name, mode, by, at FROM enforcement ORDER BY scope, name',
      );
      const items = rows
        .filter((row) => {
          if (scope.all) return true;
          if (row.scope === 'tenant') return row.name === scope.tenant && scope.vms === null;
          const vm = row.scope === 'vm' ? directory().vm(row.name) : undefined;
          return vm !== undefined && visible(scope, vm);
        })
        .map((row) => ({ ...row, at: row.at.toISOString() }));
      return { items, next: null };
    },

    async 'enforcement.put'({ body, caller, audit }) {
      audit.object = `enforcement/${body.scope}/${body.name}`;
      audit.detail['mode'] = body.mode;
      const name = await resolve(body.scope, body.name);
      audit.object = `enforcement/${body.scope}/${name}`;
      if (body.scope === 'tenant') audit.tenant = name;
      if (body.mode === null)
        await db.query('DELETE FROM enforcement WHERE scope = $1 AND name = $2', [body.scope, name]);
      else
        await db.query(
          `INSERT INTO enforcement (scope, name, mode, by) VALUES ($1, $2, $3, $4)
           ON CONFLICT (scope, name) DO UPDATE SET mode = $3, by = $4, at = now()`,
          [body.scope, name, body.mode, caller.user.name],
        );
      signals.emit('enforcement', {});
      const affected = [...directory().all()].filter(
        (vm) =>
          !vm.gone && (body.scope === 'vm' ? vm.id : body.scope === 'tenant' ? vm.tenant : vm.host) === name,
      );
      return { vms: affected.length };
    },
  };

  /** The id (or a tenant's name) that is stored: names of VMs and hosts may come to mean another. */
  async function resolve(scope: Row['scope'], name: string): Promise<string> {
    if (scope === 'vm') {
      const vm = directory().vm(name) ?? directory().named(name)[0];
      if (!vm) throw notFound('VM', name);
      return vm.id;
    }
    if (scope === 'host') {
      const host = await db.one<{ id: string }>(
        'SELECT id FROM hosts WHERE (id::text = $1 OR name = $1) AND NOT forgotten ORDER BY id::text = $1 DESC LIMIT 1',
        [name],
      );
      if (!host) throw notFound('host', name);
      return host.id;
    }
    const tenant = await db.one(
      `SELECT 1 FROM documents WHERE kind = 'Tenant' AND name = $1 AND NOT deleted`,
      [name],
    );
    const reported = tenant ?? [...directory().all()].find((vm) => vm.tenant === name);
    if (!reported) throw notFound('tenant', name);
    return name;
  }
}
