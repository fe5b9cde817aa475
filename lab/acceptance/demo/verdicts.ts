// The lab's policies, measured inside the guests: allowed, dropped, refused at once; published, and taken back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { connectFrom, pingFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';

export function verdictsTests(of: () => Stack): void {
  const vm = (name: string) => of().lab.vm(name);
  /** Newest flow to this address and port from this VM, as the API tells it. */
  const flowOf = async (query: object): Promise<FlowView | undefined> => {
    const { items } = await of().client.call('flows.list', { query: { since: '5m', limit: 50, ...query } });
    return items[0];
  };

  describe('the policies work as written, measured inside the guests', () => {
    const cases: [string, string, number, string, string][] = [
      ['lb-1', '10.10.0.11', 8080, 'open', 'allowed by acme/web/from-lb'],
      ['lb-1', 'fd10:10::11', 80, 'open', 'IPv6'],
      ['web-1', '10.20.0.13', 5432, 'open', 'web to its database'],
      ['lb-1', '10.10.0.12', 8080, 'timeout', 'only web may reach app'],
      ['shop-1', '10.10.0.11', 443, 'open', 'both tenants say so'],
      ['attacker-1', '10.10.0.12', 8080, 'timeout', 'between tenants nothing passes'],
      ['attacker-1', 'fd10:10::12', 8080, 'timeout', 'nor by IPv6'],
      ['shop-1', '10.20.0.13', 5432, 'open', "the overlapping address is globex's own database"],
      ['app-1', '10.20.0.13', 22, 'timeout', "app's own rules drop it before db could refuse it"],
    ];
    for (const [from, to, port, outcome, why] of cases)
      test(`${from} → ${to} ${port}: ${outcome} (${why})`, { timeout: 30_000 }, async () => {
        assert.equal(await connectFrom(vm(from), to, port), outcome);
      });
    test('ICMP follows the rules too', { timeout: 30_000 }, async () => {
      assert.equal(await pingFrom(vm('web-1'), '10.10.0.10'), 2);
      assert.equal(await pingFrom(vm('attacker-1'), '10.10.0.12'), 0);
    });
    test('the refused are shown with the rule that refused them', { timeout: 30_000 }, async () => {
      await connectFrom(vm('app-1'), '10.20.0.13', 22);
      const { value } = await within(5_000, 'the refused flow', () =>
        flowOf({ from: ['app-1'], port: ['22'], verdict: ['rejected', 'dropped'] }),
      );
      assert.ok(['rejected', 'dropped'].includes(value.verdict));
      assert.match(value.rule, /^acme\/(app|db)\//);
    });
  });

  test(
    'a published change holds in the kernel before publish returns, and rollback takes it back',
    { timeout: 120_000 },
    async () => {
      const web = (await of().cli(['get', 'policies', 'web', '-t', 'acme', '-o', 'yaml'])).out;
      const closed = web.replace(/\n *- tcp\/443(?=\n)/, '');
      assert.notEqual(closed, web);
      assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open');
      const diff = await of().cli(['diff', '-f', '-'], { input: closed });
      assert.equal(diff.code, 1, diff.err);
      assert.match(diff.out, /^- +- tcp\/443/m);
      assert.equal((await of().cli(['apply', '-f', '-'], { input: closed })).code, 0);
      assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open', 'a draft changes nothing');
      const published = await of().cli(['publish', '-m', 'close https']);
      assert.equal(published.code, 0, published.err + published.out);
      assert.match(published.out, /lab-1 +applied/);
      assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'timeout');
      const back = await of().cli(['rollback', '--yes']);
      assert.equal(back.code, 0, back.err + back.out);
      assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open');
    },
  );

  test('reject is refused at once', { timeout: 60_000 }, async () => {
    const app = (await of().cli(['get', 'policies', 'app', '-t', 'acme', '-o', 'yaml'])).out;
    const wider = app.replace(/\n *services:\n *- tcp\/5432(?=\n)/, '');
    assert.notEqual(wider, app);
    assert.equal((await of().cli(['apply', '-f', '-'], { input: wider })).code, 0);
    assert.equal((await of().cli(['publish', '-m', 'app may try anything on db'])).code, 0);
    const began = performance.now();
    assert.equal(await connectFrom(vm('app-1'), '10.20.0.13', 22), 'refused');
    assert.ok(performance.now() - began < 2_500);
    assert.equal(await connectFrom(vm('app-1'), 'fd10:20::13', 22), 'refused');
    assert.equal((await of().cli(['rollback', '--yes'])).code, 0);
    assert.equal(await connectFrom(vm('app-1'), '10.20.0.13', 22), 'timeout');
  });
}
