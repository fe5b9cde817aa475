// Rules pushed and gateways replaced under load: no connection that may be is lost, and nothing that must not pass does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Background } from '../background.ts';
import { startIperf, TOLD_TO_END, type IperfReport } from '../iperf.ts';
import { Sniffer } from '../demo/sniffer.ts';
import { within, type Stack } from '../stack.ts';
import { Stream } from '../stream.ts';
import { deploy, frames, insert, instances, MARK, numberOf, remove, rules, RULES } from './gateway.ts';

/** More of both take longer and show the same: as many as asked for. */
const PUSHES = Number(process.env['WOCLOUD_PUSHES'] ?? 10);
const UPGRADES = Number(process.env['WOCLOUD_UPGRADES'] ?? 2);
const WEB = '10.40.0.11';

/** Asks for a page again and again, and says what must not arrive, until told to stop. */
const LOAD = `
import http.client, socket, time
to = sys.argv[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
pages = failed = said = 0
UP()
while not STOPPED():
    c = http.client.HTTPConnection(to, timeout=10)
    try:
        c.request('GET', '/'); c.getresponse().read(); pages += 1
    except OSError: failed += 1
    c.close()
    udp.sendto(b'${MARK}', (to, 7)); said += 1
    time.sleep(0.05)
TELL({'pages': pages, 'failed': failed, 'said': said})
`;

export function changeTests(of: () => Stack): void {
  describe('changes under load', () => {
    test('a gateway inspects, closed', { timeout: 180_000 }, async () => {
      await rules(of(), RULES);
      await deploy(of(), { form: 'container', memoryMiB: 512 });
      await insert(of(), {
        appliesTo: { selector: 'app in (web, client)' },
        mode: 'inline',
        failure: 'closed',
      });
      await inForce(of(), 3);
    });

    test(`${PUSHES} pushes of rules`, { timeout: 1_200_000 }, () =>
      underLoad(of(), async () => {
        for (let round = 1; round <= PUSHES; round++) {
          const more = `alert tcp any any -> any any (msg:"LAB round ${round}"; content:"round-${round}"; sid:${9_200_000 + round}; rev:1;)\n`;
          await rules(of(), RULES + more);
          await inForce(of(), 4);
        }
      }),
    );

    test(`${UPGRADES} upgrades`, { timeout: 1_200_000 }, () =>
      underLoad(of(), async () => {
        for (let round = 1; round <= UPGRADES; round++)
          await deploy(of(), { form: 'container', memoryMiB: round % 2 === 0 ? 512 : 576 });
      }),
    );

    test('two instances share the connections, and one takes over all', { timeout: 180_000 }, () =>
      underLoad(of(), async () => {
        await deploy(of(), { form: 'container', memoryMiB: 512, instances: 2 });
        const numbers = (await instances(of())).map(numberOf);
        const counts = () => Promise.all(numbers.map(async (number) => (await frames(of(), number)).in));
        const [before, began] = [await counts(), performance.now()];
        await within(30_000, 'both to get connections', async () => {
          const now = await counts();
          // Probes are frames too: ten a second.
          const probes = (performance.now() - began) / 100;
          return now.every((count, i) => count - (before[i] ?? 0) > 2 * probes + 200) ? true : undefined;
        });
        await deploy(of(), { form: 'container', memoryMiB: 512, instances: 1 });
      }),
    );

    test('afterwards', { timeout: 60_000 }, () => remove(of()));
  });
}

/** Waits until every instance has just so many rules loaded, of the newest set. */
async function inForce(stack: Stack, count: number): Promise<void> {
  await within(60_000, `${count} rules in force`, async () =>
    (await instances(stack)).every((i) => i.loaded === count && i.state === 'working') ? true : undefined,
  );
}

async function underLoad(stack: Stack, change: () => Promise<unknown>): Promise<void> {
  const { lab } = stack;
  await using sniffer = await Sniffer.start(lab.vm('web'));
  await using stream = await Stream.start(
    lab.vm('plain-2'),
    [
      { name: 'udp4', kind: 'udp', to: '10.40.0.12' },
      { name: 'tcp6', kind: 'tcp', to: 'fd10:40::12' },
    ],
    20,
  );
  await using load = await Background.start(lab.vm('client'), 'load', LOAD, [WEB]);
  await using iperf = await startIperf(lab.vm('client'), WEB, '10M');
  await stream.phase('change');
  await pause(1_000);
  await change();
  await pause(1_000);
  const { counted, errors } = await stream.stop();
  assert.deepEqual(errors, {});
  assert.deepEqual(
    counted.map(({ target, lost }) => [target, lost]),
    [
      ['udp4', []],
      ['tcp6', []],
    ],
  );
  const seen = (await load.stop()) as { pages: number; failed: number; said: number };
  assert.ok(seen.pages > 10 && seen.said > 10, JSON.stringify(seen));
  assert.equal(seen.failed, 0, 'every page was answered');
  const report = (await iperf.stop()) as IperfReport;
  assert.equal(report.error, TOLD_TO_END, 'it ended because we said so');
  const arrived = (await sniffer.stop()).filter((frame) => frame.includes(MARK));
  assert.deepEqual(arrived, [], 'what is dropped never arrives');
}
