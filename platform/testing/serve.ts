// The test platform as a program: the whole platform on throw-away stores, and an engine that reports VMs, applies what
// is desired, and reports what it is told, a line each:
//   connect <from> <to> <port> <verdict> [rule]     a connection, or a refused packet
//   alert <from> <to> <port> <sid> <title…>         a signature that matched
//   gateway <gateway>/<number> <state> [reason…]    the one gateway instance there is
// Prints {"url", "user", "password"} once it serves; ends with its standard input.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { VERDICTS, type FlowRecord, type Verdict } from '@wocloud/protocol/flow.ts';
import type { Down } from '@wocloud/protocol/link.ts';
import { INSTANCE_STATES, type ObservedVm } from '@wocloud/protocol/reports.ts';
import { fakeEvent, fakeInstance } from './fake-engine.ts';
import { startTestPlatform } from './platform.ts';

const NAMES = ['web-1', 'web-2', 'app-1', 'db-1', 'mallory'];
const VMS = NAMES.map(observed);

function observed(name: string, i: number): ObservedVm {
  return {
    id: `00000000-0000-4000-8000-00000000000${i}`,
    name,
    title: '',
    state: 'running',
    vcpus: 1,
    memoryKiB: 524_288,
    tenant: null,
    labels: { app: name.replace(/-\d+$/, '') },
    nics: [
      {
        mac: `52:54:00:00:01:0${i}`,
        model: 'virtio',
        link: 'bridge',
        source: 'br0',
        bridge: 'br0',
        vlan: null,
        tap: `wo${i}`,
        addresses: [{ ip: `10.1.0.${10 + i}`, source: 'lease' }],
        protection: 'observed',
        reason: '',
      },
    ],
  };
}

const end = (name: string) => {
  const vm = VMS.find((v) => v.name === name);
  if (!vm) throw new Error(`${name} is none of ${NAMES.join(', ')}`);
  return { vm: vm.id, ip: vm.nics[0]?.addresses[0]?.ip ?? '' };
};

/** A connection (or a refused packet) that begins now. */
function flow(
  serial: number,
  from: string,
  to: string,
  port: number,
  verdict: Verdict,
  rule: string,
): FlowRecord {
  const now = Date.now() * 1000;
  const refused = verdict === 'dropped' || verdict === 'rejected';
  return {
    time: now,
    kind: refused ? 'drop' : 'start',
    flow: BigInt(serial),
    start: now,
    end: refused ? now : 0,
    network: '',
    point: 'both',
    srcVm: end(from).vm,
    dstVm: end(to).vm,
    src: end(from).ip,
    dst: end(to).ip,
    protocol: 6,
    sport: 40_000 + serial,
    dport: port,
    packetsOut: 1,
    packetsIn: refused ? 0 : 1,
    bytesOut: 60,
    bytesIn: refused ? 0 : 60,
    verdict,
    ruleOut: '',
    ruleIn: rule,
    stagedVerdict: 'none',
    stagedRule: '',
  };
}

const dir = await mkdtemp(join(tmpdir(), 'woc-serve-'));
const passwordFile = join(dir, 'admin-password');
const platform = await startTestPlatform({ firstAdmin: passwordFile });
const engine = await platform.engine('kvm-1', VMS);
const prove = (message: Down) => {
  if (message.type === 'desired') engine.receipt({ generation: message.state.generation });
  if (message.type === 'delta') engine.receipt({ generation: message.delta.generation });
};
engine.on('down', prove);
// What came before anyone listened has to be proven as well.
engine.received.forEach(prove);
const password = (await readFile(passwordFile, 'utf8')).trim();
console.log(JSON.stringify({ url: platform.url, user: 'admin', password }));

let serial = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.trim().split(/\s+/);
  if (!tell(command, words)) console.error(`not understood: ${line}`);
}
await platform.close();
await rm(dir, { recursive: true, force: true });

function tell(command: string | undefined, words: readonly string[]): boolean {
  const [first = '', second = '', third = '', fourth = '', ...rest] = words;
  serial += 1;
  switch (command) {
    case 'connect': {
      const verdict = VERDICTS.find((v) => v === fourth);
      if (!verdict) return false;
      engine.flows([flow(serial, first, second, Number(third), verdict, rest[0] ?? '')]);
      return true;
    }
    case 'alert': {
      const [from, to] = [end(first), end(second)];
      const ends = { srcVm: from.vm, dstVm: to.vm, src: from.ip, dst: to.ip, dport: Number(third) };
      const signature = Number(fourth);
      engine.inspection([
        fakeEvent({ ...ends, flow: BigInt(serial), signature, title: rest.join(' '), priority: 1 }),
      ]);
      return true;
    }
    case 'gateway': {
      const state = INSTANCE_STATES.find((s) => s === second);
      if (!state) return false;
      engine.gateways([fakeInstance({ id: first, state, reason: words.slice(2).join(' ') })]);
      return true;
    }
    default:
      return false;
  }
}
