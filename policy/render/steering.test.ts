// Needs root: which frames go through a gateway, which way, and where they come out; stand-in wires for gateways.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ANYTHING,
  InspectedHost,
  frame,
  insertion,
  policy,
  station,
  vmOf,
  type Exchange,
  type Station,
} from '../testing/inspected-host.ts';
import { ETHERTYPE, ethernet, ip, readFrame, segment } from '../testing/frames.ts';
import { bridgeMac, run } from '../testing/kernel.ts';

const a = station('tap-a', 1);
const b = station('tap-b', 2);
const c = station('tap-c', 3);
const seen = station('tap-seen', 4);
const out = station('tap-out', 5, '02:00:00:00:00:05');
const far = station('tap-far', 6);
const farOut = station('tap-farout', 7, out.mac);

let host: InspectedHost;
before(async () => {
  host = await InspectedHost.create(
    [
      ...[a, b, c, seen, out].map(({ tap }) => ({ tap, bridge: 'br0' })),
      ...[far, farOut].map(({ tap }) => ({ tap, bridge: 'br1' })),
    ],
    [1],
  );
  for (const at of [a, b, c]) host.planner.upsertVm(vmOf(at, 'n0'));
  host.planner.upsertVm(vmOf(seen, 'n0', { mode: 'observe' }));
  host.planner.upsertVm(vmOf(far, 'n1'));
  await host.kernel.inHost('ip', 'link', 'set', seen.tap, 'address', `fe${seen.mac.slice(2)}`);
  await host.announce([a, b, c, seen, out, far, farOut]);
});
after(() => host.close());

const wireOf = ({ wires }: InspectedHost) => wires[0] as (typeof wires)[number];
const portsOf = (received: Buffer) => {
  const seen = readFrame(received);
  return `${seen?.sport}>${seen?.dport}`;
};
const UDP: Exchange = { protocol: 17, port: 53 };
const through = [{ instance: 1, original: 1, reply: 1, copies: 0 }];
const ofA = (spec: object = {}) => insertion('a', { appliesTo: { vm: 'tap-a' }, mode: 'inline', ...spec });

test('both directions of every protocol pass through the wire, other pairs never', async () => {
  await host.publish({ insertions: [ofA()] });
  await host.alive(1);
  const kinds: Exchange[] = [
    { protocol: 6, port: 443 },
    { protocol: 6, port: 443, six: true },
    UDP,
    { ...UDP, six: true },
    { protocol: 1, port: 0 },
    { protocol: 58, port: 0, six: true },
  ];
  for (const kind of kinds) {
    const about = JSON.stringify(kind);
    assert.deepEqual(
      await host.exchange(a, b, kind),
      { there: ['tap-b'], back: ['tap-a'], wires: through },
      about,
    );
    assert.deepEqual(
      await host.exchange(b, a, kind),
      { there: ['tap-a'], back: ['tap-b'], wires: through },
      about,
    );
    assert.deepEqual(
      await host.exchange(b, c, kind),
      { there: ['tap-c'], back: ['tap-b'], wires: [] },
      about,
    );
  }
});

test('an observed VM and an address beyond the uplink are met through the wire too', async () => {
  await host.publish({ insertions: [ofA()] });
  await host.alive(1);
  for (const peer of [seen, out]) {
    assert.deepEqual(await host.exchange(a, peer, UDP), {
      there: [peer.tap],
      back: ['tap-a'],
      wires: through,
    });
    assert.deepEqual(await host.exchange(peer, a, UDP), {
      there: ['tap-a'],
      back: [peer.tap],
      wires: through,
    });
  }
  assert.deepEqual(await host.exchange(b, out, UDP), { there: ['tap-out'], back: ['tap-b'], wires: [] });
});

test('only connections to the named services are inspected, whoever opens them', async () => {
  await host.publish({ insertions: [ofA({ services: ['udp/53', 'tcp/8000-8080', 'icmp/8'] })] });
  await host.alive(1);
  const expected: [Exchange, boolean][] = [
    [UDP, true],
    [{ protocol: 17, port: 54 }, false],
    [{ protocol: 6, port: 8080 }, true],
    [{ protocol: 6, port: 8081 }, false],
    [{ protocol: 1, port: 0 }, true],
    [{ protocol: 58, port: 0, six: true }, false],
  ];
  for (const [kind, inspected] of expected)
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const)
      assert.deepEqual(
        await host.exchange(x, y, kind),
        { there: [y.tap], back: [x.tap], wires: inspected ? through : [] },
        JSON.stringify(kind),
      );
});

test('a rule that inspects sends its connections through, and no others', async () => {
  const inspects = policy('web', [
    { name: 'dns', direction: 'in', action: 'inspect', services: ['udp/53'] },
    { name: 'rest', direction: 'both', action: 'allow' },
  ]);
  await host.publish({ policies: [inspects] });
  await host.alive(1);
  assert.deepEqual(await host.exchange(a, b, UDP), { there: ['tap-b'], back: ['tap-a'], wires: through });
  assert.deepEqual(await host.exchange(a, b, { protocol: 17, port: 54 }), {
    there: ['tap-b'],
    back: ['tap-a'],
    wires: [],
  });
});

test('without a gateway open passes, closed does not, and the strictest of several counts', async () => {
  for (const failure of ['open', 'closed'] as const) {
    await host.publish({
      insertions: [ofA({ failure }), insertion('all', { appliesTo: 'all', mode: 'mirror' })],
    });
    await host.alive();
    const passes = failure === 'open';
    assert.deepEqual(await host.exchange(a, b, UDP), {
      there: passes ? ['tap-b'] : [],
      back: passes ? ['tap-a'] : [],
      wires: [],
    });
    assert.deepEqual(await host.exchange(b, c, UDP), { there: ['tap-c'], back: ['tap-b'], wires: [] });
    await host.alive(1);
    assert.deepEqual(await host.exchange(a, b, UDP), { there: ['tap-b'], back: ['tap-a'], wires: through });
  }
});

test('a mirror gets a copy of both directions and changes nothing', async () => {
  await host.publish({ insertions: [ofA({ mode: 'mirror' })] });
  await host.alive(1);
  const copied = [{ instance: 1, original: 0, reply: 0, copies: 2 }];
  for (const peer of [b, seen, out])
    assert.deepEqual(await host.exchange(a, peer, UDP), {
      there: [peer.tap],
      back: ['tap-a'],
      wires: copied,
    });
  await host.alive();
  assert.deepEqual(await host.exchange(a, b, UDP), { there: ['tap-b'], back: ['tap-a'], wires: [] });
});

test('a frame sent to many ports is shown once and gets to nobody else', async () => {
  await host.publish({ insertions: [ofA()] });
  await host.alive(1);
  for (const peer of [b, seen, out]) {
    await host.kernel.inHost('ip', 'link', 'set', 'br0', 'type', 'bridge', 'fdb_flush');
    const { there, wires } = await host.exchange(a, peer, UDP);
    assert.deepEqual([there, wires], [[peer.tap], through]);
  }
  await host.announce([a, b, c, seen, out]);
});

test('no frame gets to another network through a gateway', async () => {
  await host.publish({ insertions: [insertion('all', { appliesTo: 'all', mode: 'inline' })] });
  await host.alive(1);
  // To a MAC that is a VM's on the other bridge; as the bridge does not know it, it goes out by the uplink, uninspected.
  const lost = await host.exchange(a, { ...far, tap: 'tap-out' }, UDP);
  assert.ok(!lost.there.includes('tap-far'), 'a frame left its network');
  assert.deepEqual(lost.wires, []);
  // From outside, in the name of a NIC of the other bridge.
  const forged = await host.exchange({ ...far, tap: 'tap-out' }, a, UDP);
  assert.deepEqual(forged.wires, []);
  assert.ok(!forged.back.includes('tap-far'));
  // One router with one MAC on both.
  for (const [x, router] of [
    [a, out],
    [far, farOut],
  ] as const) {
    const { there, back, wires } = await host.exchange(x, router, UDP);
    assert.deepEqual([there, back, wires], [[router.tap], [x.tap], through]);
  }
});

test('two NICs with one MAC are not inspected: open passes, closed does not', async () => {
  const twin = { ...far, mac: a.mac };
  for (const failure of ['open', 'closed'] as const) {
    host.planner.upsertVm(vmOf(twin, 'n1'));
    await host.publish({ insertions: [insertion('all', { appliesTo: 'all', mode: 'inline', failure })] });
    await host.alive(1);
    const passes = failure === 'open';
    assert.deepEqual(await host.exchange(a, b, UDP), {
      there: passes ? ['tap-b'] : [],
      back: passes ? ['tap-a'] : [],
      wires: [],
    });
    assert.deepEqual(await host.exchange(b, c, UDP), { there: ['tap-c'], back: ['tap-b'], wires: through });
  }
  host.planner.upsertVm(vmOf(far, 'n1'));
});

test('probes and copies end at the device they come out of; a gateway cannot send where nobody asked', async () => {
  await host.publish({ insertions: [ofA()] });
  await host.alive(1);
  await host.settled();
  const { m, b: second } = wireOf(host).ports;
  const datagram = (to: string) =>
    ethernet(
      to,
      out.mac,
      ETHERTYPE.ip,
      ip({ src: out.ipv4, dst: b.ipv4, protocol: 17, payload: segment(out.ipv4, b.ipv4, 17, 9, 9) }),
    );
  await host.kernel.send([
    [second.device, ethernet(b.mac, a.mac, ETHERTYPE.test, Buffer.alloc(46))],
    [m.device, datagram(b.mac)],
    [second.device, datagram('02:00:00:00:00:77')],
  ]);
  for (const [tap, frames] of await host.settled()) assert.deepEqual(frames, [], tap);
});

test('what is never inspected passes a closed insertion without a gateway', async () => {
  await host.publish({ policies: [ANYTHING], insertions: [ofA({ failure: 'closed' })] });
  await host.alive();
  await host.settled();
  const [src, dst] = [b.ipv4, a.ipv4];
  const dhcp = ethernet(
    a.mac,
    b.mac,
    ETHERTYPE.ip,
    ip({ src, dst, protocol: 17, payload: segment(src, dst, 17, 68, 67) }),
  );
  await host.kernel.send([['tap-b', dhcp]]);
  assert.equal((await host.settled()).get('tap-a')?.length, 1);
});

test('a datagram in pieces goes through in pieces', async () => {
  await host.publish({ insertions: [ofA({ services: ['udp/53'], failure: 'closed' })] });
  await host.alive(1);
  await host.settled();
  await wireOf(host).seen();
  const whole = segment(a.ipv4, b.ipv4, 17, 4100, 53, 0, Buffer.alloc(200));
  const [src, dst, protocol, id] = [a.ipv4, b.ipv4, 17, 9] as const;
  const pieces = [
    ip({ src, dst, protocol, id, payload: whole.subarray(0, 104), fragment: 0x2000 }),
    ip({ src, dst, protocol, id, payload: whole.subarray(104), fragment: 13 }),
  ];
  await host.kernel.send(pieces.map((piece) => [a.tap, ethernet(b.mac, a.mac, ETHERTYPE.ip, piece)]));
  assert.equal((await host.settled()).get(b.tap)?.length, 2);
  assert.equal((await wireOf(host).seen()).original.length, 2);
});

test('an address that has moved to another port is found there within a second', async () => {
  await host.publish({ insertions: [ofA()] });
  await host.alive(1);
  const moved = { ...out, tap: 'tap-seen' };
  assert.deepEqual((await host.exchange(a, out, UDP)).there, ['tap-out']);
  const deadline = performance.now() + 5_000;
  let there: string[] = [];
  while (there[0] !== 'tap-seen' && performance.now() < deadline) {
    await host.exchange(moved, a, UDP);
    ({ there } = await host.exchange(a, moved, UDP));
  }
  assert.deepEqual(there, ['tap-seen']);
});

test('routed between two NICs of ours it is inspected both ways', async () => {
  await host.publish({ insertions: [ofA({ failure: 'closed' })] });
  await host.alive(1);
  const other = { ...far, ipv4: '10.0.1.6' };
  host.planner.upsertVm(vmOf(other, 'n1'));
  await host.publish();
  await host.kernel.ip([
    'address add 10.0.1.254/24 dev br1',
    `neighbour replace ${other.ipv4} lladdr ${other.mac} dev br1 nud permanent`,
    `neighbour replace ${a.ipv4} lladdr ${a.mac} dev br0 nud permanent`,
  ]);
  await host.settled();
  const hop = (from: Station, to: Station, bridge: number, sport: number, dport: number) =>
    frame(
      from,
      { ...to, mac: bridgeMac(bridge) },
      from.ipv4,
      to.ipv4,
      segment(from.ipv4, to.ipv4, 17, sport, dport),
      17,
    );
  await host.kernel.send([[a.tap, hop(a, other, 0, 4000, 53)]]);
  assert.equal((await host.settled()).get(far.tap)?.length, 1);
  await host.kernel.send([[far.tap, hop(other, a, 1, 53, 4000)]]);
  assert.equal((await host.settled()).get(a.tap)?.length, 1);
  const { original, reply } = await wireOf(host).seen();
  assert.deepEqual([original.map(portsOf), reply.map(portsOf)], [['4000>53'], ['53>4000']]);
  host.planner.upsertVm(vmOf(far, 'n1'));
});

test('a tagged frame comes out as it was', async () => {
  const tagged = await InspectedHost.create(
    [a, out].map(({ tap }) => ({ tap, bridge: 'br0' })),
    [1],
    10,
  );
  try {
    await tagged.kernel.inHost('sysctl', '-qw', 'net.bridge.bridge-nf-filter-vlan-tagged=1');
    tagged.planner.upsertVm(vmOf(a, 'n0'));
    await tagged.publish({ insertions: [ofA({ failure: 'closed' })] });
    await tagged.alive(1);
    await tagged.announce([a, out]);
    const untagged = frame(out, a, out.ipv4, a.ipv4, segment(out.ipv4, a.ipv4, 17, 53, 4000), 17);
    const sent = Buffer.concat([
      untagged.subarray(0, 12),
      Buffer.from([0x81, 0, 0, 10]),
      untagged.subarray(12),
    ]);
    // The guest's kernel takes the tag off before a socket sees the frame.
    const inGuests = (...nft: string[]) => run('ip', ['netns', 'exec', tagged.kernel.guests, 'nft', ...nft]);
    await inGuests(
      `table netdev probe { counter tagged { }; chain in { type filter hook ingress device "${a.tap}" priority 0; vlan id 10 counter name "tagged"; }; }`,
    );
    await wireOf(tagged).seen();
    await tagged.kernel.send([[out.tap, sent]]);
    assert.equal((await tagged.settled()).get(a.tap)?.length, 1);
    assert.match(await inGuests('list', 'counter', 'netdev', 'probe', 'tagged'), /packets 1 /);
    assert.equal((await wireOf(tagged).seen()).original.length, 1);
    const { there, wires } = await tagged.exchange(a, out, UDP);
    assert.deepEqual([there, wires[0]?.original], [[out.tap], 1]);
  } finally {
    await tagged.close();
  }
});
