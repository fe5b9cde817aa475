// libvirt's XML is written by whoever may define domains: whatever it says, reading it ends, and says something sound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ObservedVm } from '@wocloud/protocol/reports.ts';
import { Compile } from 'typebox/compile';
import { NO_BRIDGES } from './bridges.ts';
import { readDomain } from './domain-xml.ts';
import { readMetadata } from './metadata.ts';
import { placeNic } from './nics.ts';
import { observedVm } from './observed.ts';
import { at, parseXml, XmlError } from './xml.ts';

const runs = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 3_000);
const UUID = '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a';
const schema = Compile(ObservedVm);

/** Reads as the engine does, and reports as the engine does; undefined when refused. */
function report(xml: string): unknown {
  let domain;
  try {
    domain = readDomain(xml);
  } catch (error) {
    if (error instanceof XmlError) return undefined;
    throw error;
  }
  const nics = domain.nics.map((nic) => placeNic(nic, true, NO_BRIDGES, () => null));
  const vm = observedVm(
    { domain, state: 'running', nics },
    () => [],
    () => ({ protection: 'observed', reason: '' }),
  );
  assert.ok(schema.Check(vm), JSON.stringify(vm));
  return vm;
}

const SEED = `<domain type='kvm' id='1'><name>web</name><uuid>${UUID}</uuid><title>t</title><metadata>
<w:vm xmlns:w="https://wocloud.org/xmlns/domain/1" tenant="acme"><w:label key="app" value="web"/><w:address mac="52:54:00:11:22:33" ip="10.0.0.1"/></w:vm>
<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>i-1</nova:name><nova:flavor name="m1.small"/><nova:owner><nova:project uuid="0123456789abcdef0123456789abcdef">Demo</nova:project></nova:owner></nova:instance>
</metadata><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu><devices>
<interface type='network'><mac address='52:54:00:11:22:33'/><source network='default' bridge='virbr0'/><target dev='vnet0'/><model type='virtio'/></interface>
<interface type='direct'><mac address='52:54:00:11:22:34'/><source dev='eth0' mode='bridge'/><target dev='macvtap0'/></interface>
<interface type='bridge'><mac address='52:54:00:11:22:35'/><source bridge='ovs0'/><virtualport type='openvswitch'/><vlan><tag id='5'/></vlan></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel></devices></domain>`;

test('every NIC of a domain is reported, those out of reach with the reason', () => {
  const vm = report(SEED) as ObservedVm;
  assert.equal(vm.tenant, 'acme');
  assert.deepEqual(vm.labels, {
    'nova/project': '0123456789abcdef0123456789abcdef',
    'nova/name': 'i-1',
    'nova/flavor': 'm1.small',
    app: 'web',
  });
  assert.deepEqual(
    vm.nics.map((n) => [n.link, n.protection]),
    [
      ['network', 'unprotected'],
      ['direct', 'unprotected'],
      ['ovs', 'unprotected'],
    ],
  );
  assert.match(vm.nics[1]?.reason ?? '', /macvtap on eth0/);
  assert.match(vm.nics[2]?.reason ?? '', /Open vSwitch/);
});

test("Nova's project is the tenant where nothing else says", () => {
  const vm = report(SEED.replace(/<w:vm[\s\S]*<\/w:vm>/, '')) as ObservedVm;
  assert.equal(vm.tenant, 'demo');
});

test('what is not valid in metadata is left out and told', () => {
  const xml = `<metadata><w:vm xmlns:w="https://wocloud.org/xmlns/domain/1" tenant="No Name!"><w:label key="__proto__" value="x"/><w:label key="a b" value="x"/><w:label key="ok" value="1"/><w:address mac="x" ip="10.0.0.1"/></w:vm></metadata>`;
  const read = readMetadata(parseXml(xml));
  assert.equal(read.tenant, null);
  assert.deepEqual(read.labels, { ok: '1' });
  assert.deepEqual(read.addresses, []);
  assert.equal(read.problems.length, 4);
});

test('documents made to hurt are refused', () => {
  const deep = '<a>'.repeat(200) + '</a>'.repeat(200);
  const bomb = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>';
  const external = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>';
  const many = `<a>${'<b/>'.repeat(60_000)}</a>`;
  const huge = `<a>${'x'.repeat(5_000_000)}</a>`;
  for (const text of [deep, bomb, external, many, huge, '', '\0', '<a', 'nonsense', '<a/><b/>'])
    assert.throws(() => parseXml(text), XmlError, text.slice(0, 40));
});

test('what is not known is passed over', () => {
  const root = parseXml('<domain xmlns:q="urn:q"><q:x/><new><name>n</name></new><name>yes</name></domain>');
  assert.equal(at(root, 'name')?.text, 'yes');
});

test('any text is refused or read', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'grapheme' }),
        fc.stringMatching(/^(<[a-z/ ='"]*>|&[a-z#0-9]*;|[a-z])*$/),
      ),
      (text) => {
        report(text);
        report(`<domain><uuid>${UUID}</uuid><name>${text}</name></domain>`);
      },
    ),
    { numRuns: runs },
  );
});

test('a domain with pieces cut out, doubled or overwritten is refused or read', () => {
  const edit = fc.record({
    from: fc.nat(SEED.length),
    length: fc.nat(120),
    text: fc.oneof(
      fc.constant(''),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('<', '>', '"', "'/>", '<interface>', 'ff:ff', '-1', '1e999', '&#0;', '&#x10FFFF;', 'é'),
    ),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = SEED;
      for (const { from, length, text: put } of edits)
        text = text.slice(0, from) + put + text.slice(from + length);
      report(text);
    }),
    { numRuns: runs },
  );
});
