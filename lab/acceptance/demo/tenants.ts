// Two tenants on one platform: each sees its own VMs, flows, alerts and policies, and nothing that tells of the other.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { signIn } from '@wocloud/protocol/client.ts';
import { connectFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';

export function tenantsTests(of: () => Stack): void {
  test(
    "owners see their own only, live and stored; what is another's is not there",
    { timeout: 120_000 },
    async () => {
      const { client, url, lab, cli } = of();
      const own = { acme: ['app-1', 'db-1', 'lb-1', 'web-1'], globex: ['attacker-1', 'shop-1', 'stock-1'] };
      for (const [tenant, names] of Object.entries(own)) {
        const password = randomBytes(18).toString('base64url');
        const name = `owner-${tenant}`;
        await client.call('users.create', { body: { name, password, tenant, tenantRole: 'owner' } });
        const { client: theirs } = await signIn(url, name, password);
        const { secret: token } = await theirs.call('tokens.create', { body: { name: 'acceptance' } });
        const foreign = [...lab.vms.keys()].filter((vm) => !names.includes(vm));

        const vms = await theirs.call('vms.list', { query: {} });
        assert.deepEqual(vms.items.map((vm) => vm.name).sort(), names);
        for (const vm of foreign)
          await assert.rejects(theirs.call('vms.get', { params: { id: vm } }), { code: 'not-found' });

        // A connection between the tenants: each sees it from its own side, and of the other end only the address.
        assert.equal(await connectFrom(lab.vm('shop-1'), '10.10.0.11', 443), 'open');
        const flows = await within(5_000, `${tenant}'s flows`, async () => {
          const { items } = await theirs.call('flows.list', { query: { since: '10m', limit: 1000 } });
          return items.some((f) => f.dst.ip === '10.10.0.11' && f.src.ip === '10.10.0.21')
            ? items
            : undefined;
        });
        const told = JSON.stringify(flows.value);
        for (const vm of foreign) assert.ok(!told.includes(`"${vm}"`), `${tenant} is told of ${vm}`);
        for (const flow of flows.value)
          assert.ok(flow.src.tenant === tenant || flow.dst.tenant === tenant, JSON.stringify(flow));

        const alerts = await theirs.call('alerts.list', { query: { limit: 1000 } });
        for (const alert of alerts.items) assert.equal(alert.tenant, tenant);
        const policies = await theirs.call('policies.list', { query: {} });
        assert.ok(policies.items.length > 0);
        for (const { metadata } of policies.items) assert.equal(metadata.tenant, tenant);
        for (const vm of foreign) {
          const hits = await theirs.call('search.get', { query: { q: vm } });
          assert.deepEqual(hits.items, []);
        }
        const listed = await cli(['get', 'vms', '-o', 'json'], { token });
        assert.deepEqual((JSON.parse(listed.out) as { name: string }[]).map((vm) => vm.name).sort(), names);
        assert.equal((await cli(['describe', 'vm', foreign[0] ?? ''], { token })).code, 4);
      }
    },
  );
}
