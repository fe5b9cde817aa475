// `./wocloud up` on a host that already runs VMs beside other people's firewalls: not one of their packets is lost by
// it, enforcing is a separate and reversible act, and what cannot be protected says so. Counted inside the guests.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { FlowView, VmView } from '@wocloud/protocol/views.ts';
import { findHost, type FoundHost } from './adopt-host.ts';
import { Stream, type Result, type Target } from './stream.ts';
import { connectFrom, type Outcome } from './probe.ts';
import { within } from './stack.ts';

/** From old-client to old-web, on both networks and both families, all the time; each connection is one for all of it. */
const TARGETS: Target[] = [
  { name: 'udp4 nat', kind: 'udp', to: '192.168.122.11' },
  { name: 'udp6 nat', kind: 'udp', to: 'fd10:122::11' },
  { name: 'udp4 plain', kind: 'udp', to: '10.70.0.11' },
  { name: 'udp6 plain', kind: 'udp', to: 'fd10:70::11' },
  { name: 'icmp4 nat', kind: 'icmp', to: '192.168.122.11' },
  { name: 'icmp6 plain', kind: 'icmp', to: 'fd10:70::11' },
  { name: 'tcp4 nat', kind: 'tcp', to: '192.168.122.11' },
  { name: 'tcp6 plain', kind: 'tcp', to: 'fd10:70::11' },
];
const EVERY_MS = 50;

/**
 * old-web belongs to acme, old-client to nobody. Between a tenant's VM and another's nothing passes by default, so
 * whoever enforces has to say first what goes on between them: the stream's services at either end, and nothing else.
 */
const POLICIES = `
apiVersion: wocloud/v1
kind: Tenant
metadata: { name: acme }
spec: {}
---
apiVersion: wocloud/v1
kind: Policy
metadata: { name: old-web, tenant: acme }
spec:
  tier: tenant
  priority: 100
  mode: enforce
  appliesTo: { selector: app=web }
  rules:
    - { name: echo, direction: in, action: allow, from: [any], services: [udp/7, tcp/7, icmp/8, icmpv6/128] }
---
apiVersion: wocloud/v1
kind: Policy
metadata: { name: old-client }
spec:
  tier: platform
  priority: 100
  mode: enforce
  appliesTo: { vm: old-client }
  rules:
    - { name: echo, direction: out, action: allow, to: [{ tenant: acme }], services: [udp/7, tcp/7, icmp/8, icmpv6/128] }
`;

/** The same, and what old-web and its host may do with each other. */
const WITH_HOST = POLICIES.replace(
  '---\napiVersion: wocloud/v1\nkind: Policy\nmetadata: { name: old-client }',
  `    - { name: no-ssh-to-host, direction: out, action: reject, to: [host], services: [tcp/22] }
    - { name: http-from-host, direction: in, action: allow, from: [host], services: [tcp/80] }
$&`,
);

let found: FoundHost;
let stream: Stream;
let others: Record<string, string>;

before(
  async () => {
    found = await findHost('adopt');
    others = await found.ofOthers();
    stream = await Stream.start(vm('old-client'), TARGETS, EVERY_MS);
    await stream.phase('alone');
  },
  { timeout: 180_000 },
);
after(() => found?.stop(), { timeout: 60_000 });

const vm = (name: string) => found.lab.vm(name);
const wocloud = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await found.wocloud(args);
  assert.equal(code, 0, `wocloud ${args.join(' ')}: ${err}${out}`);
  return out;
};
const listed = async (): Promise<Map<string, VmView>> => {
  const { items } = await found.client.call('vms.list', { query: {} });
  return new Map(items.map((view) => [view.name, view]));
};
const protectedAs = (wanted: Record<string, VmView['protection']>) =>
  within(15_000, JSON.stringify(wanted), async () => {
    const vms = await listed();
    return Object.entries(wanted).every(([name, protection]) => vms.get(name)?.protection === protection)
      ? vms
      : undefined;
  });
const tables = async () =>
  (await found.lab.host.run(['nft', 'list', 'tables']))
    .split('\n')
    .filter((line) => / wocloud(_|$)/.test(line));
const flow = async (query: object): Promise<FlowView | undefined> =>
  (await found.client.call('flows.list', { query: { since: '5m', limit: 50, ...query } })).items[0];
/** Not among the stream's services: open while nothing is enforced. */
const web = (address: string): Promise<Outcome> => connectFrom(vm('old-client'), address, 80, 1);
const publish = async (documents: string, why: string) => {
  const applied = await found.wocloud(['apply', '-f', '-'], documents);
  assert.equal(applied.code, 0, applied.err);
  assert.match(await wocloud('publish', '-m', why, '--yes'), /lab-1 +applied/);
};

test('up finds the VMs and only watches them', { timeout: 120_000 }, async () => {
  await stream.phase('up');
  const up = await found.wocloud(['up', '--yes', '--link-port', '0']);
  assert.equal(up.code, 0, up.err);
  await found.signIn();
  await protectedAs({ 'old-web': 'observed', 'old-client': 'observed' });
  assert.equal((await found.client.call('enforcement.list')).items.length, 0);
  assert.deepEqual(await tables(), ['table bridge wocloud_observe']);
  assert.deepEqual(
    await found.ofOthers(),
    others,
    "other people's rules, domains and switches are untouched",
  );
  await stream.phase('observed');
});

test('their flows are seen, with what enforcing would do to them', { timeout: 30_000 }, async () => {
  const query = { from: ['old-client'], to: ['old-web'], protocol: ['udp'], verdict: ['observed'] };
  const { value } = await within(15_000, 'an observed flow', () => flow({ ...query, staged: ['dropped'] }));
  assert.equal(value.stagedRule, 'default/between', 'one has no tenant, the other has');
  await within(5_000, 'IPv6', () => flow({ ip: ['fd10:122::11'], protocol: ['udp'] }));
});

test('what cannot be protected says so, and why', { timeout: 30_000 }, async () => {
  const views = JSON.parse(await wocloud('get', 'vms', '-o', 'json')) as VmView[];
  for (const [name, reason] of [
    ['on-macvtap', /macvtap on mv-direct: its frames pass no bridge of this host\. Attach/],
    ['on-ovs', /port of Open vSwitch, which switches past this host's bridge filter\. Attach/],
  ] as const) {
    const view = views.find((v) => v.name === name);
    assert.equal(view?.protection, 'unprotected');
    assert.match(view.reason, reason);
    assert.deepEqual(
      view.nics.map((nic) => [nic.protection, reason.test(nic.reason)]),
      [['unprotected', true]],
    );
    const described = (await wocloud('describe', 'vm', name)).replace(/\s+/g, ' ');
    assert.match(described, /protection: unprotected/);
    assert.match(described, reason);
  }
});

test('enforcing waits while another firewall would drop what it is shown', { timeout: 60_000 }, async () => {
  // Told before anybody decides.
  const check = await found.wocloud(['host', 'check', 'lab-1']);
  assert.equal(check.code, 1);
  for (const chain of ['ip filter FORWARD', 'ip6 filter FORWARD', 'inet firewalld filter_FORWARD'])
    assert.ok(check.out.includes(`nftables ${chain} could drop frames between VMs on br-plain`), check.out);
  assert.match(check.out, /\.\/wocloud up --bridged-frames accept/);
  await publish(POLICIES, 'what goes on between them');
  await within(15_000, 'a flow that would go on', () =>
    flow({ from: ['old-client'], staged: ['allowed'], port: ['7'] }),
  );
  await stream.phase('asked to enforce, blocked');
  await wocloud('enforce', 'host', 'lab-1');
  const { value } = await within(10_000, 'the reason', async () => {
    const view = (await listed()).get('old-web');
    return view?.mode === 'enforce' && view.reason !== '' ? view : undefined;
  });
  assert.equal(value.protection, 'observed');
  assert.match(value.reason, /^not enforced yet: nftables .* could drop frames between VMs on/);
  assert.equal(await web('10.70.0.11'), 'open');
  assert.deepEqual(await tables(), ['table bridge wocloud_observe']);
  await wocloud('enforce', 'host', 'lab-1', '--unset');
  await within(10_000, 'observing', async () =>
    (await listed()).get('old-web')?.mode === 'observe' ? true : undefined,
  );
});

test("the operator's choice by itself changes nothing", { timeout: 60_000 }, async () => {
  await stream.phase('choice');
  await wocloud('up', '--yes', '--link-port', '0', '--bridged-frames', 'accept');
  await protectedAs({ 'old-web': 'observed', 'old-client': 'observed' });
  assert.deepEqual(await found.ofOthers(), others);
  assert.deepEqual((await found.client.call('hosts.list', { query: {} })).items[0]?.facts?.notices.length, 0);
});

describe('enforcing is a separate act, and each is undone', () => {
  const acts: [string, string, Record<string, VmView['protection']>][] = [
    ['vm', 'old-web', { 'old-web': 'enforced', 'old-client': 'observed' }],
    ['tenant', 'acme', { 'old-web': 'enforced', 'old-client': 'observed' }],
    ['host', 'lab-1', { 'old-web': 'enforced', 'old-client': 'enforced' }],
  ];
  for (const [scope, name, wanted] of acts)
    test(`${scope} ${name}`, { timeout: 60_000 }, async () => {
      await stream.phase(`${scope} enforced`);
      await wocloud('enforce', scope, name);
      const { value } = await protectedAs({
        ...wanted,
        'on-macvtap': 'unprotected',
        'on-ovs': 'unprotected',
      });
      assert.equal(value.get('old-web')?.modeFrom, scope);
      assert.equal(await web('10.70.0.11'), 'timeout');
      assert.equal(await web('fd10:122::11'), 'timeout');
      await stream.phase(`${scope} observed again`);
      await wocloud('enforce', scope, name, '--unset');
      await protectedAs({ 'old-web': 'observed', 'old-client': 'observed' });
      assert.equal(await web('10.70.0.11'), 'open');
      await within(10_000, 'no rule of ours', async () =>
        (await tables()).join() === 'table bridge wocloud_observe' ? true : undefined,
      );
      const now = await found.ofOthers();
      assert.deepEqual({ ...now, switches: '' }, { ...others, switches: '' });
    });
});

describe('between a VM and its host', () => {
  const HOST = ['10.70.0.1', 'fd10:70::1'];
  const VM = ['10.70.0.11', 'fd10:70::11'];
  const LISTEN = `require('net').createServer((s) => s.end()).listen(22, () => console.log('listening'))`;
  const CONNECT = `
    const [host, port] = process.argv.slice(1);
    const socket = require('net').connect({ host, port, timeout: 1000 });
    const end = (outcome) => { console.log(outcome); process.exit(); };
    socket.on('connect', () => end('open')).on('timeout', () => end('timeout')).on('error', () => end('refused'));`;
  const fromHost = async (address: string): Promise<string> =>
    (await found.lab.host.run([process.execPath, '-e', CONNECT, address, '80'])).trim();
  const toHost = (address: string): Promise<Outcome> => connectFrom(vm('old-web'), address, 22, 1);
  const each = (addresses: string[], ask: (address: string) => Promise<string>) =>
    Promise.all(addresses.map(ask));

  let listener: ChildProcess | undefined;
  after(() => void listener?.kill());
  before(async () => {
    const { child } = found.lab.host.spawn([process.execPath, '-e', LISTEN], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    listener = child;
    await new Promise((resolve, reject) => {
      child.stdout?.once('data', resolve);
      child.once('exit', () => reject(new Error('the listener on the host ended')));
    });
    await stream.phase('vm and host');
    await wocloud('enforce', 'vm', 'old-web');
    await protectedAs({ 'old-web': 'enforced' });
  });

  test('without a rule the VM may reach the host, and the host not the VM', { timeout: 30_000 }, async () => {
    assert.deepEqual(await each(HOST, toHost), ['open', 'open']);
    assert.deepEqual(await each(VM, fromHost), ['timeout', 'timeout']);
    const { value } = await within(10_000, 'the refused flow', () =>
      flow({ to: ['old-web'], ip: ['10.70.0.1'], port: ['80'], verdict: ['dropped'] }),
    );
    assert.equal(value.rule, 'default/ingress');
  });

  test('rules about host decide, in both directions and families', { timeout: 60_000 }, async () => {
    await publish(WITH_HOST, 'the host is a peer too');
    assert.deepEqual(await each(HOST, toHost), ['refused', 'refused']);
    assert.deepEqual(await each(VM, fromHost), ['open', 'open']);
    assert.equal(await web('10.70.0.11'), 'timeout', 'a rule about the host opens nothing to VMs');
    for (const address of HOST) {
      const { value } = await within(10_000, `the refusal of ${address}`, () =>
        flow({ from: ['old-web'], ip: [address], port: ['22'], verdict: ['rejected'] }),
      );
      assert.equal(value.rule, 'acme/old-web/no-ssh-to-host');
      const { value: passed } = await within(10_000, `the flow from ${address}`, () =>
        flow({ to: ['old-web'], ip: [address], port: ['80'], verdict: ['allowed'] }),
      );
      assert.equal(passed.rule, 'acme/old-web/http-from-host');
    }
    const shown = await wocloud('flows', '--from', 'old-web', '--port', '22', '--verdict', 'rejected');
    assert.match(shown, /acme\/old-web\/no-ssh-to-host/);
  });
});

describe('afterwards', () => {
  let result: Result;

  test('down leaves the VMs running and the host as it was', { timeout: 60_000 }, async () => {
    await stream.phase('down');
    const boots = await Promise.all(['old-web', 'old-client'].map((name) => vm(name).ready()));
    await wocloud('down', '--purge');
    assert.deepEqual(await tables(), []);
    assert.deepEqual(await found.ofOthers(), others);
    await stream.phase('alone again');
    assert.equal(await web('10.70.0.11'), 'open');
    assert.deepEqual(await Promise.all(['old-web', 'old-client'].map((name) => vm(name).ready())), boots);
    result = await stream.stop();
  });

  test('not one packet of theirs was lost in all of it', () => {
    const lost = result.counted.flatMap(({ target, phase, lost: at }) =>
      at.length > 0 ? [`${target}, ${phase}: ${at.length} at ${at.join(' ')} s`] : [],
    );
    assert.deepEqual(lost, [], JSON.stringify(result.silence));
    assert.deepEqual(result.errors, {});
    for (const { target, phase, sent } of result.counted)
      assert.ok(sent > 0, `${target} sent nothing in ${phase}`);
    const total = result.counted.reduce((sum, { sent }) => sum + sent, 0);
    assert.ok(total > 5_000, `${total} packets`);
    console.log(
      `${total} sent, as many came back; longest silence of TCP, s: ${JSON.stringify(result.silence)}`,
    );
  });
});
