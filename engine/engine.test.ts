// The engine as a program, on a host with real VMs: enforced before they run, killed, restarted, removed, refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { diffStates } from '@wocloud/policy/delta.ts';
import { EMPTY_STATE, type DesiredState } from '@wocloud/protocol/desired.ts';
import type { Receipt } from '@wocloud/protocol/reports.ts';
import { guestXml } from '@wocloud/libvirt/testing/guest-xml.ts';
import { startTestHost, type TestHost } from './testing/host.ts';

const UUID = '33333333-3333-4333-8333-333333333333';
const MAC = '52:54:00:00:00:11';
const NIC = `${UUID}/${MAC}`;

let host: TestHost;

before(async () => {
  host = await startTestHost();
  await host.sh(
    'ip link add br0 type bridge && ip link set br0 up; for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $f; done',
  );
  const nic = `<interface type='bridge'><mac address='${MAC}'/><source bridge='br0'/><model type='virtio'/></interface>`;
  await host.define(guestXml({ name: 'one', uuid: UUID, devices: nic }));
  await host.startEngine();
  await host.platform.until(
    'the first inventory',
    () => host.platform.messages.find((m) => m.type === 'inventory'),
    60_000,
  );
});
after(() => host.stop());

const state = (generation: number, mode: 'observe' | 'enforce', bridge = 'br0'): DesiredState => ({
  ...EMPTY_STATE,
  generation,
  networks: [{ id: 'n1', name: 'n1', bridge, vlan: null, zone: 1 }],
  nics: [
    {
      id: NIC,
      vm: UUID,
      name: 'one',
      tenant: 'acme',
      mac: MAC,
      network: 'n1',
      mode,
      addresses: ['10.0.0.5'],
      out: 'out-a',
      in: 'in-a',
    },
  ],
  chains: (['in-a', 'out-a'] as const).map((id) => ({
    id,
    rules: [
      {
        id: `acme/p/${id}`,
        action: 'drop' as const,
        staged: false,
        peers: ['any' as const],
        services: [],
        log: false,
      },
    ],
  })),
  sets: [],
});

const receipts = (): Receipt[] =>
  host.platform.messages.flatMap((m) => (m.type === 'receipt' ? [m.receipt] : []));
const receipt = (what: string, test: (r: Receipt) => boolean) =>
  host.platform.until(
    what,
    () => {
      const last = receipts().at(-1);
      return last && test(last) ? last : undefined;
    },
    60_000,
  );
const protection = (r: Receipt): string | undefined => r.nics.find((n) => n.nic === NIC)?.protection;
const ours = async (): Promise<string[]> =>
  (await host.sh('nft list tables')).split('\n').filter((l) => / wocloud$/.test(l));

test('rules stand before the VM starts, and its tap is guarded when it does', async () => {
  host.platform.send({ type: 'desired', state: state(1, 'enforce') });
  const before = await receipt('generation 1', (r) => r.generation === 1);
  assert.equal(before.result, 'applied', before.error);
  assert.equal(protection(before), 'inactive');
  assert.equal((await ours()).length, 3);
  await host.virsh('start', 'one');
  await receipt('enforced', (r) => protection(r) === 'enforced');
  assert.match(await host.sh('nft list table netdev wocloud'), /device "vnet0"/);
});

test('an older generation is refused, and a delta for another state is answered with hello', async () => {
  host.platform.send({ type: 'desired', state: state(5, 'enforce') });
  await receipt('generation 5', (r) => r.generation === 5);
  host.platform.send({ type: 'desired', state: state(4, 'observe') });
  const hellos = () => host.platform.messages.filter((m) => m.type === 'hello').length;
  const said = hellos();
  host.platform.send({
    type: 'delta',
    delta: { ...diffStates(EMPTY_STATE, EMPTY_STATE), from: 8, generation: 9 },
  });
  await host.platform.until('a hello', () => hellos() > said);
  const hello = host.platform.messages.findLast((m) => m.type === 'hello');
  assert.ok(hello?.type === 'hello');
  assert.equal(hello.generation, 5);
  assert.equal((await ours()).length, 3);
});

test('killed with -9 and started while the platform is away: the rules stand, and are adopted', async () => {
  const rules = () => host.sh('for f in inet netdev bridge; do nft --stateless list table $f wocloud; done');
  // The record of what stands is written shortly after it stands.
  const stands = receipts().at(-1)?.digest ?? '';
  await host.sh(
    `for i in $(seq 100); do grep -q '${stands}' ${host.state}/applied.json && grep -q '"generation":5' ${host.state}/desired.json && exit 0; sleep 0.05; done; exit 1`,
  );
  await host.killEngine('SIGKILL');
  await host.platform.stop();
  // What settles after a bridge was switched on goes by itself.
  await host.sh(
    'for i in $(seq 100); do nft list set inet wocloud settling | grep -q elements || exit 0; sleep 0.05; done; exit 1',
  );
  const before = await rules();
  await host.startEngine();
  await host.sh(
    `for i in $(seq 1000); do ss -xlH | grep -q wocloud-engine && exit 0; sleep 0.05; done; exit 1`,
  );
  host.platform.messages.length = 0;
  await host.platform.restart();
  const hello = await host.platform.until(
    'a hello with what stands',
    () => host.platform.messages.find((m) => m.type === 'hello'),
    60_000,
  );
  assert.ok(hello.type === 'hello');
  await receipt('adopted', (r) => r.generation === 5 && protection(r) === 'enforced');
  // Health is told every few seconds; the first may be from before the rules were looked at.
  const health = await host.platform.until(
    'health',
    () =>
      host.platform.messages.findLast(
        (m) => m.type === 'health' && (m.health.counters['filter.rounds'] ?? 0) > 0,
      ),
    60_000,
  );
  assert.ok(health.type === 'health');
  assert.equal(health.health.counters['filter.adopted'], 1);
  assert.equal(health.health.counters['filter.transactions'], 0);
  assert.ok(health.health.residentBytes < 300 * 1024 * 1024);
  assert.equal(await rules(), before);
});

test('a second engine on the host is refused', async () => {
  const other = await host.sh(
    `${process.execPath} ${import.meta.dirname}/main.ts --remove --state /nowhere 2>&1 || echo "exit $?"`,
  );
  assert.match(other, /another engine works on this host/);
  assert.match(other, /exit 1/);
});

test('SIGTERM leaves the rules standing; --remove takes everything away', async () => {
  await host.killEngine('SIGTERM');
  assert.equal(await host.ended(), 0);
  assert.equal((await ours()).length, 3);
  assert.equal((await host.sh('cat /sys/class/net/br0/bridge/nf_call_iptables')).trim(), '1');
  const done = await host.sh(
    `${process.execPath} ${import.meta.dirname}/main.ts --remove --state ${host.state}`,
  );
  assert.match(done, /removed table inet wocloud/);
  assert.doesNotMatch(await host.sh('nft list ruleset'), /wocloud/);
  assert.equal((await host.sh('cat /sys/class/net/br0/bridge/nf_call_iptables')).trim(), '0');
});

test('options that make no sense are refused with words and code 2', async () => {
  for (const [flags, words] of [
    ['', /--platform is missing/],
    ['--platform http://x', /expected https:\/\/host:port or unix:/],
    ['--platform unix:/x --bridged-frames maybe', /expected one of observe, accept/],
    ['--nonsense', /nonsense/],
  ] as const) {
    const said = await host.sh(
      `${process.execPath} ${import.meta.dirname}/main.ts ${flags} 2>&1 || echo "exit $?"`,
    );
    assert.match(said, words);
    assert.match(said, /exit 2/);
  }
});
