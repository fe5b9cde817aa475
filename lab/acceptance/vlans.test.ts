// Two tenants with the same addresses in two VLANs of one bridge, on a stock Debian host of their own (systemd,
// AppArmor, KVM, its kernel): told apart in names, flows, policies and guard. The engine runs there as a unit, and
// reaches the platform over TCP.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatDetail, parseDocuments } from '@wocloud/protocol/documents.ts';
import type { FlowView, VmView } from '@wocloud/protocol/views.ts';
import { startNestedHost, type NestedHost, type NestedVm } from '../nested/host.ts';
import { loadScenario, type Scenario } from '../scenario.ts';
import { connectFrom, pingFrom } from './probe.ts';
import { within } from './stack.ts';
import { askHonestly, listenIn, sayTagged } from './vlans-forge.ts';
import { installEngine, pidOf, removeEngine, rulesOf, watchRules } from './vlans-engine.ts';
import { startLonePlatform, type LonePlatform } from './vlans-platform.ts';

const NAME = 'kvm-1';
const A = { v4: '10.50.0.11', v6: 'fd10:50::11' };
const B = { v4: '10.50.0.12', v6: 'fd10:50::12' };
const TENANTS = ['acme', 'globex'] as const;

let platform: LonePlatform;
let host: NestedHost;
let scenario: Scenario;
let untouched: ReturnType<typeof traces>;
const traces = () => ({
  namespaces: execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }),
  links: execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).replace(/state \S+.*/g, ''),
  tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }),
});
const vm = (name: string): NestedVm => host.vm(name);

before(
  async () => {
    untouched = traces();
    scenario = await loadScenario('vlans');
    platform = await startLonePlatform();
    host = await startNestedHost({
      name: NAME,
      scenario,
      dir: join(platform.home, 'n'),
      onProgress: (line) => process.stderr.write(`# ${line}\n`),
    });
  },
  { timeout: 600_000 },
);
after(
  async () => {
    await host?.stop();
    await platform?.stop();
    assert.deepEqual(traces(), untouched, 'this machine is as it was');
    if (platform) assert.deepEqual(processesWith(platform.home), [], 'no process is left');
  },
  { timeout: 60_000 },
);

function processesWith(text: string): string[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(text));
}

async function vms(): Promise<Map<string, VmView>> {
  const { items } = await platform.client.call('vms.list', { query: {} });
  return new Map(items.map((item) => [item.name, item]));
}

async function flowsOf(query: object): Promise<FlowView[]> {
  const { items } = await platform.client.call('flows.list', {
    query: { since: '10m', limit: 200, ...query },
  });
  return items;
}

async function connected(timeout: number): Promise<void> {
  await within(timeout, `${NAME} connected and as it should be`, async () => {
    const { hosts } = await platform.client.call('status.get');
    return hosts.connected === 1 && hosts.behind === 0 ? true : undefined;
  });
}

async function publish(message: string): Promise<void> {
  const { id } = await platform.client.call('publications.create', { body: { message } });
  await within(60_000, `${message}: published`, async () => {
    const { state } = await platform.client.call('publications.get', {
      params: { id: String(id) },
      query: { wait: 30 },
    });
    return state === 'published' ? true : undefined;
  });
}

test('the host is a stock one: systemd, AppArmor around every VM, a bridge that filters VLANs', async () => {
  assert.equal((await host.output(['cat', '/proc/1/comm'])).trim(), 'systemd');
  const confined = await host.output('for p in $(pgrep qemu-system); do cat /proc/$p/attr/current; done');
  assert.match(confined, /^(libvirt-[0-9a-f-]{36} \(enforce\)\n){4}$/);
  const filtering = await host.output(['cat', '/sys/class/net/br-trunk/bridge/vlan_filtering']);
  assert.equal(filtering.trim(), '1');
});

test('the engine joins over TCP with a one-time token, as a unit', { timeout: 120_000 }, async () => {
  const { token } = await platform.client.call('joinTokens.create', { body: { expiresInMinutes: 10 } });
  await installEngine(host, `https://10.0.2.2:${platform.linkPort}`, token);
  const { value } = await within(90_000, `${NAME} connected`, async () => {
    const { items } = await platform.client.call('hosts.list', { query: {} });
    return items.find((item) => item.name === NAME && item.state === 'connected' && item.facts?.libvirtUp);
  });
  assert.match(value.facts?.kernel ?? '', /^6\.1\..*amd64/);
  assert.match(value.facts?.libvirt ?? '', /^9\./);
  const cpus = Number(await host.output(['nproc']));
  assert.deepEqual([value.facts?.hostname, value.facts?.cpus], [NAME, cpus]);
});

test('four VMs with two ranges that are one: told apart by network', { timeout: 60_000 }, async () => {
  const { value: seen } = await within(30_000, 'all VMs with their addresses', async () => {
    const now = await vms();
    return [...now.values()].every((v) => (v.nics[0]?.addresses.length ?? 0) >= 2) && now.size === 4
      ? now
      : undefined;
  });
  const network = (name: string) => seen.get(name)?.nics[0]?.network;
  for (const [tenant, vlan] of [
    ['acme', 10],
    ['globex', 20],
  ] as const)
    for (const [letter, address] of [
      ['a', A],
      ['b', B],
    ] as const) {
      const v = seen.get(`${tenant}-${letter}`);
      assert.deepEqual(
        [v?.state, v?.nics[0]?.bridge, v?.nics[0]?.vlan],
        ['running', 'br-trunk', vlan],
        `${tenant}-${letter}`,
      );
      const ips = v?.nics[0]?.addresses.map((a) => a.ip) ?? [];
      assert.ok(ips.includes(address.v4) && ips.includes(address.v6), ips.join(' '));
    }
  assert.ok(network('acme-a') && network('globex-a'));
  assert.equal(network('acme-a'), network('acme-b'));
  assert.equal(network('globex-a'), network('globex-b'));
  assert.notEqual(network('acme-a'), network('globex-a'));
});

test('observed, nothing is changed: what one VLAN says stays in it', { timeout: 60_000 }, async () => {
  assert.equal(await connectFrom(vm('acme-b'), A.v4, 7), 'open');
  const { value } = await within(20_000, 'the flow', async () =>
    (await flowsOf({ from: ['acme-b'], port: ['7'] })).find((f) => f.verdict === 'observed'),
  );
  assert.deepEqual([value.src.name, value.dst.name], ['acme-b', 'acme-a']);
});

test('published and enforced, with a receipt', { timeout: 90_000 }, async () => {
  const documents = scenario.policies.flatMap((file) => {
    const parsed = parseDocuments(readFileSync(file, 'utf8'));
    assert.deepEqual(parsed.errors.map(formatDetail), []);
    return parsed.documents;
  });
  await platform.client.call('documents.apply', { query: { reason: 'test' }, body: { documents } });
  await publish('two tenants');
  await platform.client.call('enforcement.put', { body: { scope: 'host', name: NAME, mode: 'enforce' } });
  await within(60_000, 'all VMs enforced', async () =>
    [...(await vms()).values()].every((v) => v.protection === 'enforced') ? true : undefined,
  );
  await connected(30_000);
  assert.deepEqual(
    [...(await vms()).values()].map((v) => [v.name, v.tenant]).sort(),
    ['acme-a', 'acme-b', 'globex-a', 'globex-b'].map((name) => [name, name.split('-')[0]]),
  );
});

// Two at a time: neighbours in the list are of different tenants, and most of it is waiting for what does not come.
describe('each tenant has its own policy, at the same addresses', { concurrency: 2 }, () => {
  const cases: [string, string, number, string, string][] = [
    ['acme-b', A.v4, 80, 'open', 'both allow it'],
    ['globex-b', A.v4, 80, 'open', 'both allow it'],
    ['acme-b', A.v6, 80, 'open', 'by IPv6 too'],
    ['globex-b', A.v6, 80, 'open', 'by IPv6 too'],
    ['acme-b', A.v4, 7, 'timeout', "acme's web servers do not take it"],
    ['globex-b', A.v4, 7, 'open', "globex's do"],
    ['acme-b', A.v6, 7, 'timeout', "acme's web servers do not take it"],
    ['globex-b', A.v6, 7, 'open', "globex's do"],
  ];
  for (const [from, to, port, outcome, why] of cases)
    test(`${from} → ${to} ${port}: ${outcome} (${why})`, { timeout: 40_000 }, async () => {
      assert.equal(await connectFrom(vm(from), to, port), outcome);
    });
  test('ICMP is in neither policy', { timeout: 40_000 }, async () => {
    assert.equal(await pingFrom(vm('acme-b'), A.v4, 1), 0);
  });
});

test('flows carry the names, tenant, network and rule of their own VLAN', { timeout: 60_000 }, async () => {
  const seen = await vms();
  const networks = new Map(TENANTS.map((t) => [t, seen.get(`${t}-a`)?.nics[0]?.network]));
  for (const tenant of TENANTS)
    for (const address of [A.v4, A.v6]) {
      const { value } = await within(20_000, `${tenant}'s flow to ${address}`, async () =>
        (await flowsOf({ from: [`${tenant}-b`], port: ['80'] })).find(
          (f) => f.dst.ip === address && f.verdict === 'allowed',
        ),
      );
      assert.deepEqual(
        [value.src.name, value.dst.name, value.src.tenant, value.dst.tenant, value.ruleIn],
        [`${tenant}-b`, `${tenant}-a`, tenant, tenant, `${tenant}/web/web-in`],
      );
      assert.equal(value.network, networks.get(tenant));
    }
  for (const address of [A.v4, A.v6]) {
    const { value } = await within(20_000, `the refused flow to ${address}`, async () =>
      (await flowsOf({ from: ['acme-b'], port: ['7'], verdict: ['dropped'] })).find(
        (f) => f.dst.ip === address,
      ),
    );
    assert.deepEqual([value.dst.name, value.ruleIn], ['acme-a', 'acme/web/rest']);
  }
  const all = await flowsOf({});
  assert.ok(all.length > 0);
  for (const flow of all)
    assert.ok(
      !flow.src.tenant || !flow.dst.tenant || flow.src.tenant === flow.dst.tenant,
      JSON.stringify(flow),
    );
  assert.deepEqual(await flowsOf({ from: ['globex-b'], port: ['7'], verdict: ['dropped'] }), []);
});

test("a tenant's new rule is in force in its own VLAN alone", { timeout: 90_000 }, async () => {
  const stored = await platform.client.call('policies.get', {
    params: { name: 'web' },
    query: { tenant: 'globex' },
  });
  const spec = stored.spec as { rules: { name: string; services?: string[] }[] };
  const rules = spec.rules.map((rule) => (rule.name === 'web-in' ? { ...rule, services: ['tcp/7'] } : rule));
  const document = {
    apiVersion: 'wocloud/v1',
    kind: 'Policy',
    metadata: { name: 'web', tenant: 'globex' },
    spec: { ...spec, rules },
  };
  await platform.client.call('documents.apply', { query: {}, body: { documents: [document] as never } });
  await publish('globex closes tcp/80');
  const clients = ['globex-b', 'acme-b'];
  assert.deepEqual(
    await Promise.all(clients.flatMap((from) => [A.v4, A.v6].map((to) => connectFrom(vm(from), to, 80)))),
    ['timeout', 'timeout', 'open', 'open'],
  );
});

test(
  'a guest that sends VLAN tags reaches nobody, and the alert names it',
  { timeout: 180_000 },
  async () => {
    const others = ['acme-b', 'globex-a', 'globex-b'];
    const ears = await Promise.all(others.map((name) => listenIn(vm(name))));
    const seen = await vms();
    await sayTagged(
      vm('acme-a'),
      [A.v4, A.v6],
      others.map((name) => seen.get(name)?.nics[0]?.mac ?? ''),
    );
    // The proof that they were listening: what may be said is heard, in its own VLAN.
    await askHonestly(vm('acme-a'), A.v4, B.v4, 'acme');
    await askHonestly(vm('globex-a'), A.v4, B.v4, 'glob');
    const heard = await Promise.all(ears.map((ear) => ear.heard()));
    assert.deepEqual(Object.fromEntries(others.map((name, i) => [name, heard[i]])), {
      'acme-b': ['acme'],
      'globex-a': [],
      'globex-b': ['glob'],
    });
    const { value } = await within(20_000, 'the alert', async () => {
      const { items } = await platform.client.call('alerts.list', { query: { kind: 'spoof.vlan' } });
      return items[0];
    });
    assert.deepEqual([value.vmName, value.tenant, value.hostName], ['acme-a', 'acme', NAME]);
    assert.match(value.title, /acme-a sent a VLAN tag/);
  },
);

/** The policies as they are in force now, measured in the guests. */
async function works(): Promise<void> {
  assert.deepEqual(
    await Promise.all([connectFrom(vm('acme-b'), A.v4, 80), connectFrom(vm('globex-b'), A.v6, 80)]),
    ['open', 'timeout'],
  );
}

async function stands(rules: readonly string[]): Promise<void> {
  assert.ok(rules.length > 100);
  const now = await rulesOf(host);
  const at = now.findIndex((line, index) => line !== rules[index]);
  assert.ok(at < 0 && now.length === rules.length, `was ${rules[at]}\n is ${now[at]}`);
}

test(
  'killed with -9, the rules stand untouched, and systemd brings it back',
  { timeout: 180_000 },
  async () => {
    const [rules, pid] = [await rulesOf(host), await pidOf(host)];
    const changes = await watchRules(host);
    await host.output(['systemctl', 'kill', '--kill-who=main', '--signal=KILL', 'wocloud-engine']);
    await stands(rules);
    await works();
    await within(60_000, 'another process', async () => {
      const now = await pidOf(host);
      return now !== pid && now !== 0 ? true : undefined;
    });
    // On a slow host the platform speaks before libvirt does: neither may make it write anything.
    await within(90_000, 'the rules taken over', async () => {
      const { items } = await platform.client.call('hosts.list', { query: {} });
      return items[0]?.counters['filter.adopted'] === 1 ? true : undefined;
    });
    await connected(30_000);
    assert.deepEqual(await changes(), []);
    await stands(rules);
    await works();
  },
);

test('stopped, its rules go on standing', { timeout: 90_000 }, async () => {
  const rules = await rulesOf(host);
  await host.output(['systemctl', 'stop', 'wocloud-engine'], { timeout: 60_000 });
  const state = await host.exec(['systemctl', 'show', '--value', '-p', 'Result', 'wocloud-engine']);
  assert.equal(state.stdout.trim(), 'success');
  await stands(rules);
  await works();
});

test('removed, nothing of it is left, and everything passes as before', { timeout: 90_000 }, async () => {
  const left = await removeEngine(host);
  assert.deepEqual(left, { tables: [], switches: [] });
  assert.equal(await connectFrom(vm('acme-b'), A.v4, 7), 'open');
  assert.equal(await connectFrom(vm('globex-b'), A.v6, 80), 'open');
});
