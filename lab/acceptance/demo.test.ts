// The main job on real VMs, through CLI and API: seen, decided, proven, healed. One lab for all of it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { FlowView, VmView } from '@wocloud/protocol/views.ts';
import { bridgeName } from '../identity.ts';
import { connectFrom, echoFrom, pingFrom } from './probe.ts';
import { follow, startStack, within, type Stack } from './stack.ts';

let stack: Stack;
const traces = () => ({
  namespaces: execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }),
  links: execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).replace(/state \S+.*/g, ''),
  tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }),
});
let untouched: ReturnType<typeof traces>;

before(
  async () => {
    untouched = traces();
    stack = await startStack('demo');
  },
  { timeout: 600_000 },
);
after(
  async () => {
    if (!stack) return;
    const { home } = stack;
    const result = await stack.down();
    assert.equal(result.code, 0, result.err);
    assert.deepEqual(traces(), untouched, 'down leaves the machine as it was');
    assert.equal(spawnSync('pgrep', ['-f', home], { encoding: 'utf8' }).stdout, '', 'no process is left');
  },
  { timeout: 120_000 },
);

const vm = (name: string) => stack.lab.vm(name);
const seen = (id: string) => stack.client.call('vms.get', { params: { id } });
const allEnforced = (vms: VmView[]) =>
  vms
    .filter((v) => v.protection === 'enforced')
    .map((v) => v.name)
    .sort();

/** Newest flow to this address and port from this VM, as the API tells it. */
async function flowOf(query: object): Promise<FlowView | undefined> {
  const { items } = await stack.client.call('flows.list', { query: { since: '5m', limit: 50, ...query } });
  return items[0];
}

test(
  'up ends with a platform that says all is well, and doing it again changes nothing',
  { timeout: 120_000 },
  async () => {
    const status = await stack.cli(['status', '--wait']);
    assert.equal(status.code, 0, status.out + status.err);
    const boot = await vm('web-1').ready();
    const began = performance.now();
    const again = await stack.up();
    assert.equal(again.code, 0, again.err);
    assert.ok(performance.now() - began < 60_000);
    assert.match(again.out, new RegExp(`Console +${stack.url}`));
    assert.equal(await vm('web-1').ready(), boot, 'the VMs were not restarted');
  },
);

test('every VM of the lab is listed with tenant, labels, addresses and protection', async () => {
  const { items } = await stack.client.call('vms.list', { query: {} });
  assert.deepEqual(items.map((v) => v.name).sort(), [...stack.lab.vms.keys()].sort());
  assert.deepEqual(allEnforced(items), [...stack.lab.vms.keys()].sort());
  const web = items.find((v) => v.name === 'web-1');
  assert.deepEqual([web?.tenant, web?.labels['app'], web?.state], ['acme', 'web', 'running']);
  const addresses = web?.nics.flatMap((n) => n.addresses.map((a) => a.ip)) ?? [];
  assert.ok(addresses.includes('10.10.0.11') && addresses.includes('10.20.0.11'), addresses.join(' '));
});

test('what virsh does is in the API within a second', { timeout: 60_000 }, async () => {
  const globexLan = stack.lab.scenario.networks.find((n) => n.name === 'globex-lan');
  assert.ok(globexLan);
  const id = 'aaaaaaaa-0000-4000-8000-00000000beef';
  const xml = `<domain type='qemu'><name>by-hand</name><uuid>${id}</uuid><memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os><features><acpi/></features></domain>`;
  const virsh = (...args: string[]) =>
    execFileSync('virsh', ['-q', '-c', `qemu+unix:///system?socket=${stack.lab.host.socket}`, ...args], {
      encoding: 'utf8',
    });
  const state = (wanted: string) =>
    within(1_000, `by-hand ${wanted}`, async () => ((await seen(id)).state === wanted ? true : undefined));
  const file = `${stack.home}/by-hand.xml`;
  execFileSync('tee', [file], { input: xml, stdio: ['pipe', 'ignore', 'inherit'] });
  virsh('define', file);
  await state('shutoff');
  virsh('start', 'by-hand');
  await state('running');
  virsh('suspend', 'by-hand');
  await state('paused');
  virsh(
    'attach-interface',
    'by-hand',
    'bridge',
    bridgeName(globexLan),
    '--mac',
    '52:54:00:be:ef:01',
    '--live',
  );
  await within(1_000, 'attached NIC', async () =>
    (await seen(id)).nics.find((n) => n.mac === '52:54:00:be:ef:01'),
  );
  virsh('destroy', 'by-hand');
  await state('shutoff');
  virsh('undefine', 'by-hand');
  await within(1_000, 'by-hand gone', async () => {
    const answer = await stack.client.call('vms.list', { query: { q: 'by-hand' } });
    return answer.items.length === 0 ? true : undefined;
  });
});

test(
  'a connection is on "flows -f" within 2 s, with names, verdict and rule',
  { timeout: 60_000 },
  async () => {
    const live = follow(stack, ['flows', '-f', '--from', 'lb-1', '--port', '8080']);
    try {
      const start = live.lines.length;
      const began = Date.now();
      assert.equal(await connectFrom(vm('lb-1'), '10.10.0.11', 8080), 'open');
      const { value } = await within(4_000, 'the flow on the terminal', async () =>
        live.lines.slice(start).find((l) => l.at >= began && l.text.includes('start')),
      );
      assert.match(value.text, /acme.*lb-1 → web-1:8080 tcp.*acme\/web\/from-lb/);
      assert.ok(
        value.at - began < 2_000 + 1_500,
        `${value.at - began} ms, the guest's own start of python included`,
      );
    } finally {
      live.stop();
    }
  },
);

test('bytes and packets of a flow are what the guest counted', { timeout: 90_000 }, async () => {
  const counted = await echoFrom(vm('db-1'), '10.20.0.12', 700);
  assert.equal(counted.answers, 20);
  const { value } = await within(15_000, 'the flow with all its packets', async () => {
    const { items } = await stack.client.call('flows.list', {
      query: { from: ['db-1'], port: ['7'], since: '2m', limit: 50 },
    });
    return items.find((f) => f.src.port === counted.port && f.packetsIn === 20);
  });
  assert.deepEqual(
    [value.packetsOut, value.packetsIn, value.bytesOut, value.bytesIn],
    [20, 20, counted.sent + 20 * 28, counted.received + 20 * 28],
  );
});

describe('the policies work as written, measured inside the guests', () => {
  const cases: [string, string, number, string, string][] = [
    ['lb-1', '10.10.0.11', 8080, 'open', 'allowed by acme/web/from-lb'],
    ['lb-1', 'fd10:10::11', 80, 'open', 'IPv6'],
    ['web-1', '10.20.0.13', 5432, 'open', 'web to its database'],
    ['lb-1', '10.10.0.12', 8080, 'timeout', 'only web may reach app'],
    ['shop-1', '10.10.0.11', 443, 'open', 'both tenants say so'],
    ['attacker-1', '10.10.0.12', 8080, 'timeout', 'between tenants nothing passes'],
    ['attacker-1', 'fd10:10::12', 8080, 'timeout', 'nor by IPv6'],
    ['shop-1', '10.20.0.13', 5432, 'open', "the overlapping address is globex's own database"],
    ['app-1', '10.20.0.13', 22, 'timeout', "app's own rules drop it before db could refuse it"],
  ];
  for (const [from, to, port, outcome, why] of cases)
    test(`${from} → ${to} ${port}: ${outcome} (${why})`, { timeout: 30_000 }, async () => {
      assert.equal(await connectFrom(vm(from), to, port), outcome);
    });
  test('ICMP follows the rules too', { timeout: 30_000 }, async () => {
    assert.equal(await pingFrom(vm('web-1'), '10.10.0.10'), 2);
    assert.equal(await pingFrom(vm('attacker-1'), '10.10.0.12'), 0);
  });
  test('the refused are shown with the rule that refused them', { timeout: 30_000 }, async () => {
    await connectFrom(vm('app-1'), '10.20.0.13', 22);
    const { value } = await within(5_000, 'the refused flow', () =>
      flowOf({ from: ['app-1'], port: ['22'], verdict: ['rejected', 'dropped'] }),
    );
    assert.ok(['rejected', 'dropped'].includes(value.verdict));
    assert.match(value.rule, /^acme\/(app|db)\//);
  });
});

test(
  'a published change holds in the kernel before publish returns, and rollback takes it back',
  { timeout: 120_000 },
  async () => {
    const web = (await stack.cli(['get', 'policies', 'web', '-t', 'acme', '-o', 'yaml'])).out;
    const closed = web.replace(/\n *- tcp\/443(?=\n)/, '');
    assert.notEqual(closed, web);
    assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open');
    const diff = await stack.cli(['diff', '-f', '-'], { input: closed });
    assert.equal(diff.code, 1, diff.err);
    assert.match(diff.out, /^- +- tcp\/443/m);
    assert.equal((await stack.cli(['apply', '-f', '-'], { input: closed })).code, 0);
    assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open', 'a draft changes nothing');
    const published = await stack.cli(['publish', '-m', 'close https']);
    assert.equal(published.code, 0, published.err + published.out);
    assert.match(published.out, /lab-1 +applied/);
    assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'timeout');
    const back = await stack.cli(['rollback', '--yes']);
    assert.equal(back.code, 0, back.err + back.out);
    assert.equal(await connectFrom(vm('shop-1'), '10.10.0.11', 443), 'open');
  },
);

test('reject is refused at once', { timeout: 60_000 }, async () => {
  const app = (await stack.cli(['get', 'policies', 'app', '-t', 'acme', '-o', 'yaml'])).out;
  const wider = app.replace(/\n *services:\n *- tcp\/5432(?=\n)/, '');
  assert.notEqual(wider, app);
  assert.equal((await stack.cli(['apply', '-f', '-'], { input: wider })).code, 0);
  assert.equal((await stack.cli(['publish', '-m', 'app may try anything on db'])).code, 0);
  const began = performance.now();
  assert.equal(await connectFrom(vm('app-1'), '10.20.0.13', 22), 'refused');
  assert.ok(performance.now() - began < 2_500);
  assert.equal(await connectFrom(vm('app-1'), 'fd10:20::13', 22), 'refused');
  assert.equal((await stack.cli(['rollback', '--yes'])).code, 0);
  assert.equal(await connectFrom(vm('app-1'), '10.20.0.13', 22), 'timeout');
});

test('trace agrees with what the packet then does', { timeout: 60_000 }, async () => {
  for (const [src, dst, service, verdict] of [
    ['lb-1', 'web-1', 'tcp/443', 'allowed'],
    ['attacker-1', 'app-1', 'tcp/8080', 'dropped'],
    ['app-1', 'db-1', 'tcp/22', 'dropped'],
  ] as const) {
    const trace = await stack.client.call('trace.create', { body: { src, dst, service } });
    assert.equal(trace.verdict, verdict, JSON.stringify(trace));
  }
});

test('rules deleted by hand are back within 10 s, and an alert says so', { timeout: 60_000 }, async () => {
  await stack.lab.host.run(['nft', 'delete', 'table', 'inet', 'wocloud']);
  await within(10_000, 'the table', async () => {
    const tables = await stack.lab.host.run(['nft', 'list', 'tables']);
    return tables.includes('table inet wocloud') ? true : undefined;
  });
  const { value } = await within(
    10_000,
    'the alert',
    async () => (await stack.client.call('alerts.list', { query: { kind: 'firewall.drift' } })).items[0],
  );
  assert.equal(value.hostName, 'lab-1');
  assert.equal(await connectFrom(vm('attacker-1'), '10.10.0.12', 8080), 'timeout');
});

test('a forged sender gets nothing through, and the alert names it', { timeout: 90_000 }, async () => {
  const forge = `
from scapy.all import *
conf.verb = 0
nic = conf.iface
mac = get_if_hwaddr(nic)
web = '52:54:00:00:00:01'
sendp(Ether(src='02:11:22:33:44:55', dst='ff:ff:ff:ff:ff:ff')/IP(src='10.10.0.66', dst='10.10.0.11')/UDP(dport=9), iface=nic)
sendp(Ether(src=mac, dst='ff:ff:ff:ff:ff:ff')/IP(src='10.10.0.12', dst='10.10.0.11')/UDP(dport=9), iface=nic)
sendp(Ether(src=mac, dst='ff:ff:ff:ff:ff:ff')/ARP(op=2, hwsrc=mac, psrc='10.10.0.11', pdst='10.10.0.10'), iface=nic)
sendp(Ether(src=mac, dst='33:33:00:00:00:01')/IPv6(src='fe80::1', dst='ff02::1')/ICMPv6ND_RA(), iface=nic)
`;
  await vm('attacker-1').output(['python3', '-c', forge], { timeout: 60_000 });
  const kinds = ['spoof.mac', 'spoof.ipv4', 'spoof.arp', 'spoof.ra'];
  await within(10_000, kinds.join(', '), async () => {
    const { items } = await stack.client.call('alerts.list', { query: { vm: 'attacker-1', limit: 100 } });
    return kinds.every((k) => items.some((a) => a.kind === k)) ? true : undefined;
  });
});

describe('killed with -9, it loses nothing and heals', () => {
  const pidOf = (name: string) => {
    const states = JSON.parse(
      execFileSync('curl', ['-s', '--unix-socket', `${stack.home}/run/supervisor.sock`, 'http://x/'], {
        encoding: 'utf8',
      }),
    ) as { name: string; pid: number }[];
    return states.find((s) => s.name === name)?.pid ?? 0;
  };
  const engineProgram = () =>
    Number(execFileSync('pgrep', ['-nf', `engine/main.ts.*${stack.home}`], { encoding: 'utf8' }).trim());
  const postmaster = () =>
    Number(readFileSync(`${stack.home}/postgres/data/postmaster.pid`, 'utf8').split('\n')[0]);
  const connected = (timeout: number) =>
    within(timeout, 'a settled host', async () => {
      const { hosts } = await stack.client.call('status.get');
      return hosts.connected === 1 && hosts.behind === 0 ? true : undefined;
    });
  const works = async () => {
    assert.equal(await connectFrom(vm('lb-1'), '10.10.0.11', 8080), 'open');
    assert.equal(await connectFrom(vm('lb-1'), '10.10.0.12', 8080), 'timeout');
  };
  test('the engine: rules stand while it is away, and it comes back', { timeout: 60_000 }, async () => {
    process.kill(engineProgram(), 'SIGKILL');
    await works();
    await connected(20_000);
    await connectFrom(vm('lb-1'), '10.10.0.11', 8080);
    await within(5_000, 'flows again', () => flowOf({ from: ['lb-1'], port: ['8080'], since: '5s' }));
  });
  test('PostgreSQL: the API says unavailable, then goes on', { timeout: 60_000 }, async () => {
    process.kill(postmaster(), 'SIGKILL');
    await within(30_000, 'the API', async () => ((await stack.client.call('status.get')) ? true : undefined));
    await connected(20_000);
    await works();
  });
  test('the platform', { timeout: 60_000 }, async () => {
    process.kill(pidOf('platform'), 'SIGKILL');
    await connected(30_000);
    await works();
  });
  test('libvirtd', { timeout: 60_000 }, async () => {
    process.kill(stack.lab.host.libvirtd.pid as number, 'SIGKILL');
    await within(30_000, 'libvirt again', async () => {
      const { items } = await stack.client.call('hosts.list', { query: {} });
      return items[0]?.facts?.libvirtUp ? true : undefined;
    });
    await works();
  });
});
