// Needs root: gateways that come, go, hang and are replaced under connections that go on; and that every change is the
// same in the kernel as if it had been made anew.
import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import {
  InspectedHost,
  insertion,
  policy,
  station,
  vmOf,
  type Exchange,
  type Station,
} from '../testing/inspected-host.ts';
import { existing, listing } from '../testing/listing.ts';
import { run } from '../testing/kernel.ts';
import { BUCKETS, hex32, instanceMark } from './marks.ts';
import { buildRuleset, fullScript } from './script.ts';

const a = station('tap-a', 1);
const b = station('tap-b', 2);
const far = station('tap-far', 3);
const [client, server] = [station('tap-client', 8), station('tap-server', 9)];
const UDP: Exchange = { protocol: 17, port: 53 };
let host: InspectedHost;

/** A guest with a namespace and a protocol stack of its own. */
async function addGuest({ tap, mac, ipv4 }: Station): Promise<string> {
  const namespace = `${host.kernel.host}-${tap}`;
  await run('ip', ['netns', 'add', namespace]);
  await host.kernel.ip([
    `link add ${tap} type veth peer name eth0 address ${mac} netns ${namespace}`,
    `link set ${tap} master br0 up`,
  ]);
  await run('ip', ['-n', namespace, '-batch', '-'], `link set eth0 up\naddress add ${ipv4}/24 dev eth0\n`);
  return namespace;
}

before(async () => {
  host = await InspectedHost.create(
    [...[a, b].map(({ tap }) => ({ tap, bridge: 'br0' })), { tap: far.tap, bridge: 'br1' }],
    [1, 2],
  );
  for (const at of [a, b, client, server]) host.planner.upsertVm(vmOf(at, 'n0'));
  host.planner.upsertVm(vmOf(far, 'n1'));
  await host.announce([a, b, far]);
});
after(() => host.close());

const inline = (failure: 'open' | 'closed', appliesTo: string) =>
  insertion('i', { appliesTo: { vm: appliesTo }, mode: 'inline', failure });
const moveTo = async (instance: number) => {
  host.buckets = Array.from({ length: BUCKETS }, () => instance);
  await host.publish();
};

// Echoes what it gets; the other end says a line for each line that it is given and that has come back.
const SERVER = `
import socket
s = socket.create_server(('10.0.0.9', 7000))
print('ready', flush=True)
c = s.accept()[0]
while data := c.recv(65536): c.sendall(data)
`;
const CLIENT = `
import socket, sys
s = socket.create_connection(('10.0.0.9', 7000), 20)
for line in sys.stdin:
    s.sendall(line.encode())
    got = b''
    while not got.endswith(b'\\n'): got += s.recv(65536)
    print(got.decode(), end='', flush=True)
`;

interface Peer {
  process: ChildProcessWithoutNullStreams;
  line: () => Promise<string>;
}

function start(namespace: string, program: string): Peer {
  const process = spawn('ip', ['netns', 'exec', namespace, '/usr/bin/python3', '-c', program]);
  process.stderr.pipe(globalThis.process.stderr);
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  return { process, line: async () => (await lines.next()).value as string };
}

test('a connection goes on while its gateway is replaced, hangs and comes back', async () => {
  const spaces = [await addGuest(client), await addGuest(server)] as const;
  const peers: Peer[] = [];
  try {
    await host.publish({ insertions: [inline('closed', client.tap)] });
    await host.alive(1, 2);
    const echo = start(spaces[1], SERVER);
    peers.push(echo);
    assert.equal(await echo.line(), 'ready');
    const caller = start(spaces[0], CLIENT);
    peers.push(caller);
    let said = 0;
    const say = async () => {
      for (const wire of host.wires) await wire.seen();
      // More than fits in one frame, so that the kernel sends it in large pieces.
      const line = `line ${++said} ${'.'.repeat(100_000)}`;
      caller.process.stdin.write(`${line}\n`);
      assert.equal(await caller.line(), line);
      const counts = [];
      for (const wire of host.wires) {
        const { original, reply } = await wire.seen();
        counts.push([original.length > 0, reply.length > 0]);
      }
      return counts;
    };
    const [first, second, none] = [
      [
        [true, true],
        [false, false],
      ],
      [
        [false, false],
        [true, true],
      ],
      [
        [false, false],
        [false, false],
      ],
    ];
    assert.deepEqual(await say(), first);
    await moveTo(2);
    assert.deepEqual(await say(), second, 'the bucket has moved');
    host.present.delete(1);
    await host.publish();
    assert.deepEqual(await say(), second, 'the first gateway is gone');
    // Nothing answers, and nothing passes; what was sent meanwhile arrives when it is back.
    await host.alive();
    const dropped = async () =>
      Number(
        /packets (\d+)/.exec(
          await host.kernel.inHost('nft', 'list', 'counter', 'netdev', 'wocloud', 'uninspected-closed'),
        )?.[1],
      );
    const before = await dropped();
    const waiting = say();
    while ((await dropped()) === before);
    await host.alive(2);
    assert.deepEqual(await waiting, second, 'its connection has outlived it');
    await host.publish({ insertions: [inline('open', client.tap)] });
    assert.deepEqual(await say(), second, 'open now');
    await host.alive();
    assert.deepEqual(await say(), none, 'it hangs, and the connection goes on without it');
    await host.publish({ insertions: [] });
    assert.deepEqual(await say(), none);
  } finally {
    for (const { process } of peers) process.kill();
    for (const space of spaces) await run('ip', ['netns', 'delete', space]);
    host.present.add(1);
    await moveTo(1);
  }
});

test('a tap that the engine has not seen yet is no gap', async () => {
  await host.publish({ insertions: [inline('closed', 'tap-a')] });
  await host.alive(1);
  host.unseen.add('tap-b');
  await host.publish();
  assert.deepEqual((await host.exchange(a, b, UDP)).there, []);
  host.unseen.clear();
  await host.publish();
  assert.deepEqual((await host.exchange(a, b, UDP)).there, ['tap-b']);
});

test('a gateway device that was made anew is another device', async () => {
  await host.publish({ insertions: [inline('closed', 'tap-a')] });
  await host.alive(1);
  const [wire] = host.wires;
  assert.ok(wire);
  await wire.remake();
  await host.forgetGone();
  await host.publish();
  const { there, back, wires } = await host.exchange(a, b, UDP);
  assert.deepEqual([there, back, wires.map((w) => [w.original, w.reply])], [['tap-b'], ['tap-a'], [[1, 1]]]);
});

test('taking over keeps who is alive and where addresses are', async () => {
  await host.publish({ insertions: [inline('closed', 'tap-a')] });
  await host.alive(1);
  const { state, local } = host.applied;
  await host.kernel.nft(fullScript(buildRuleset(state, local), await existing(host.kernel.host)));
  assert.match(
    await host.kernel.inHost('nft', 'list', 'set', 'netdev', 'wocloud', 'alive'),
    new RegExp(hex32(instanceMark(1))),
  );
  assert.deepEqual((await host.exchange(a, b, UDP)).there, ['tap-b']);
});

const state = fc.record({
  insertions: fc.array(
    fc.record({
      vm: fc.constantFrom('tap-a', 'tap-b', 'tap-far'),
      mode: fc.constantFrom('inline', 'inline', 'mirror'),
      failure: fc.constantFrom('open', 'closed'),
      services: fc.option(
        fc.constantFrom<string[]>(['udp/53'], ['tcp', 'icmp/8'], ['tcp/80-90', 'icmpv6/128']),
        {
          nil: undefined,
        },
      ),
    }),
    { maxLength: 2 },
  ),
  rule: fc.option(fc.constantFrom('open', 'closed'), { nil: undefined }),
  observed: fc.boolean(),
  unseen: fc.subarray(['tap-a', 'tap-b']),
  present: fc.subarray([1, 2]),
  buckets: fc.array(fc.constantFrom(0, 1, 2), { minLength: BUCKETS, maxLength: BUCKETS }),
});

/** Lines that are not the same in both. */
function difference(one: string, other: string): string[] {
  if (one === other) return [];
  const [lines, others] = [one.split('\n'), other.split('\n')];
  return [
    ...lines.filter((line) => !others.includes(line)),
    ...others.filter((line) => !lines.includes(line)),
    'in another order',
  ];
}

test('every change is one transaction that stands, and the same as if it were made anew', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(state, { minLength: 2, maxLength: 5 }), async (states) => {
      for (const { insertions, rule, observed, unseen, present, buckets } of states) {
        host.unseen = new Set(unseen);
        host.present = new Set(present);
        host.buckets = buckets;
        host.planner.upsertVm(vmOf(b, 'n0', observed ? { mode: 'observe' } : {}));
        await host.publish({
          insertions: insertions.map(({ vm, mode, failure, services }, i) =>
            insertion(`i${i}`, {
              appliesTo: { vm },
              mode,
              ...(mode === 'inline' ? { failure } : {}),
              ...(services && { services }),
            }),
          ),
          policies: rule
            ? [policy('p', [{ name: 'r', direction: 'both', action: 'inspect', failure: rule }])]
            : [],
        });
      }
      const changed = await listing(host.kernel.host);
      const applied = buildRuleset(host.applied.state, host.applied.local);
      await host.kernel.nft(fullScript(applied, await existing(host.kernel.host)));
      assert.deepEqual(difference(await listing(host.kernel.host), changed), [], 'by taking over');
      await host.kernel.nft(fullScript(applied));
      assert.deepEqual(difference(await listing(host.kernel.host), changed), [], 'made anew');
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
