// Connections as they are told: live, with names, verdict and rule, and the bytes that the guests counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { connectFrom, echoFrom } from '../probe.ts';
import { follow, within, type Stack } from '../stack.ts';

export function flowsTests(of: () => Stack): void {
  const vm = (name: string) => of().lab.vm(name);

  test(
    'a connection is on "flows -f" within 2 s, with names, verdict and rule',
    { timeout: 90_000 },
    async () => {
      const filter = ['flows', '-f', '--from', 'lb-1', '--port', '8080'];
      const [people, programs] = [follow(of(), filter), follow(of(), [...filter, '-o', 'jsonl'])];
      try {
        // Live once it tells what goes on by itself: the load balancer's own health checks.
        for (const live of [people, programs])
          await within(30_000, 'the terminal', async () => (live.lines.length > 0 ? true : undefined));
        const began = Date.now();
        assert.equal(await connectFrom(vm('lb-1'), '10.10.0.11', 8080), 'open');
        const { value } = await within(4_000, 'the flow on the terminal', async () => {
          for (const { text, at } of programs.lines) {
            const flow = JSON.parse(text) as FlowView;
            if (flow.kind === 'start' && Date.parse(flow.start) >= began) return { flow, at };
          }
          return undefined;
        });
        const late = value.at - Date.parse(value.flow.start);
        assert.ok(late < 2_000, `${late} ms after its start`);
        assert.deepEqual(
          [value.flow.src.name, value.flow.dst.name, value.flow.verdict, value.flow.rule],
          ['lb-1', 'web-1', 'allowed', 'acme/web/from-lb'],
        );
        await within(4_000, 'the line for people', async () =>
          people.lines.find(
            ({ text, at }) =>
              at >= began && /allowed +acme +lb-1 → web-1:8080 tcp +acme\/web\/from-lb/.test(text),
          ),
        );
      } finally {
        people.stop();
        programs.stop();
      }
    },
  );

  test('bytes and packets of a flow are what the guest counted', { timeout: 90_000 }, async () => {
    const counted = await echoFrom(vm('db-1'), '10.20.0.12', 700);
    assert.equal(counted.answers, 20);
    const { value } = await within(15_000, 'the flow with all its packets', async () => {
      const { items } = await of().client.call('flows.list', {
        query: { from: ['db-1'], port: ['7'], since: '2m', limit: 50 },
      });
      return items.find((f) => f.src.port === counted.port && f.packetsIn === 20);
    });
    assert.deepEqual(
      [value.packetsOut, value.packetsIn, value.bytesOut, value.bytesIn],
      [20, 20, counted.sent + 20 * 28, counted.received + 20 * 28],
    );
  });
}
