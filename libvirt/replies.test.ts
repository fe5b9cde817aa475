// Replies and events byte by byte, as libvirt's remote_protocol.x lays them out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RemoteError } from './errors.ts';
import { decodeEvent } from './events.ts';
import { QEMU_PROGRAM, REMOTE_PROGRAM } from './procedure.ts';
import { NodeGetInfo } from './procedures-connect.ts';
import { ConnectListAllDomains } from './procedures-domain.ts';
import { DomainInterfaceAddresses } from './procedures-guest.ts';
import { NetworkGetDhcpLeases } from './procedures-network.ts';
import { ConnectGetAllDomainStats } from './procedures-stats.ts';
import { annotated } from './testing/annotated.ts';
import { remoteError } from './wire.ts';
import { XdrReader } from './xdr.ts';

const web = [
  ['00000003', 'length of the name'],
  ["'web", 'name'],
  ['00', 'padding'],
  ['5a5c6b1e 4f4e 4e2b 8f3c 0d8f5f1c2b3a', 'UUID'],
  ['00000002', 'id'],
] as const;
const webRef = { name: 'web', uuid: '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a', id: 2 };

function decodeAll<T>(procedure: { readonly ret: { decode(reader: XdrReader): T } }, bytes: Buffer): T {
  const reader = new XdrReader(bytes);
  const value = procedure.ret.decode(reader);
  reader.end();
  return value;
}

test('connect_list_all_domains', () => {
  const bytes = annotated(
    ['00000002', 'two domains'],
    ...web,
    ['00000002', 'length of the name'],
    ["'db", 'name'],
    ['0000', 'padding'],
    ['00000000 0000 0000 0000 000000000001', 'UUID'],
    ['ffffffff', 'id: not running'],
    ['00000002', 'count, again'],
  );
  const { domains, count } = decodeAll(ConnectListAllDomains, bytes);
  assert.deepEqual(domains, [webRef, { name: 'db', uuid: '00000000-0000-0000-0000-000000000001', id: -1 }]);
  assert.equal(count, 2);
});

test('connect_get_all_domain_stats', () => {
  const bytes = annotated(
    ['00000001', 'one record'],
    ...web,
    ['00000002', 'two parameters'],
    ['0000000b', 'length of the field'],
    ["'state.state\\0", 'field, padded'],
    ['00000001', 'type: int'],
    ['00000001', 'running'],
    ['00000008', 'length of the field'],
    ["'cpu.time", 'field'],
    ['00000004', 'type: unsigned long long'],
    ['00000002 540be400', '10 s in ns'],
  );
  const { records } = decodeAll(ConnectGetAllDomainStats, bytes);
  assert.deepEqual(
    records.map(({ domain, params }) => [domain, { ...params }]),
    [[webRef, { 'state.state': 1, 'cpu.time': 10_000_000_000n }]],
  );
});

test('network_get_dhcp_leases', () => {
  const bytes = annotated(
    ['00000001', 'one lease'],
    ['00000006', 'length of the interface'],
    ["'virbr0\\0\\0", 'interface, padded'],
    ['00000000 65920080', 'expires, seconds since 1970'],
    ['00000000', 'IPv4'],
    ['00000001', 'a MAC follows'],
    ['00000011', 'its length'],
    ["'52:54:00:00:00:01\\0\\0\\0", 'the MAC, padded'],
    ['00000000', 'no IAID'],
    ['0000000c', 'length of the address'],
    ["'192.168.1.10", 'the address'],
    ['00000018', 'prefix'],
    ['00000001', 'a host name follows'],
    ['00000003', 'its length'],
    ["'web\\0", 'host name, padded'],
    ['00000000', 'no client id'],
    ['00000001', 'count, again'],
  );
  assert.deepEqual(decodeAll(NetworkGetDhcpLeases, bytes).leases, [
    {
      iface: 'virbr0',
      expiresAt: 0x65920080 * 1000,
      family: 4,
      mac: '52:54:00:00:00:01',
      iaid: null,
      address: '192.168.1.10',
      prefix: 24,
      hostname: 'web',
      clientId: null,
    },
  ]);
});

test('domain_interface_addresses', () => {
  const bytes = annotated(
    ['00000001', 'one interface'],
    ['00000004', 'length of the name'],
    ["'eth0", 'name'],
    ['00000000', 'no MAC'],
    ['00000001', 'one address'],
    ['00000001', 'IPv6'],
    ['00000007', 'length of the address'],
    ["'fd00::1\\0", 'address, padded'],
    ['00000040', 'prefix'],
  );
  assert.deepEqual(decodeAll(DomainInterfaceAddresses, bytes).interfaces, [
    { name: 'eth0', mac: null, addresses: [{ family: 6, address: 'fd00::1', prefix: 64 }] },
  ]);
});

test('node_get_info', () => {
  const model = ['00000078', '00000038', '00000036'].join('') + '00000000'.repeat(29);
  const bytes = annotated(
    [model, 'CPU model x86: 32 chars, one int each'],
    ['00000000 00800000', 'memory: 8 GiB in KiB'],
    ['00000002', 'CPUs'],
    ['00000a24', 'MHz'],
    ['00000001', 'NUMA nodes'],
    ['00000001', 'sockets'],
    ['00000002', 'cores'],
    ['00000001', 'threads'],
  );
  assert.deepEqual(decodeAll(NodeGetInfo, bytes), {
    model: 'x86',
    memory: 8_388_608n,
    cpus: 2,
    mhz: 2596,
    numaNodes: 1,
    socketsPerNode: 1,
    coresPerSocket: 2,
    threadsPerCore: 1,
  });
});

test('an error reply', () => {
  const bytes = annotated(
    ['0000002a', 'code: VIR_ERR_NO_DOMAIN'],
    ['0000000a', 'from: QEMU'],
    ['00000001', 'a message follows'],
    ['00000010', 'its length'],
    ["'Domain not found", 'the message'],
    ['00000002', 'level: error'],
    ['00000000', 'no domain'],
    ['00000001', 'str1 follows'],
    ['00000002', 'its length'],
    ["'%s\\0\\0", 'str1, padded'],
    ['00000000', 'no str2'],
    ['00000000', 'no str3'],
    ['ffffffff', 'int1'],
    ['ffffffff', 'int2'],
    ['00000000', 'no network'],
  );
  const error = new RemoteError('domain_lookup_by_name', remoteError.decode(new XdrReader(bytes)));
  assert.equal(error.code, 'remote');
  assert.equal(error.number, 42);
  assert.equal(error.reason, 'noDomain');
  assert.equal(error.message, 'libvirt: domain_lookup_by_name: Domain not found');
  assert.equal(error.details.str1, '%s');
});

test('a lifecycle event', () => {
  const payload = annotated(
    ['00000004', 'callback id'],
    ...web,
    ['00000005', 'event: stopped'],
    ['00000002', 'detail: crashed'],
  );
  assert.deepEqual(decodeEvent({ program: REMOTE_PROGRAM, procedure: 318, payload }), {
    kind: 'domain-lifecycle',
    domain: webRef,
    event: 'stopped',
    detail: 'crashed',
  });
});

test('a lifecycle event that a newer libvirt invented is delivered with its numbers', () => {
  const payload = annotated(
    ['00000004', 'callback id'],
    ...web,
    ['00000063', 'event: 99'],
    ['00000007', 'detail: 7'],
  );
  const event = decodeEvent({ program: REMOTE_PROGRAM, procedure: 318, payload });
  assert.equal(
    event?.kind === 'domain-lifecycle' && `${event.event}/${event.detail}`,
    'unknown-99/unknown-7',
  );
});

test('a QEMU monitor event', () => {
  const payload = annotated(
    ['00000000', 'callback id'],
    ...web,
    ['0000000f', 'length of the event'],
    ["'VSERPORT_CHANGE\\0", 'event, padded'],
    ['00000000 00000002', 'seconds'],
    ['00000003', 'microseconds'],
    ['00000001', 'details follow'],
    ['0000000d', 'their length'],
    ['\'{"open":true}\\0\\0\\0', 'details, padded'],
  );
  const event = decodeEvent({ program: QEMU_PROGRAM, procedure: 6, payload });
  assert.deepEqual(event, {
    kind: 'monitor',
    domain: webRef,
    event: 'VSERPORT_CHANGE',
    atMicros: 2_000_003n,
    details: '{"open":true}',
  });
});

test('a message that is no event we know is told apart from a malformed one', () => {
  assert.equal(
    decodeEvent({ program: REMOTE_PROGRAM, procedure: 9_999, payload: Buffer.alloc(4) }),
    undefined,
  );
  assert.throws(() => decodeEvent({ program: REMOTE_PROGRAM, procedure: 318, payload: Buffer.alloc(4) }), {
    code: 'malformed',
  });
});
