// Needs root: what limits become as text, and what the kernel does with it, packet by packet.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  EMPTY_STATE,
  type DesiredLimits,
  type DesiredNic,
  type DesiredState,
} from '@wocloud/protocol/desired.ts';
import { ethernet, ip, readFrame, segment, typeOf } from '../testing/frames.ts';
import { KernelHost } from '../testing/kernel.ts';
import { assignSlots, ruleIds, type LocalFacts } from './local.ts';
import { LIMIT_RULES, LOG_GROUP, parseGuardPrefix, parseVerdictPrefix } from './names.ts';
import { buildRuleset, deltaScript, fullScript } from './script.ts';

const MAC = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'] as const;
const NO_LIMITS: DesiredLimits = {
  connections: null,
  connectionsPerSecond: null,
  synsPerSecond: 2_000,
  sendKbps: null,
  receiveKbps: null,
};
const allow = { action: 'allow', staged: false, peers: ['any'], services: [], log: false } as const;

/** Three VMs that may do everything, and their limits. */
function state(limits: (Partial<DesiredLimits> | undefined)[] = []): DesiredState {
  const nics = MAC.map((mac, i): DesiredNic => ({
    id: `00000000-0000-4000-8000-00000000000${i + 1}/${mac}`,
    vm: `00000000-0000-4000-8000-00000000000${i + 1}`,
    name: `vm-${i + 1}`,
    tenant: 'acme',
    mac,
    network: 'n1',
    mode: 'enforce',
    addresses: [`10.0.0.${i + 1}`, `fd00::${i + 1}`],
    out: 'out-a',
    in: 'in-a',
    ...(limits[i] && { limits: { ...NO_LIMITS, ...limits[i] } }),
  }));
  return {
    ...EMPTY_STATE,
    networks: [{ id: 'n1', name: 'n1', bridge: 'br0', vlan: null, zone: 1 }],
    nics,
    chains: [
      { id: 'out-a', rules: [{ id: 'acme/base/out', ...allow, peers: ['any'], services: [] }] },
      { id: 'in-a', rules: [{ id: 'acme/base/in', ...allow, peers: ['any'], services: [] }] },
    ],
  };
}

const localOf = (wanted: DesiredState, more: Partial<LocalFacts> = {}): LocalFacts => ({
  taps: new Map(wanted.nics.map((nic) => [nic.id, `tap${nic.name.slice(3)}`])),
  networks: new Map([
    ['n1', { interfaces: [{ name: 'br0', mac: '02:00:00:00:01:00' }], otherPorts: ['tap4'] }],
  ]),
  slots: assignSlots(new Map(), ruleIds(wanted), 0).slots,
  ...more,
});
const rulesetOf = (wanted: DesiredState, more?: Partial<LocalFacts>) =>
  buildRuleset(wanted, localOf(wanted, more));

test('every enforced tap has the default rate, and only what differs is named', () => {
  const table = rulesetOf(state([undefined, { synsPerSecond: 500 }])).get('netdev wocloud');
  assert.deepEqual([...(table?.sets.get('syn-rates')?.elements ?? [])], [['"tap2"', 'goto syns-500']]);
  assert.deepEqual(
    [...(table?.chains.keys() ?? [])].filter((name) => name.startsWith('syns-')),
    ['syns-2000', 'syns-500'],
  );
  assert.match(table?.chains.get('syns-500')?.rules[0] ?? '', /limit rate 500\/second burst 250 packets/);
  assert.equal(table?.sets.get('syn4-500')?.dynamic, true);
});

test('what belongs to a connection under way is accepted before anything of it is counted', () => {
  const table = rulesetOf(state()).get('netdev wocloud');
  const [first] = table?.chains.get('tap-tap1')?.rules ?? [];
  assert.match(first ?? '', /tcp flags & ack == ack accept$/);
  assert.equal(table?.chains.get('own-tcp')?.rules[0], 'tcp flags & (syn | ack) != syn accept');
});

test('limits on connections: one chain per NIC that has one, by every way it may come', () => {
  const wanted = state([{ connections: 20 }, { connectionsPerSecond: 5 }, { sendKbps: 64 }]);
  const table = rulesetOf(wanted).get('inet wocloud');
  const limited = [...(table?.sets.get('limited')?.elements ?? [])];
  assert.deepEqual(
    limited.map(([key]) => key),
    [`"br0" . ${MAC[0]}`, `"br0" . ${MAC[1]}`],
  );
  const rules = limited.map(([, verdict]) => table?.chains.get(verdict.slice('jump '.length))?.rules);
  assert.deepEqual(rules, [
    ['ct count over 20 goto refuse-connections'],
    ['limit rate over 5/second burst 5 packets goto refuse-rate'],
  ]);
  assert.deepEqual(
    [...ruleIds(wanted)].filter((id) => id.startsWith('limit/')),
    Object.values(LIMIT_RULES),
  );
});

test('without limits nothing names them', () => {
  const wanted = state([{ synsPerSecond: 9 }]);
  const table = rulesetOf(wanted).get('inet wocloud');
  assert.deepEqual(table?.chains.get('limits')?.rules, []);
  assert.equal(table?.chains.has('refuse-rate'), false);
  assert.deepEqual(
    [...ruleIds(wanted)].filter((id) => id.startsWith('limit/')),
    [],
  );
});

// In the kernel.

let kernel: KernelHost;
let applied = rulesetOf(state());
/** Room for few pairs: what happens when there is none left must not need 65,536 of them. */
const small = (script: string) => script.replaceAll('size 65536', 'size 100');

async function want(wanted: DesiredState, more?: Partial<LocalFacts>): Promise<void> {
  const next = rulesetOf(wanted, more);
  await kernel.nft(small(deltaScript(applied, next)));
  applied = next;
}

before(async () => {
  kernel = await KernelHost.create(['tap1', 'tap2', 'tap3', 'tap4'].map((tap) => ({ tap, bridge: 'br0' })));
  await kernel.nft(small(fullScript(applied)));
  await kernel.listen(LOG_GROUP.guard);
  await kernel.listen(LOG_GROUP.verdict);
});
after(() => kernel.close());
// Each test begins with nothing counted.
beforeEach(async () => {
  await kernel.nft(
    small(`delete table netdev wocloud\ndelete table inet wocloud\ndelete table bridge wocloud\n`),
  );
  applied = rulesetOf(state());
  await kernel.nft(small(fullScript(applied)));
  await kernel.inHost('conntrack', '-F');
  await kernel.logged();
});

let sport = 20_000;
/** The first packet of a TCP connection from one VM to another; or, with `flags`, another one. */
function attempt(from: number, to: number, port: number, six = false, flags = 2): readonly [string, Buffer] {
  const [src, dst] = [from, to].map((n) => (six ? `fd00::${n}` : `10.0.0.${n}`)) as [string, string];
  const payload = segment(src, dst, 6, sport++, port);
  if (sport > 60_000) sport = 20_000;
  // One flag for another of its octet: the checksum takes the difference (RFC 1624).
  payload.writeUInt16BE((payload.readUInt16BE(16) + (payload[13] ?? 0) - flags + 0xffff) % 0xffff, 16);
  payload[13] = flags;
  const packet = ip({ src, dst, protocol: 6, payload });
  return [`tap${from}`, ethernet(MAC[to - 1] ?? '', MAC[from - 1] ?? '', typeOf(src), packet)];
}
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** How many packets of TCP came out at a VM's tap, by port. */
async function arrived(at: number): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const frame of (await kernel.received()).get(`tap${at}`) ?? []) {
    const seen = readFrame(frame);
    if (seen?.protocol === 6) counts[seen.dport] = (counts[seen.dport] ?? 0) + 1;
  }
  return counts;
}
const refusals = async () => (await kernel.logged()).map(({ prefix }) => parseGuardPrefix(prefix));

for (const six of [false, true])
  test(`IPv${six ? 6 : 4}: who is too fast at one port is refused there, and nowhere else`, async () => {
    await want(state([{ synsPerSecond: 10 }]));
    await kernel.send(many(60, () => attempt(1, 2, 80, six)));
    const first = (await arrived(2))[80] ?? 0;
    assert.ok(first >= 5 && first <= 8, `${first} of 60`);
    assert.deepEqual(new Set(await refusals()), new Set(['syn']));
    await kernel.send([
      attempt(1, 2, 80, six),
      attempt(1, 2, 81, six),
      attempt(3, 2, 80, six),
      attempt(1, 2, 82, !six),
    ]);
    assert.deepEqual(await arrived(2), { 80: 1, 81: 1, 82: 1 });
    await kernel.send([attempt(1, 3, 80, six)]);
    assert.deepEqual(await arrived(3), { 80: 1 });
  });

test('other packets of TCP are no attempts', async () => {
  await want(state([{ synsPerSecond: 10 }]));
  await kernel.send(many(50, () => attempt(1, 2, 80, false, 0x10)));
  assert.deepEqual(await arrived(2), { 80: 50 });
  assert.deepEqual(await refusals(), []);
});

test('a rate is one NIC’s own: another keeps the default', async () => {
  await want(state([{ synsPerSecond: 10 }]));
  await kernel.send(many(300, () => attempt(3, 2, 80)));
  assert.deepEqual(await arrived(2), { 80: 300 });
  await want(state());
  await kernel.send(many(300, () => attempt(1, 2, 80)));
  assert.deepEqual(await arrived(2), { 80: 300 });
});

test('when there is no place to count more pairs, the rest share one rate, and nobody else is refused', async () => {
  await want(state([{ synsPerSecond: 50 }]));
  await kernel.send(many(300, (i) => attempt(1, 2, 1_000 + i)));
  const got = Object.keys(await arrived(2)).length;
  // A hundred counted, and a burst of 25 for all that found no place.
  assert.ok(got >= 125 && got < 160, `${got} of 300`);
  assert.deepEqual(new Set(await refusals()), new Set(['syn']));
  const listed = await kernel.inHost('nft', 'list', 'set', 'netdev', 'wocloud', 'syn-refused4');
  assert.doesNotMatch(listed, /elements/);
  // Another VM counts elsewhere only because its rate is another; at the same rate it shares the places, not the blame.
  await kernel.send(many(20, (i) => attempt(3, 2, 5_000 + i)));
  assert.equal(Object.keys(await arrived(2)).length, 20);
});

test('a forged source is refused as such and counted nowhere', async () => {
  await want(state([{ synsPerSecond: 10 }]));
  const payload = segment('10.0.0.9', '10.0.0.2', 6, 1, 80);
  const forged = ethernet(
    MAC[1],
    MAC[0],
    typeOf('10.0.0.9'),
    ip({ src: '10.0.0.9', dst: '10.0.0.2', protocol: 6, payload }),
  );
  await kernel.send(many(50, () => ['tap1', forged] as const));
  assert.deepEqual(await arrived(2), {});
  assert.deepEqual(new Set(await refusals()), new Set(['ipv4']));
  await kernel.send(many(3, () => attempt(1, 2, 80)));
  assert.deepEqual(await arrived(2), { 80: 3 });
});

test('more connections at a time than allowed are refused, and named by the limit', async () => {
  const wanted = state([{ connections: 7 }]);
  await want(wanted);
  await kernel.send(many(20, (i) => attempt(1, 2, 2_000 + i)));
  assert.equal(Object.keys(await arrived(2)).length, 7);
  const slots = new Set(
    (await kernel.logged()).flatMap(({ prefix }) => parseVerdictPrefix(prefix)?.outSlot ?? []),
  );
  assert.deepEqual(slots, new Set([localOf(wanted).slots.get(LIMIT_RULES.connections)]));
  // What others open to it is not counted, and what they open at all is not limited.
  await kernel.send(many(20, (i) => attempt(2, 1, 2_000 + i)));
  assert.equal(Object.keys(await arrived(1)).length, 20);
  await kernel.inHost('conntrack', '-D', '-s', '10.0.0.1', '-p', 'tcp');
  await kernel.send(many(20, (i) => attempt(1, 2, 3_000 + i)));
  assert.equal(Object.keys(await arrived(2)).length, 7);
});

test('many connections are counted in parts: never more than allowed, and nearly as many', async () => {
  await want(state([{ connections: 1_000 }]));
  await kernel.send(many(2_000, (i) => attempt(1, 2, 2_000 + i)));
  const got = Object.keys(await arrived(2)).length;
  assert.ok(got > 950 && got <= 1_000, `${got} of 2000`);
});

test('more new connections a second than allowed are refused, and named by the limit', async () => {
  const wanted = state([{ connectionsPerSecond: 10 }]);
  await want(wanted);
  await kernel.send(many(100, (i) => attempt(1, 2, 2_000 + i)));
  const got = Object.keys(await arrived(2)).length;
  assert.ok(got >= 10 && got <= 14, `${got} of 100`);
  const slots = new Set(
    (await kernel.logged()).flatMap(({ prefix }) => parseVerdictPrefix(prefix)?.outSlot ?? []),
  );
  assert.deepEqual(slots, new Set([localOf(wanted).slots.get(LIMIT_RULES.rate)]));
});

test('what is sent through a shaper arrives once, and what the guard refuses does not', async () => {
  await kernel.ip(['link add wol7a type veth peer name wol7b', 'link set wol7a up', 'link set wol7b up']);
  await kernel.inHost('tc', 'qdisc', 'add', 'dev', 'wol7b', 'ingress');
  const everything = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0'];
  const inwards = ['action', 'mirred', 'ingress', 'redirect', 'dev', 'tap1'];
  await kernel.inHost('tc', 'filter', 'add', 'dev', 'wol7b', 'parent', 'ffff:', ...everything, ...inwards);
  const [link] = JSON.parse(await kernel.inHost('ip', '-j', 'link', 'show', 'wol7a')) as {
    ifindex: number;
  }[];
  const wanted = state([{ sendKbps: 1_000 }]);
  const [nic] = wanted.nics;
  const shapers = new Map([[nic?.id ?? '', { device: 'wol7a', index: link?.ifindex ?? 0 }]]);
  await want(wanted, { shapers });
  const count = async (what: string) =>
    Number(/packets (\d+)/.exec(await kernel.inHost('nft', 'list', 'counter', 'netdev', 'probe', what))?.[1]);
  await kernel.nft(`add table netdev probe
add counter netdev probe shaped
add counter netdev probe seen
add chain netdev probe shaper { type filter hook egress device "wol7a" priority 0; policy accept; }
add rule netdev probe shaper counter name "shaped"
add chain netdev probe out { type filter hook egress device "tap2" priority 0; policy accept; }
add rule netdev probe out tcp dport { 80, 81, 82 } meta mark == 0 counter name "seen"
`);
  await kernel.send([attempt(1, 2, 80), attempt(1, 2, 81, true), attempt(3, 2, 82)]);
  assert.deepEqual(await arrived(2), { 80: 1, 81: 1, 82: 1 });
  assert.equal(await count('shaped'), 2);
  // Inspection takes its frames at the egress of the receiving port: nothing may come past it, or with a mark.
  assert.equal(await count('seen'), 3);
  const [, frame] = attempt(1, 2, 80);
  await kernel.send([['tap3', frame]]);
  const forged = Buffer.from(attempt(1, 2, 83)[1]);
  forged.writeUInt8(9, 26 + 3);
  await kernel.send([['tap1', forged]]);
  assert.deepEqual(await arrived(2), {});
  assert.deepEqual(await refusals(), ['mac', 'ipv4']);
  assert.equal(await count('shaped'), 2);
  await want(state());
  await kernel.nft('delete table netdev probe\n');
  await kernel.ip(['link del wol7a']);
});
