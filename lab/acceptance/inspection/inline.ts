// Traffic goes through the gateway, both ways, and only the traffic that is to; what a rule drops does not arrive.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GatewayForm } from '@wocloud/protocol/resources/gateway.ts';
import { askUdp, pingFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';
import {
  deploy,
  event,
  frames,
  get,
  insert,
  instances,
  MARK,
  numberOf,
  remove,
  rules,
  RULES,
  say,
} from './gateway.ts';

const WEB = { v4: '10.40.0.11', v6: 'fd10:40::11' };
const PLAIN = '10.40.0.21';
/** The alert is to be seen this soon after the packet, by CLI and API. */
const SOON_MS = 2_000;

export function inlineTests(of: () => Stack, form: GatewayForm): void {
  const vm = (name: string) => of().lab.vm(name);

  describe(`inline, as ${form}`, () => {
    test('the gateway works, with the rules in force', { timeout: 180_000 }, async () => {
      await rules(of(), RULES);
      const [instance] = await deploy(of(), { form });
      assert.ok(instance);
      await within(30_000, 'the rules', async () => {
        const { items } = await of().client.call('instances.list', { query: {} });
        return items[0]?.loaded === 3 && items[0].rulesError === '' ? true : undefined;
      });
      await insert(of(), {
        appliesTo: { selector: 'app in (web, client)' },
        mode: 'inline',
        failure: 'closed',
      });
    });

    test(
      'a request passes it in both directions, an uninspected pair never does',
      { timeout: 60_000 },
      async () => {
        const [instance] = await instances(of());
        assert.ok(instance);
        const number = numberOf(instance);
        const count = async (act: () => Promise<unknown>) => {
          const before = await frames(of(), number);
          await act();
          const after = await frames(of(), number);
          return { in: after.in - before.in, out: after.out - before.out };
        };
        for (const address of [WEB.v4, WEB.v6]) {
          const seen = await count(async () => assert.equal(await get(vm('client'), address, '/'), '200'));
          // Three for opening, the request, its answer and their acknowledgements, the closing: each passes once.
          assert.ok(seen.in >= 8 && seen.out >= 8, `${address}: ${JSON.stringify(seen)}`);
        }
        const idle = await count(() => pingFrom(vm('plain-2'), '10.40.0.12', 1));
        const plain = await count(async () => assert.equal(await get(vm('plain-2'), PLAIN, '/'), '200'));
        // Probes pass all the time, ten a second.
        assert.ok(plain.in <= idle.in + 60, JSON.stringify({ idle, plain }));
      },
    );

    test('UDP and ICMP pass it too', { timeout: 60_000 }, async () => {
      for (const address of [WEB.v4, WEB.v6]) {
        assert.equal(await askUdp(vm('client'), address, 7), 'open');
        assert.equal(await pingFrom(vm('client'), address), 2);
      }
    });

    test(
      'what a rule drops does not arrive, and says who, whose and which flow',
      { timeout: 90_000 },
      async () => {
        assert.match(await say(vm('client'), WEB.v4, 'hello'), /^hello$/);
        assert.equal(await say(vm('client'), WEB.v4, MARK), 'nothing');
        const sent = Date.now();
        const seen = await event(of(), { signature: ['9000002'], type: ['alert'] }, SOON_MS);
        assert.ok(Date.now() - sent < SOON_MS);
        assert.equal(seen.action, 'blocked');
        assert.deepEqual(
          [seen.src.name, seen.src.tenant, seen.dst.name, seen.dst.port],
          ['client', 'acme', 'web', 7],
        );
        const { value } = await within(
          SOON_MS,
          'the alert',
          async () =>
            (await of().client.call('alerts.list', { query: { kind: 'inspection.alert' } })).items[0],
        );
        assert.equal(value.vmName, 'client');
        assert.equal(value.tenant, 'acme');
        assert.match(value.title, /LAB exploit/);
        const { value: flow } = await within(10_000, 'the drop among the flows', async () => {
          const { items } = await of().client.call('flows.list', {
            query: { since: '2m', verdict: ['dropped'], rule: ['suricata/9000002'] },
          });
          return items[0];
        });
        assert.deepEqual([flow.src.name, flow.dst.name, flow.dst.port], ['client', 'web', 7]);
        const cli = await of().cli(['inspection', '--signature', '9000002', '--since', '2m', '-o', 'json']);
        assert.equal(cli.code, 0, cli.err);
        assert.match(cli.out, /LAB exploit/);
      },
    );

    test('an alert rule alerts, and the request is answered', { timeout: 60_000 }, async () => {
      assert.equal(await get(vm('client'), WEB.v4, '/forbidden'), '200');
      const seen = await event(of(), { signature: ['9000001'], type: ['alert'] });
      assert.equal(seen.action, 'allowed');
      assert.equal(seen.technique, 'T1190');
      const http = await event(of(), { type: ['http'], vm: ['web'] });
      assert.match(http.subject, /\/forbidden/);
    });

    test('trace shows the way through the gateway', { timeout: 30_000 }, async () => {
      const trace = await of().client.call('trace.create', {
        body: { src: 'client', dst: 'web', service: 'tcp/80' },
      });
      assert.equal(trace.verdict, 'allowed');
      assert.ok(trace.steps.some((step) => step.where === 'gateway' && /acme\/lab/.test(step.rule)));
    });

    test('as a mirror it only alerts', { timeout: 90_000 }, async () => {
      await insert(of(), { appliesTo: { selector: 'app in (web, client)' }, mode: 'mirror' });
      assert.match(await say(vm('client'), WEB.v4, `mirrored ${MARK}`), /EXPLOIT-ME/);
      const seen = await event(of(), { signature: ['9000002'], action: ['allowed'] });
      assert.equal(seen.src.name, 'client');
      await remove(of());
    });
  });
}
