// Gateways that fail in every way there is: open lets traffic go on within half a second, closed lets none pass, both
// are alerted, and all of it heals by itself.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { GatewayForm } from '@wocloud/protocol/resources/gateway.ts';
import type { FailureMode } from '@wocloud/protocol/resources/insertion.ts';
import { Background } from '../background.ts';
import { Sniffer } from '../demo/sniffer.ts';
import { Stream } from '../stream.ts';
import { within, type Stack } from '../stack.ts';
import {
  deploy,
  insert,
  instances,
  MARK,
  numberOf,
  remove,
  rules,
  RULES,
  SAY_MARK,
  working,
} from './gateway.ts';

/** Longest silence of an open insertion's established connections; what a sender's own timers add is not ours. */
const OPEN_MS = 500;
const EVERY_MS = 20;

/** A way to fail: `fail` begins it, `mend` ends what does not end by itself. `passes`: traffic goes on regardless. */
interface Failure {
  name: string;
  form: GatewayForm;
  passes?: boolean;
  shown: readonly FailureMode[];
  fail(stack: Stack, gateway: string): Promise<void>;
  mend?(stack: Stack, gateway: string): Promise<void>;
}

const domain = (verb: string) => async (stack: Stack, gateway: string) => {
  await stack.lab.host.run(['virsh', '-q', verb, gateway]);
};
const signal = (name: string, program: string) => async (stack: Stack, gateway: string) => {
  const each = `grep -qa '${program}' /proc/$p/cmdline && kill -${name} $p && found=1`;
  await stack.lab.host.run(`for p in $(ip netns pids ${gateway}); do ${each}; done; [ "$found" = 1 ]`);
};

const FAILURES: readonly Failure[] = [
  { name: 'killed', form: 'vm', shown: ['closed'], fail: domain('destroy') },
  {
    name: 'hung',
    form: 'vm',
    shown: ['open'],
    // A VM that stands still is replaced; nobody has to resume it.
    fail: domain('suspend'),
  },
  {
    name: 'Suricata crashed',
    form: 'container',
    shown: ['open', 'closed'],
    fail: signal('KILL', 'suricata'),
  },
  {
    name: 'Suricata hung',
    form: 'container',
    shown: ['open', 'closed'],
    fail: signal('STOP', 'suricata'),
    mend: signal('CONT', 'suricata'),
  },
  {
    name: 'the daemon crashed',
    form: 'container',
    passes: true,
    shown: ['open'],
    fail: signal('KILL', 'daemon.mjs'),
  },
  {
    name: 'the channel cut',
    form: 'container',
    passes: true,
    shown: ['closed'],
    fail: signal('STOP', 'daemon.mjs'),
    mend: signal('CONT', 'daemon.mjs'),
  },
];

/** Every way to fail, open and closed, takes long: each in one of the two, and the worst in both, unless asked for all. */
const ALL = process.env['WOCLOUD_ALL_FAILURES'] !== undefined;

export function failureTests(of: () => Stack, form: GatewayForm): void {
  describe(`failures, as ${form}`, () => {
    for (const way of FAILURES.filter((f) => f.form === form))
      for (const failure of ALL ? (['open', 'closed'] as const) : way.shown)
        test(`${way.name}, ${failure}`, { timeout: 180_000 }, () => fails(of(), way, failure));
  });
}

async function fails(stack: Stack, way: Failure, failure: FailureMode): Promise<void> {
  await rules(stack, RULES);
  const [instance] = await deploy(stack, { form: way.form });
  /** Of its domain, or its network namespace. */
  const gateway = `wocloud-gateway-${instance && numberOf(instance)}`;
  await insert(stack, { appliesTo: { selector: 'app in (web, client)' }, mode: 'inline', failure });
  const { lab, client } = stack;
  const began = Date.now();
  await using stream = await Stream.start(
    lab.vm('client'),
    [
      { name: 'udp', kind: 'udp', to: '10.40.0.11' },
      { name: 'tcp', kind: 'tcp', to: 'fd10:40::11' },
    ],
    EVERY_MS,
  );
  await stream.phase('before');
  await pause(1_000);
  await using sniffer = await Sniffer.start(lab.vm('web'));
  await using forbidden = await Background.start(lab.vm('client'), 'forbidden', SAY_MARK, ['10.40.0.11']);
  await stream.phase('outage');
  await way.fail(stack, gateway);
  const passes = failure === 'open' || way.passes === true;
  // Long enough for the detection to be over and the state to be what it stays.
  await pause(6_000);
  await way.mend?.(stack, gateway);
  await working(stack, way.form, 1);
  await stream.phase('after');
  await pause(1_000);
  const { counted, errors, silence } = await stream.stop();
  const lost = (target: string, phase: string) =>
    counted.find((c) => c.target === target && c.phase === phase)?.lost.length ?? 0;
  assert.equal(lost('udp', 'before'), 0);
  assert.deepEqual(errors, {}, 'established connections live on');
  if (passes) {
    assert.ok(lost('udp', 'outage') * EVERY_MS <= OPEN_MS, `${lost('udp', 'outage')} lost during the outage`);
    assert.ok((silence['tcp'] ?? 0) <= 3 * (OPEN_MS / 1000), `TCP silent for ${silence['tcp']} s`);
  } else assert.ok(lost('udp', 'outage') > 20, `${lost('udp', 'outage')} lost: it was an outage`);
  const said = Number(await forbidden.stop());
  const arrived = (await sniffer.stop()).filter((frame) => frame.includes(MARK)).length;
  assert.ok(said > 100, `${said} said`);
  // What its rules drop shows what nobody has looked at: closed, not one of it arrives, outage or not.
  if (failure === 'closed') assert.equal(arrived, 0, `${arrived} of ${said} passed uninspected`);
  const kind = way.passes ? 'gateway.degraded' : 'gateway.failed';
  const { value } = await within(10_000, `${kind} since it failed`, async () =>
    (await client.call('alerts.list', { query: { kind, limit: 100 } })).items.find(
      (alert) => Date.parse(alert.lastSeen) >= began,
    ),
  );
  assert.equal(value.hostName, 'lab-1');
  assert.equal((await instances(stack)).length, 1);
  await remove(stack);
}
