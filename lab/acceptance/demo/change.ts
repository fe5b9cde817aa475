// Policy as it changes: the documented example as written, staged rules, moved labels, revoked rules, and both tenants' say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { scenarioPath } from '../../scenario.ts';
import { askUdp, connectFrom, pingFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';
import { done, published } from './published.ts';
import { Talk } from './talk.ts';

const EXAMPLE = scenarioPath('demo').replace('demo.yaml', 'policies/example.yaml');

export function changeTests(of: () => Stack): void {
  const vm = (name: string) => of().lab.vm(name);
  const ok = (args: string[], input?: string) => done(of(), args, input);
  const inForce = (documents: string, body: () => Promise<void>) => published(of(), documents, body);
  const policy = (name: string, tenant: string, spec: object) =>
    JSON.stringify({ apiVersion: 'wocloud/v1', kind: 'Policy', metadata: { name, tenant }, spec });
  const flowWhere = async (query: object, test: (flow: FlowView) => boolean) =>
    within(5_000, `a flow ${JSON.stringify(query)}`, async () => {
      const { items } = await of().client.call('flows.list', {
        query: { since: '2m', limit: 200, ...query },
      });
      return items.find(test);
    });

  test('the example policy of the documentation holds as written', { timeout: 180_000 }, async () => {
    await inForce(readFileSync(EXAMPLE, 'utf8'), async () => {
      const outcomes = {
        'https from the same tenant': await connectFrom(vm('lb-1'), '10.10.0.11', 443),
        'https from another tenant that may': await connectFrom(vm('shop-1'), '10.10.0.11', 443),
        'https by IPv6': await connectFrom(vm('lb-1'), 'fd10:10::11', 443),
        'inspected, from the load balancer': await connectFrom(vm('lb-1'), '10.10.0.11', 8080),
        'the same from someone else': await connectFrom(vm('app-1'), '10.10.0.11', 8080),
        'http, which no rule allows': await connectFrom(vm('lb-1'), '10.10.0.11', 80),
        'http by IPv6': await connectFrom(vm('lb-1'), 'fd10:10::11', 80),
        'out to the database': await connectFrom(vm('web-1'), '10.20.0.13', 5432),
        'out to the database by IPv6': await connectFrom(vm('web-1'), 'fd10:20::13', 5432),
        'out to anything else': await connectFrom(vm('web-1'), '10.10.0.10', 7),
        'UDP in': await askUdp(vm('lb-1'), '10.10.0.11', 7),
        'UDP out': await askUdp(vm('web-1'), '10.10.0.10', 7),
        'ICMP in': await pingFrom(vm('lb-1'), '10.10.0.11'),
        'ICMPv6 in': await pingFrom(vm('lb-1'), 'fd10:10::11'),
      };
      assert.deepEqual(outcomes, {
        'https from the same tenant': 'open',
        'https from another tenant that may': 'open',
        'https by IPv6': 'open',
        'inspected, from the load balancer': 'open',
        'the same from someone else': 'timeout',
        'http, which no rule allows': 'timeout',
        'http by IPv6': 'timeout',
        'out to the database': 'open',
        'out to the database by IPv6': 'open',
        'out to anything else': 'timeout',
        'UDP in': 'timeout',
        'UDP out': 'timeout',
        'ICMP in': 0,
        'ICMPv6 in': 0,
      });
      const { value } = await flowWhere(
        { from: ['lb-1'], port: ['8080'] },
        (f) => f.rule === 'acme/web/from-lb',
      );
      assert.equal(value.verdict, 'allowed');
    });
  });

  test('UDP passes where a rule says so, both directions and families', { timeout: 90_000 }, async () => {
    assert.equal(await askUdp(vm('db-1'), '10.20.0.12', 7), 'open');
    assert.equal(await askUdp(vm('db-1'), 'fd10:20::12', 7), 'open');
    assert.equal(
      await askUdp(vm('app-1'), '10.20.0.13', 7),
      'timeout',
      'a rule of one direction is not both',
    );
  });

  test('a staged policy changes nothing and shows what it would do', { timeout: 120_000 }, async () => {
    const staged = policy('closing', 'acme', {
      tier: 'tenant',
      priority: 10,
      mode: 'staged',
      appliesTo: { selector: 'app=web' },
      rules: [{ name: 'no-app', direction: 'in', action: 'drop', services: ['tcp/8080'] }],
    });
    await inForce(staged, async () => {
      assert.equal(await connectFrom(vm('lb-1'), '10.10.0.11', 8080), 'open');
      const { value } = await flowWhere(
        { from: ['lb-1'], port: ['8080'], staged: ['dropped'] },
        (f) => f.stagedRule === 'acme/closing/no-app',
      );
      assert.deepEqual([value.verdict, value.rule], ['allowed', 'acme/web/from-lb']);
      const trace = await of().client.call('trace.create', {
        body: { src: 'lb-1', dst: 'web-1', service: 'tcp/8080' },
      });
      assert.deepEqual(trace.staged, { verdict: 'dropped', rule: 'acme/closing/no-app' });
    });
  });

  test(
    'moving a label moves the VM between groups, with no change to any policy',
    { timeout: 120_000 },
    async () => {
      const { client } = of();
      const drafts = async () => (await client.call('changes.list', { query: {} })).items.length;
      const before = await drafts();
      const groups = async () => (await client.call('vms.get', { params: { id: 'app-1' } })).groups;
      assert.equal(await connectFrom(vm('lb-1'), '10.10.0.12', 8080), 'timeout');
      await ok(['label', 'app-1', 'app=web']);
      try {
        const moved = await within(5_000, 'app-1 among the web servers', async () =>
          (await connectFrom(vm('lb-1'), '10.10.0.12', 8080, 1)) === 'open' ? true : undefined,
        );
        assert.ok(moved.took < 5_000);
        assert.ok((await groups()).some((g) => g.endsWith('web')));
        assert.equal(await drafts(), before);
      } finally {
        await ok(['label', 'app-1', 'app=app']);
      }
      await within(5_000, 'app-1 in its own group again', async () =>
        (await connectFrom(vm('lb-1'), '10.10.0.12', 8080, 1)) === 'timeout' ? true : undefined,
      );
    },
  );

  test('revoking a rule ends the connections it had allowed', { timeout: 120_000 }, async () => {
    await using talk = await Talk.start(vm('web-1'), 'db', '10.20.0.13', 5432, 'COUNT\n');
    await using other = await Talk.start(vm('shop-1'), 'stock', '10.20.0.13', 5432, 'COUNT\n');
    await talk.answered(5);
    const web = await ok(['get', 'policies', 'web', '-t', 'acme', '-o', 'yaml']);
    const without = web.replace(/\n( *)- name: to-db\n(?:\1 .*\n)*/, '\n');
    assert.doesNotMatch(without, /to-db/);
    await inForce(without, async () => {
      // publish has returned: the connection is over, and those the rules still allow are not.
      const { answers, port } = await talk.look();
      await other.answered((await other.look()).answers + 10);
      assert.ok((await talk.look()).answers <= answers + 1, 'the revoked connection is silent');
      const table = await of().lab.host.run(['conntrack', '-L', '-p', 'tcp', '--dport', '5432']);
      assert.doesNotMatch(table, new RegExp(`sport=${port} `));
      assert.equal(await connectFrom(vm('web-1'), '10.20.0.13', 5432), 'timeout');
    });
  });

  test('between tenants nothing passes unless both sides say so', { timeout: 180_000 }, async () => {
    assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open', 'both do');
    const half = (tenant: string, direction: string, peer: string) =>
      policy('half', tenant, {
        tier: 'tenant',
        priority: 1,
        mode: 'enforce',
        appliesTo: 'all',
        rules: [
          {
            name: 'one-side',
            direction,
            action: 'allow',
            [direction === 'in' ? 'from' : 'to']: [{ tenant: peer }],
            services: ['tcp/8080'],
          },
        ],
      });
    const reach = () => connectFrom(vm('shop-1'), '10.10.0.12', 8080);
    assert.equal(await reach(), 'timeout', 'neither does');
    const seller = half('acme', 'in', 'globex');
    const buyer = half('globex', 'out', 'acme');
    await inForce(seller, async () => assert.equal(await reach(), 'timeout', 'only acme does'));
    await inForce(buyer, async () => assert.equal(await reach(), 'timeout', 'only globex does'));
    await inForce(`${seller}\n---\n${buyer}`, async () => assert.equal(await reach(), 'open'));
    assert.equal(await reach(), 'timeout');
  });
}
