// Acting on the connection table: what is deleted is exactly what matched; what is restored is what it was.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { captureConnections, deleteConnections, restoreConnections } from './connections.ts';
import { bridge, enterHost, Guest, nft, run, sysctl } from './testing/namespace.ts';

enterHost();

let a: Guest;

before(() => {
  bridge('br-a');
  bridge('br-b');
  nft(`
table inet test {
  chain zones { type filter hook prerouting priority raw;
    iifname "br-a" ct zone set 1
    iifname "br-b" ct zone set 2
  }
  chain forward { type filter hook forward priority 0; policy accept;
    udp dport 1001 ct mark set 0x00070009
    udp dport 1002 ct mark set 0x00080007
    udp dport 1003 ct mark set 0x00080009
    tcp dport 8080 ct mark set 0x00070009
  }
}`);
  sysctl('net.bridge.bridge-nf-call-iptables', 1);
  sysctl('net.bridge.bridge-nf-call-ip6tables', 1);
  a = new Guest('a', { bridge: 'br-a', mac: '52:54:00:00:00:0a', addresses: ['10.0.0.1/24', 'fd00::1/64'] });
  new Guest('b', { bridge: 'br-a', mac: '52:54:00:00:00:0b', addresses: ['10.0.0.2/24', 'fd00::2/64'] });
  new Guest('d', { bridge: 'br-b', mac: '52:54:00:00:00:0d', addresses: ['10.0.0.2/24'] });
});

/** One flow to each of the ports, from a or (on the other network) c. */
async function talk(guest: Guest, to: string, ports: number[]): Promise<void> {
  await guest.script(`
    import { createSocket } from 'node:dgram';
    const socket = createSocket('${to.includes(':') ? 'udp6' : 'udp4'}').bind(40000, async () => {
      for (const port of ${JSON.stringify(ports)})
        await new Promise((resolve) => socket.send('x', port, '${to}', resolve));
      socket.close();
    });
    socket.on('error', () => {});`);
}

const table = () =>
  run('conntrack -L -f ipv4')
    .trim()
    .split('\n')
    .filter((line) => line.includes('udp'));
const table6 = () =>
  run('conntrack -L -f ipv6')
    .trim()
    .split('\n')
    .filter((line) => line.includes('udp'));

test('deleting by rule ends what either side of that rule allowed, and nothing else', async () => {
  await talk(a, '10.0.0.2', [1001, 1002, 1003]);
  await talk(a, 'fd00::2', [1001, 1003]);
  assert.equal(table().length, 3);
  assert.equal(await deleteConnections({ ruleSlots: new Set([7]) }), 3);
  const left = [...table(), ...table6()];
  assert.equal(left.length, 2);
  for (const line of left) assert.match(line, /dport=1003/);
});

test('deleting by network leaves the same addresses on another one alone', async () => {
  const c = new Guest('c', { bridge: 'br-b', mac: '52:54:00:00:00:0c', addresses: ['10.0.0.1/24'] });
  await talk(a, '10.0.0.2', [1001]);
  await talk(c, '10.0.0.2', [1001]);
  await deleteConnections({ zone: 2 });
  const left = table().filter((line) => line.includes('dport=1001'));
  assert.equal(left.length, 1);
  assert.match(left[0] ?? '', /zone=1/);
  assert.equal(await deleteConnections({ zone: 1, ip: '10.0.0.9' }), 0);
  assert.ok((await deleteConnections({ zone: 1, ip: '10.0.0.2' })) > 0);
  assert.equal(table().length, 0);
});

test('deleting everything is not something one can ask for by mistake', async () => {
  await assert.rejects(deleteConnections({}), { code: 'flows.match-empty' });
});

test('a restored connection has its mark, zone, state and timeout again', async () => {
  const server = `
    import { createServer } from 'node:net';
    createServer((socket) => socket.on('error', () => {})).listen(8080, () => console.log('up'));`;
  const b = new Guest('e', { bridge: 'br-a', mac: '52:54:00:00:00:0e', addresses: ['10.0.0.5/24'] });
  const listening = await b.serve(server);
  const connected = await a.serve(`
    import { connect } from 'node:net';
    connect({ port: 8080, host: '10.0.0.5', localPort: 40010 }, () => console.log('up'));`);
  try {
    const before = run('conntrack -L -p tcp --orig-port-src 40010');
    const taken = await captureConnections({ zone: 1, ip: '10.0.0.5' });
    assert.equal(taken.length, 1);
    assert.equal(await deleteConnections({ zone: 1, ip: '10.0.0.5' }), 1);
    assert.equal(await restoreConnections(taken), 1);
    const after = run('conntrack -L -p tcp --orig-port-src 40010');
    const essence = (text: string) => text.replace(/^(\S+\s+\d+ )\d+ /, '$1').replace(/\s+use=.*/s, '');
    assert.match(after, /ESTABLISHED.*\[ASSURED\].*mark=458761.*zone=1/);
    assert.equal(essence(after), essence(before));
    assert.equal(await restoreConnections(taken), 0);
  } finally {
    connected.kill();
    listening.kill();
  }
});
