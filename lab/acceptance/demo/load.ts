// Under load: 50 publications and an engine killed -9, while iperf3 runs and every allowed and forbidden packet is counted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { readFrame } from '@wocloud/policy/testing/frames.ts';
import { Background } from '../background.ts';
import { startIperf, TOLD_TO_END, type IperfReport } from '../iperf.ts';
import { Stream } from '../stream.ts';
import { within, type Stack } from '../stack.ts';
import { done } from './published.ts';
import { Sniffer } from './sniffer.ts';

const PUBLICATIONS = 50;
const EVERY_MS = 400;
const PORT = 5201;

/** Sends datagrams and SYNs where it may not, until told to stop; tells how many. */
const KNOCK = `
import socket, time
to = sys.argv[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, due = 0, time.monotonic()
UP()
while not STOPPED():
    try: udp.sendto(b'forbidden', (to, 7))
    except OSError: pass
    if sent % 10 == 0:
        tcp = socket.socket(); tcp.setblocking(False)
        try: tcp.connect((to, 8080))
        except OSError: pass
        tcp.close()
    sent += 1
    due += 0.01
    time.sleep(max(0, due - time.monotonic()))
TELL(sent)
`;

export function loadTests(of: () => Stack): void {
  test(
    `${PUBLICATIONS} publications and an engine killed -9 under iperf3 lose no allowed packet and pass no forbidden one`,
    { timeout: 300_000 },
    async () => {
      const { lab, client, home } = of();
      const [web, db, app, attacker] = [
        lab.vm('web-1'),
        lab.vm('db-1'),
        lab.vm('app-1'),
        lab.vm('attacker-1'),
      ];
      const load = (round: number) => ({
        apiVersion: 'wocloud/v1',
        kind: 'Policy',
        metadata: { name: 'load', tenant: 'acme' },
        spec: {
          tier: 'tenant',
          priority: 5,
          mode: 'enforce',
          appliesTo: { selector: 'app in (web, db)' },
          rules: [
            { name: 'iperf', direction: 'both', action: 'allow', services: [`tcp/${PORT}`] },
            { name: `round-${round}`, direction: 'in', action: 'allow', services: [`tcp/${9000 + round}`] },
          ],
        },
      });
      const read = (id: string, wait: number) =>
        client.call('publications.get', { params: { id }, query: { wait } });
      const publish = async (round: number) => {
        await client.call('documents.apply', { body: { documents: [load(round)] } });
        const { id } = await client.call('publications.create', { body: { message: `round ${round}` } });
        return read(String(id), 60);
      };
      await publish(0);
      await using _ = {
        async [Symbol.asyncDispose]() {
          await done(of(), ['delete', 'policy', 'load', '-t', 'acme', '--yes']);
          await done(of(), ['publish', '-m', 'without load']);
        },
      };

      await using sniffer = await Sniffer.start(app);
      await using stream = await Stream.start(
        db,
        [
          { name: 'udp4', kind: 'udp', to: '10.20.0.12' },
          { name: 'udp6', kind: 'udp', to: 'fd10:20::12' },
        ],
        20,
      );
      await stream.phase('load');
      await using knock = await Background.start(attacker, 'knock', KNOCK, ['10.10.0.12']);
      await using iperf = await startIperf(web, '10.20.0.13', '20M');

      let last = await publish(1);
      const began = performance.now();
      for (let round = 2; round <= PUBLICATIONS; round++) {
        if (round === PUBLICATIONS / 2)
          process.kill(
            Number(execFileSync('pgrep', ['-nf', `engine/main.ts.*${home}`], { encoding: 'utf8' })),
            'SIGKILL',
          );
        // Spread over the load: publishing alone would be over in a few seconds.
        await pause(Math.max(0, began + round * EVERY_MS - performance.now()));
        last = await publish(round);
        // What is published while the engine is away waits for it.
        assert.ok(['published', 'partial'].includes(last.state), JSON.stringify(last.hosts));
      }
      await within(30_000, 'the last publication, proven by the restarted engine', async () =>
        (await read(String(last.id), 0)).state === 'published' ? true : undefined,
      );

      const knocks = Number(await knock.stop());
      const report = (await iperf.stop()) as IperfReport;
      const { counted, errors } = await stream.stop();
      const arrived = (await sniffer.stop()).flatMap((frame) => readFrame(frame) ?? []);
      assert.deepEqual(errors, {});
      for (const { target, sent, lost } of counted) {
        assert.ok(sent > 500, `${target}: ${sent} datagrams`);
        assert.deepEqual(lost, [], `${target}: lost of ${sent}`);
      }
      assert.ok(knocks > 500, `${knocks} knocks`);
      assert.deepEqual(
        arrived.filter(({ src }) => src === '10.10.0.66'),
        [],
        `of ${knocks} forbidden datagrams`,
      );
      // The same TCP connection from the first publication to the last, the engine's death included.
      assert.equal(report.error, TOLD_TO_END, 'it ended because we said so');
      assert.ok((report.intervals.at(-2)?.sum.bytes ?? 0) > 0, 'iperf3 still moves data at the end');
    },
  );
}
