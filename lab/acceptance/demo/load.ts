// Under load: 50 publications and an engine killed -9, while iperf3 runs and every allowed and forbidden packet is counted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { readFrame } from '@wocloud/policy/testing/frames.ts';
import { Stream } from '../adopt-stream.ts';
import type { Stack } from '../stack.ts';
import { Sniffer } from './sniffer.ts';

const PUBLICATIONS = 50;
const IPERF = 5201;

/** Sends numbered datagrams and SYNs where it may not, until told to stop; prints how many. */
const KNOCK = `
import os, socket, sys, time
to = sys.argv[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, due = 0, time.monotonic()
open('/run/knock.up', 'w').close()
while not os.path.exists('/run/knock.stop'):
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
print(sent)
`;

export function loadTests(of: () => Stack): void {
  test(
    `${PUBLICATIONS} publications and an engine killed -9 under iperf3 lose no allowed packet and pass no forbidden one`,
    { timeout: 300_000 },
    async () => {
      const { lab, client, home, cli } = of();
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
            { name: 'iperf', direction: 'both', action: 'allow', services: [`tcp/${IPERF}`] },
            { name: `round-${round}`, direction: 'in', action: 'allow', services: [`tcp/${9000 + round}`] },
          ],
        },
      });
      const publish = async (round: number) => {
        await client.call('documents.apply', { body: { documents: [load(round)] } });
        const { id } = await client.call('publications.create', { body: { message: `round ${round}` } });
        const done = await client.call('publications.get', {
          params: { id: String(id) },
          query: { wait: 60 },
        });
        assert.equal(done.state, 'published', JSON.stringify(done.hosts));
      };
      await publish(0);

      const sniffer = await Sniffer.start(app);
      const stream = await Stream.start(
        db,
        [
          { name: 'udp4', kind: 'udp', to: '10.20.0.12' },
          { name: 'udp6', kind: 'udp', to: 'fd10:20::12' },
        ],
        20,
      );
      await stream.phase('load');
      await attacker.output(
        `rm -f /run/knock.*; setsid python3 -c '${KNOCK}' 10.10.0.12 </dev/null >/run/knock.out 2>&1 & until [ -e /run/knock.up ]; do sleep 0.05; done`,
      );
      await web.output(
        `rm -f /run/iperf.*; setsid sh -c 'iperf3 -J -c 10.20.0.13 -p ${IPERF} -t 600 >/run/iperf.json 2>&1; touch /run/iperf.done' </dev/null >/dev/null 2>&1 & sleep 1`,
      );
      const generation = async () =>
        (await client.call('hosts.list', { query: {} })).items[0]?.generation.applied;

      for (let round = 1; round <= PUBLICATIONS; round++) {
        if (round === PUBLICATIONS / 2)
          process.kill(
            Number(execFileSync('pgrep', ['-nf', `engine/main.ts.*${home}`], { encoding: 'utf8' })),
            'SIGKILL',
          );
        await publish(round);
      }
      assert.ok(((await generation()) ?? 0) >= PUBLICATIONS);

      await attacker.output('touch /run/knock.stop');
      await web.output('kill -INT $(pidof iperf3); until [ -e /run/iperf.done ]; do sleep 0.1; done; true');
      const { counted, errors } = await stream.stop();
      const arrived = (await sniffer.stop()).flatMap((frame) => readFrame(frame) ?? []);
      const knocks = Number(
        await attacker.output('until [ -s /run/knock.out ]; do sleep 0.1; done; cat /run/knock.out'),
      );
      const report = JSON.parse(await web.output(['cat', '/run/iperf.json'])) as {
        intervals: { sum: { bytes: number; seconds: number } }[];
      };
      assert.equal((await cli(['delete', 'policy', 'load', '-t', 'acme', '--yes'])).code, 0);
      assert.equal((await cli(['publish', '-m', 'without load'])).code, 0);

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
      const stalled = report.intervals.filter(({ sum }) => sum.seconds > 0.5 && sum.bytes === 0);
      assert.ok(report.intervals.length > 5, `${report.intervals.length} s of iperf3`);
      assert.deepEqual(stalled, [], 'whole seconds in which iperf3 moved nothing');
    },
  );
}
