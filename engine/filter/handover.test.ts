// Needs root: a bridge that is enforced while connections are under way on it. What the rules allow goes on, whichever
// end happens to speak next; what they refuse ends.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bridge, run, until } from '../flows/testing/namespace.ts';
import { isInside, runInside } from '../testing/namespaces.ts';
import {
  makeVm,
  rule,
  startFilter,
  stateDir,
  stateOf,
  type TestFilter,
  type TestVm,
} from '../testing/filter.ts';

let client: TestVm;
let server: TestVm;
let dir: string;
let filter: TestFilter;
const children: ChildProcess[] = [];
let generation = 10;

/** Pushes a number every 20 ms to whoever is connected. */
const PUSH = (port: number) => `
  import { createServer } from 'node:net';
  createServer((s) => { let n = 0; const timer = setInterval(() => s.write(n++ + '\\n'), 20); s.on('error', () => {}).on('close', () => clearInterval(timer)); })
    .listen(${port}, () => console.log('ready'));`;
/** Sends nothing, and says what comes. */
const LISTEN = (port: number, from: number) => `
  import { connect } from 'node:net';
  connect({ host: '10.0.0.2', port: ${port}, localPort: ${from} }).on('data', (d) => process.stdout.write(d)).on('error', () => {});`;
/** Answers a datagram when the next one comes, or never. */
const LATE = `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('udp4');
  let waiting;
  socket.on('message', (text, from) => {
    if (text.toString() === 'ask') waiting = from;
    else if (waiting) socket.send('answer', waiting.port, waiting.address);
  });
  socket.bind(53, () => console.log('ready'));`;
const ASK = `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('udp4');
  socket.on('message', (text) => console.log(text.toString()));
  socket.bind(40053, () => { socket.send('ask', 53, '10.0.0.2'); console.log('asked'); });`;

const ECHO = `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('udp4');
  socket.on('message', (text, from) => socket.send(text, from.port, from.address));
  socket.bind(7, () => console.log('ready'));`;
/** A datagram each 4 ms; told to end, it says how many were sent and never answered. */
const COUNT = `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('udp4');
  const missing = new Set();
  let sent = 0;
  socket.on('message', (text) => missing.delete(text.readUInt32BE(0)));
  socket.bind(40007, () => {
    console.log('ready');
    const timer = setInterval(() => {
      const text = Buffer.alloc(8);
      text.writeUInt32BE(sent);
      missing.add(sent++);
      socket.send(text, 7, '10.0.0.2');
    }, 4);
    process.on('SIGTERM', () => {
      clearInterval(timer);
      const began = Date.now();
      const done = setInterval(() => {
        if (missing.size > 0 && Date.now() < began + 2000) return;
        clearInterval(done);
        console.log(JSON.stringify({ sent, lost: missing.size }));
        socket.close();
      }, 10);
    });
  });`;

const heard = (child: ChildProcess): { count: number } => {
  const state = { count: 0 };
  child.stdout?.on('data', (text: Buffer) => (state.count += text.toString().split('\n').length - 1));
  return state;
};

if (isInside()) tests();
else test('a host in namespaces of its own', () => runInside(import.meta.filename));

function tests(): void {
  before(async () => {
    for (const n of ['iptables', 'ip6tables', 'arptables'])
      run(`tee /proc/sys/net/bridge/bridge-nf-call-${n}`, '0');
    bridge('br0');
    run('ip link set br0 address 02:00:00:00:00:b0');
    [client, server] = [makeVm(1), makeVm(2)];
    dir = stateDir();
    for (const port of [80, 81]) children.push(await server.guest.serve(PUSH(port)));
    children.push(await server.guest.serve(LATE));
    filter = await startFilter(dir, [client, server]);
  });
  after(async () => {
    await filter.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  });

  test('enforcing lets what is allowed go on from either end, and ends the rest', async () => {
    const rules = [
      rule('acme/web/http', 'allow', 80),
      {
        ...rule('acme/web/dns', 'allow'),
        services: [{ protocol: 17, ports: [[53, 53] as [number, number]], icmpTypes: null }],
      },
    ];
    const vms = [client, server];
    await filter.want(stateOf(1, vms, rules, 'observe'));
    const [allowed, refused] = (await Promise.all(
      [80, 81].map((port) => client.guest.serve(LISTEN(port, 40_000 + port))),
    )) as [ChildProcess, ChildProcess];
    const asking = await client.guest.serve(ASK);
    children.push(allowed, refused, asking);
    const [pushed, stopped, answered] = [heard(allowed), heard(refused), heard(asking)];
    const tuple = { bridge: 'br0', vlan: null, src: '10.0.0.1', dst: '10.0.0.2', isCertain: true };
    const back = { ...tuple, src: '10.0.0.2', dst: '10.0.0.1', isCertain: false };
    filter.underWay = [
      { ...tuple, protocol: 6, sport: 40_080, dport: 80 },
      { ...tuple, protocol: 6, sport: 40_081, dport: 81 },
      // Of a datagram it cannot be known who began.
      { ...back, protocol: 17, sport: 53, dport: 40_053 },
    ];
    await filter.want(stateOf(2, vms, rules));
    assert.equal(filter.enforcer.counters['filter.handedOver'], 2);
    const before = pushed.count;
    await until('the push goes on', () => pushed.count > before + 20, 3_000);
    const silent = stopped.count;
    await client.guest.script(
      `import { createSocket } from 'node:dgram'; const s = createSocket('udp4'); s.send('now', 53, '10.0.0.2', () => s.close());`,
    );
    await until('the answer', () => answered.count > 0, 3_000);
    assert.ok(stopped.count <= silent + 1, 'what no rule allows is silent');
    assert.match(run('conntrack -L -p tcp --orig-port-dst 80'), /ESTABLISHED .*mark=[1-9]/);
  });

  test('enforced, observed and enforced again, a connection still goes on', async () => {
    const vms = [client, server];
    const rules = [rule('acme/web/http', 'allow', 80)];
    const [, , , allowed] = children as [ChildProcess, ChildProcess, ChildProcess, ChildProcess];
    const pushed = heard(allowed);
    await filter.want(stateOf(3, vms, rules, 'observe'));
    const observed = pushed.count;
    await until('pushes nobody tracks', () => pushed.count > observed + 20, 3_000);
    await filter.want(stateOf(4, vms, rules));
    const before = pushed.count;
    await until('the push goes on', () => pushed.count > before + 20, 3_000);
  });

  for (const [what, leaves] of [
    ['both ends', () => true],
    ['one of two ends', (i: number) => i === 0],
  ] as const)
    test(`enforced and observed ten times, ${what}: of a steady exchange not one datagram is lost`, async () => {
      const vms = [client, server];
      const echoes = {
        ...rule('acme/web/echo', 'allow'),
        services: [{ protocol: 17, ports: [[7, 7] as [number, number]], icmpTypes: null }],
      };
      const state = (mode: 'observe' | 'enforce') => {
        const all = stateOf(++generation, vms, [echoes]);
        return { ...all, nics: all.nics.map((nic, i) => ({ ...nic, mode: leaves(i) ? mode : nic.mode })) };
      };
      const tuple = { src: '10.0.0.1', dst: '10.0.0.2', protocol: 17, sport: 40_007, dport: 7 };
      filter.underWay = [{ bridge: 'br0', vlan: null, ...tuple, isCertain: false }];
      await filter.want(state('observe'));
      const echo = await server.guest.serve(ECHO);
      const sender = await client.guest.serve(COUNT);
      children.push(echo, sender);
      let said = '';
      sender.stdout?.on('data', (text: Buffer) => (said += text.toString()));
      for (let i = 0; i < 10; i++) {
        await filter.want(state('enforce'));
        await filter.want(state('observe'));
      }
      sender.kill('SIGTERM');
      await until('the count', () => said.includes('}'));
      const { sent, lost } = JSON.parse(said) as { sent: number; lost: number };
      assert.ok(sent > 50, `${sent} sent`);
      assert.equal(lost, 0, `${lost} of ${sent} lost`);
      echo.kill('SIGKILL');
    });
}
