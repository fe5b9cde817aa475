// A gateway's domain: what it is made of, and that nothing else is taken for one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, at, attribute, parseXml } from '../inventory/xml.ts';
import { readDomain } from '../inventory/domain-xml.ts';
import { gatewayXml, readGateway } from './domain.ts';
import type { InstanceSpec } from './runner.ts';

const SPEC: InstanceSpec = {
  number: 11,
  gateway: 'edge',
  form: 'vm',
  vcpus: 1,
  memoryMiB: 512,
  image: '0123456789abcdef',
};
const FILES = { kernel: '/k', initrd: '/i', disk: '/d.img', channel: '/c.sock' };
const xml = gatewayXml(SPEC, FILES, 'qemu');

test('a gateway is known again by its domain', () => {
  assert.deepEqual(readGateway(parseXml(xml)), { number: 11, gateway: 'edge', image: '0123456789abcdef' });
});

test('it has three taps named for their part, one disk that nobody writes, its memory, and one channel', () => {
  const domain = parseXml(xml);
  const devices = at(domain, 'devices');
  assert.deepEqual(
    all(devices, 'interface').map((nic) => [
      attribute(nic, 'type'),
      attribute(at(nic, 'target'), 'dev'),
      attribute(at(nic, 'mac'), 'address'),
    ]),
    [
      ['ethernet', 'wog11a', '0e:77:6f:00:0b:0a'],
      ['ethernet', 'wog11b', '0e:77:6f:00:0b:0b'],
      ['ethernet', 'wog11m', '0e:77:6f:00:0b:0c'],
    ],
  );
  for (const nic of all(devices, 'interface'))
    for (const side of ['host', 'guest'])
      for (const offload of ['csum', 'tso4', 'tso6', 'ecn', 'ufo'])
        assert.equal(attribute(at(nic, 'driver', side), offload), 'off', `${side} ${offload}`);
  const disks = all(devices, 'disk');
  assert.equal(disks.length, 1);
  assert.ok(at(disks[0], 'readonly') && at(disks[0], 'shareable'));
  assert.equal(attribute(at(disks[0], 'source'), 'file'), '/d.img');
  assert.equal(at(domain, 'memory')?.text, '512');
  assert.equal(attribute(at(devices, 'memballoon'), 'model'), 'none');
  assert.deepEqual(
    all(devices, 'channel').map((c) => [
      attribute(at(c, 'source'), 'path'),
      attribute(at(c, 'target'), 'name'),
    ]),
    [['/c.sock', 'org.wocloud.gateway.0']],
  );
  for (const kind of ['graphics', 'video', 'input', 'hostdev', 'filesystem', 'redirdev'])
    assert.equal(all(devices, kind).length, 0, kind);
});

test('several processors get several queues; the largest of frames fits', () => {
  const nic = at(
    parseXml(gatewayXml({ ...SPEC, vcpus: 4, mtu: 9000 }, FILES, 'kvm')),
    'devices',
    'interface',
  );
  assert.equal(attribute(at(nic, 'driver'), 'queues'), '4');
  assert.equal(attribute(at(nic, 'mtu'), 'size'), '9000');
});

test('only where a processor is emulated its defences are left out', () => {
  const words = (type: 'kvm' | 'qemu') =>
    at(parseXml(gatewayXml(SPEC, FILES, type)), 'os', 'cmdline')?.text.split(' ') ?? [];
  assert.ok(words('qemu').includes('mitigations=off'));
  assert.deepEqual(
    words('kvm').filter((word) => /mitigations|nokaslr|audit/.test(word)),
    [],
  );
  for (const type of ['kvm', 'qemu'] as const) assert.ok(words(type).includes('ipv6.disable=1'));
});

test('names are text, whatever is in them', () => {
  const odd = { ...FILES, disk: `/a'<b>&"c.img` };
  const domain = parseXml(gatewayXml({ ...SPEC, gateway: `<&"'>` }, odd, 'kvm'));
  assert.equal(attribute(at(domain, 'devices', 'disk', 'source'), 'file'), `/a'<b>&"c.img`);
  assert.equal(readGateway(domain)?.gateway, `<&"'>`);
});

// Whoever may define domains may write any of this: with more than a gateway has, it is a VM like all others.
const FORGED: [string, (text: string) => string][] = [
  ['another name', (text) => text.replace('<name>wocloud-gateway-11', '<name>web')],
  [
    'the name of another instance',
    (text) => text.replace('<name>wocloud-gateway-11', '<name>wocloud-gateway-1'),
  ],
  ['a number that no instance has', (text) => text.replaceAll('11', '16').replaceAll('wog11', 'wog16')],
  ['no mark', (text) => text.replace(/<wocloud:gateway[^>]*\/>/, '')],
  [
    "a mark in someone else's namespace",
    (text) => text.replace('https://wocloud.org/', 'https://example.org/'),
  ],
  [
    'a NIC on a bridge',
    (text) => text.replace("<interface type='ethernet'>", "<interface type='bridge'><source bridge='br0'/>"),
  ],
  [
    'a NIC too many',
    (text) =>
      text.replace(
        '</devices>',
        "<interface type='network'><source network='default'/></interface></devices>",
      ),
  ],
  ['a NIC too few', (text) => text.replace(/<interface[\s\S]*?<\/interface>/, '')],
  ["another's taps", (text) => text.replace("dev='wog11a'", "dev='vnet0'")],
  [
    'a device of the host',
    (text) => text.replace('</devices>', "<hostdev mode='subsystem' type='pci'/></devices>"),
  ],
  ['a folder of the host', (text) => text.replace('</devices>', "<filesystem type='mount'/></devices>")],
];
for (const [what, forge] of FORGED)
  test(`a domain with ${what} is no gateway`, () => {
    const forged = forge(xml);
    assert.notEqual(forged, xml);
    assert.equal(readGateway(parseXml(forged)), null);
    const withId = forged.replace('</name>', '</name><uuid>5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a</uuid>');
    assert.equal(readDomain(withId).gateway, undefined);
  });
