// Trace against the packet: random pairs of VMs, services and address families, asked of the platform and then tried
// by the guests, with a sniffer at every end as the witness.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmView } from '@wocloud/protocol/views.ts';
import { readFrame } from '@wocloud/policy/testing/frames.ts';
import type { Stack } from '../stack.ts';
import { published } from './published.ts';
import { Sniffer } from './sniffer.ts';

const PAIRS = 200;
const SEED = 20_150_154;
const SERVICES = [
  'tcp/22',
  'tcp/80',
  'tcp/443',
  'tcp/5201',
  'tcp/5432',
  'tcp/7',
  'tcp/8080',
  'udp/53',
  'udp/7',
  'icmp/8',
] as const;

/** Beside the demo's strict policies, so that each verdict is met often, by either side's rule and by the defaults. */
const MIXED = ['acme', 'globex'].map((tenant) => ({
  apiVersion: 'wocloud/v1',
  kind: 'Policy',
  metadata: { name: 'mixed', tenant },
  spec: {
    tier: 'tenant',
    priority: 1,
    mode: 'enforce',
    appliesTo: 'all',
    rules: [
      { name: 'out', direction: 'out', action: 'allow', services: ['tcp/1-5300', 'udp', 'icmp', 'icmpv6'] },
      { name: 'no-shells', direction: 'in', action: 'reject', services: ['tcp/22', 'udp/53'] },
      { name: 'echo', direction: 'in', action: 'allow', services: ['tcp/7', 'udp/7', 'icmp/8'] },
      { name: 'own', direction: 'in', action: 'allow', from: [{ tenant }], services: ['tcp/5201', 'icmpv6'] },
      {
        name: 'others',
        direction: 'in',
        action: 'reject',
        from: [{ cidr: '10.10.0.0/26' }],
        services: ['tcp/80'],
      },
    ],
  },
}));

interface Probe {
  /** Source port, or identifier of the echo: tells the probes apart at both ends. */
  id: number;
  src: string;
  dst: string;
  network: string;
  service: string;
  from: string;
  to: string;
}

/** Tries each probe at once, each from its own source port; prints id → open, refused or silent. */
const TRY = `
import concurrent.futures, errno, json, socket, struct, sys
probes = json.load(sys.stdin)
WAIT = 4

def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def attempt(p):
    six = ':' in p['to']
    family = socket.AF_INET6 if six else socket.AF_INET
    kind, _, port = p['service'].partition('/')
    try:
        if kind == 'tcp':
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((p['from'], p['id'])); s.settimeout(WAIT)
            s.connect((p['to'], int(port)))
            return 'open'
        if kind == 'udp':
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind((p['from'], p['id'])); s.settimeout(1)
            s.connect((p['to'], int(port)))
            # Refusals are answered at a limited rate (RFC 4443, 2.4 f): who asks again is told.
            for _ in range(8):
                s.send(b'probe')
                try:
                    s.recv(100)
                    return 'open'
                except (TimeoutError, socket.timeout): pass
            return 'silent'
        s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        s.bind((p['from'], 0)); s.settimeout(WAIT); s.connect((p['to'], 0))
        head = lambda c: struct.pack('!BBHHH', 128 if six else 8, 0, c, p['id'], 1)
        s.send(head(0 if six else checksum(head(0) + b'probe!')) + b'probe!')
        return 'sent'
    except (TimeoutError, socket.timeout): return 'silent'
    except OSError as e: return 'refused:' + errno.errorcode.get(e.errno, str(e))

with concurrent.futures.ThreadPoolExecutor(len(probes)) as pool:
    print(json.dumps(dict(zip([p['id'] for p in probes], pool.map(attempt, probes)))))
`;

/** Small, seeded: the same pairs each time, so that a failure can be looked at again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function probesOf(vms: VmView[], count: number): Probe[] {
  const next = random(SEED);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const ends = vms.flatMap((vm) =>
    vm.nics.flatMap((nic) =>
      nic.addresses
        .filter(({ ip }) => !ip.startsWith('fe80:'))
        .map(({ ip }) => ({ vm: vm.name, network: nic.network ?? '', ip, six: ip.includes(':') })),
    ),
  );
  const probes: Probe[] = [];
  while (probes.length < count) {
    const from = pick(ends);
    const to = pick(ends);
    if (from.vm === to.vm || from.network !== to.network || from.six !== to.six) continue;
    const picked = pick(SERVICES);
    const service = picked === 'icmp/8' && from.six ? 'icmpv6/128' : picked;
    const id = 21_000 + probes.length;
    probes.push({
      id,
      src: from.vm,
      dst: to.vm,
      network: from.network,
      service,
      from: from.ip,
      to: to.ip,
    });
  }
  return probes;
}

export function pairsTests(of: () => Stack): void {
  test(
    `trace says of ${PAIRS} random pairs what the packet then does, and the flow names the same rule`,
    { timeout: 300_000 },
    async () => {
      const documents = MIXED.map((d) => JSON.stringify(d)).join('\n---\n');
      await published(of(), documents, () => compare(of()));
    },
  );
}

async function compare({ client, lab }: Stack): Promise<void> {
  const { items } = await client.call('vms.list', { query: {} });
  const probes = probesOf(items, PAIRS);
  const traced = new Map<number, { verdict: string; rule: string; why: string }>();
  for (const { id, src, to, network, service } of probes)
    traced.set(id, await client.call('trace.create', { body: { src, dst: to, service, network } }));

  const sniffers = await Promise.all([...lab.vms.values()].map((vm) => Sniffer.start(vm)));
  const tried = new Map<number, string>();
  for (const vm of lab.vms.values()) {
    const own = probes.filter((p) => p.src === vm.name);
    if (own.length === 0) continue;
    const answer = await vm.output(['python3', '-c', TRY], {
      stdin: JSON.stringify(own),
      timeout: 60_000,
    });
    for (const [id, outcome] of Object.entries(JSON.parse(answer) as Record<string, string>))
      tried.set(Number(id), outcome);
  }
  const arrived = new Set<string>();
  for (const sniffer of sniffers)
    for (const frame of await sniffer.stop()) {
      const seen = readFrame(frame);
      if (seen) arrived.add(`${sniffer.vm.name} ${seen.protocol} ${seen.dst} ${seen.sport}`);
    }

  const wrong: string[] = [];
  const verdicts = new Map<string, number>();
  for (const probe of probes) {
    const { verdict, rule } = traced.get(probe.id) ?? { verdict: '?', rule: '' };
    const protocol = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 }[probe.service.split('/')[0] ?? ''];
    const came = arrived.has(`${probe.dst} ${protocol} ${probe.to} ${probe.id}`);
    const outcome = tried.get(probe.id) ?? '?';
    const did = came ? 'allowed' : outcome.startsWith('refused') ? 'rejected' : 'dropped';
    verdicts.set(did, (verdicts.get(did) ?? 0) + 1);
    if (did !== verdict)
      wrong.push(
        `${probe.src} (${probe.from}) → ${probe.dst} (${probe.to}) ${probe.service}: trace says ${verdict} by ${rule}, the packet was ${did} (${outcome})`,
      );
  }
  assert.deepEqual(wrong, []);
  for (const verdict of ['allowed', 'dropped', 'rejected'])
    assert.ok((verdicts.get(verdict) ?? 0) >= 20, JSON.stringify([...verdicts]));

  // The record of a probe names the rule that the trace named.
  const mismatched: string[] = [];
  for (const probe of probes.filter((p) => !p.service.startsWith('icmp')).slice(0, 60)) {
    const { verdict, rule } = traced.get(probe.id) ?? { verdict: '', rule: '' };
    const [protocol = '', port = ''] = probe.service.split('/');
    const { items: flows } = await client.call('flows.list', {
      query: {
        from: [probe.src],
        to: [probe.dst],
        port: [port],
        protocol: [protocol],
        since: '5m',
        limit: 500,
      },
    });
    const flow = flows.find((f) => f.src.port === probe.id && f.dst.ip === probe.to);
    if (flow?.verdict !== verdict || flow.rule !== rule)
      mismatched.push(
        `${probe.src} → ${probe.dst} ${probe.service} (${probe.to}): trace ${verdict} ${rule}, flow ${flow?.verdict} ${flow?.rule}`,
      );
  }
  assert.deepEqual(mismatched, []);
}
