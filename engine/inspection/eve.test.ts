// EVE lines of a real Suricata 7.0.10 on a wire between two guests and on copies between two others, and what is read
// out of each.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeBatch, encodeBatch } from '@wocloud/protocol/columns.ts';
import { MAX_DETAIL } from '@wocloud/protocol/inspection.ts';
import { fixedDirectory, nic } from '../flows/testing/directory.ts';
import { alertOf } from './alerts.ts';
import { DropRecords } from './drops.ts';
import { readEve, type EveReading } from './eve.ts';

const names = ['left', 'right', 'seen', 'other'];
const directory = fixedDirectory(
  names.map((vm, i) =>
    nic({ vm, mac: `52:54:00:00:00:0${'abcd'[i]}`, network: vm === 'right' ? 'net-2' : 'net-1' }),
  ),
);
const lines = readFileSync(new URL('testing/eve.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
/** A moment after the recording. */
const NOW = Date.parse('2026-11-25T02:09:00Z') * 1_000;
const context = { gateway: 'gw/1', now: NOW, clockOffset: 0 };
const read = (line: string): EveReading => {
  const reading = readEve(line, directory, context);
  assert.ok(reading, line);
  return reading;
};
const readings = lines.map(read);

/** Every different line of the recording, in short: type, ends, protocol, action, signature, subject. */
const EXPECTED = `
fileinfo right 10.0.0.2:80 left 10.0.0.1:60770 6 http none 0 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
http left 10.0.0.1:60770 right 10.0.0.2:80 6 http none 0 10.0.0.2/index.html
alert right fd00::2:80 left fd00::1:50008 6 http allowed 1000005 [fd00::2]/file
alert left 10.0.0.1:60770 right 10.0.0.2:80 6 http blocked 1000001 10.0.0.2/evil?q=1
drop left 10.0.0.1:60770 right 10.0.0.2:80 6 - blocked 1000001 rules
drop right 10.0.0.2:80 left 10.0.0.1:60770 6 - blocked 0 flow drop
stats - - 0 - none 0
alert seen 10.0.0.3:44670 other 10.0.0.4:80 6 http allowed 1000001 10.0.0.4/evil
drop seen 10.0.0.3:44670 other 10.0.0.4:80 6 - allowed 1000001 rules
flow seen 10.0.0.3:44670 other 10.0.0.4:80 6 http allowed 0 established, shutdown
alert left 10.0.0.1:44106 right 10.0.0.2:443 6 tls allowed 1000003 web.acme.example
tls left 10.0.0.1:44106 right 10.0.0.2:443 6 tls none 0 web.acme.example
alert left 10.0.0.1:8 right 10.0.0.2:0 1 - allowed 1000004
anomaly right 10.0.0.2:25 left 10.0.0.1:38580 6 smtp none 0 INVALID_REPLY
ftp left 10.0.0.1:57492 right 10.0.0.2:21 6 ftp none 0 USER anonymous
smtp left 10.0.0.1:38580 right 10.0.0.2:25 6 smtp none 0 <a@acme.example> → <b@acme.example>
ssh left 10.0.0.1:46616 right 10.0.0.2:22 6 ssh none 0 PuTTY_Release_0.78 → OpenSSH_9.2p1
mqtt left 10.0.0.1:51120 right 10.0.0.2:1883 6 mqtt none 0 connect test
rfb left 10.0.0.1:36972 right 10.0.0.2:5900 6 rfb none 0 1
rdp left 10.0.0.1:35424 right 10.0.0.2:3389 6 rdp none 0 initial_request admin
smb left 10.0.0.1:59186 right 10.0.0.2:445 6 smb none 0 SMB2_COMMAND_NEGOTIATE_PROTOCOL
dns left 10.0.0.1:45231 right 10.0.0.2:53 17 dns none 0 www.bad.example A
alert left 10.0.0.1:45231 right 10.0.0.2:53 17 dns allowed 1000002 www.bad.example A
snmp left 10.0.0.1:48662 right 10.0.0.2:161 17 snmp none 0 get_request public
tftp left 10.0.0.1:43961 right 10.0.0.2:69 17 tftp none 0 read boot.img
other left 10.0.0.1:42239 right 10.0.0.2:5060 17 sip none 0 REGISTER sip:acme.example
ike left 10.0.0.1:36035 right 10.0.0.2:500 17 ike none 0 1122334455667788
flow left 10.0.0.1:57492 right 10.0.0.2:21 6 ftp none 0 closed, shutdown
flow left 10.0.0.1:60770 right 10.0.0.2:80 6 http blocked 0 established, shutdown
flow left fd00::1:135 - ff02::1:ff00:2:0 58 - none 0 new, shutdown`;

const end = (address: string, port: number) => (address === '' ? '' : `${address}:${port}`);
const inShort = ({ event: e }: EveReading): string =>
  [
    e.type,
    e.srcVm || '-',
    end(e.src, e.sport),
    e.dstVm || '-',
    end(e.dst, e.dport),
    e.protocol,
    e.application || '-',
    e.action,
    e.signature,
    e.subject,
  ]
    .filter((word) => word !== '')
    .join(' ');

for (const expected of EXPECTED.trim().split('\n'))
  test(`read: ${expected}`, () => assert.ok(readings.map(inShort).includes(expected.trim()), expected));

test('nothing recorded is left unread, and every event travels', () => {
  assert.equal(readings.length, 45);
  const rows = readings.map(({ event }) => ({ ...event }));
  const batch = decodeBatch(encodeBatch('inspection', rows, { sequence: 1, lost: 0 }));
  assert.equal(batch.count, 45);
  for (const { event } of readings) {
    assert.equal(event.gateway, 'gw/1');
    assert.ok(event.time > NOW - 60_000_000 && event.time < NOW, `${event.time}`);
    assert.ok(Number.isInteger(event.time));
    const detail = JSON.parse(event.detail) as Record<string, unknown>;
    for (const said of ['timestamp', 'src_ip', 'flow_id', 'ether', 'event_type', 'verdict'])
      assert.ok(!(said in detail), said);
  }
});

test('an alert names signature, ends and what happened, with the packet as far as it may go', () => {
  const reading = readings.find((r) => r.event.signature === 1_000_001 && r.event.type === 'alert');
  assert.ok(reading);
  const { event } = reading;
  assert.deepEqual(
    [event.title, event.category, event.priority, event.technique, event.network, event.time],
    [
      'evil',
      'Web Application Attack',
      1,
      'T1190',
      'net-1',
      Date.parse('2026-11-25T02:08:23Z') * 1_000 + 832_640,
    ],
  );
  const alert = alertOf(reading);
  const { packet, ...evidence } = alert?.evidence ?? {};
  assert.deepEqual(
    { ...alert, evidence },
    {
      kind: 'inspection.alert',
      key: '1000001 left right',
      severity: 'critical',
      title: 'evil',
      vm: 'left',
      time: event.time,
      evidence: {
        signature: 1_000_001,
        category: 'Web Application Attack',
        technique: 'T1190',
        action: 'blocked',
        src: '10.0.0.1',
        dst: '10.0.0.2',
        protocol: 6,
        sourcePort: 60_770,
        destinationPort: 80,
        application: 'http',
        gateway: 'gw/1',
        subject: '10.0.0.2/evil?q=1',
        srcVm: 'left',
        dstVm: 'right',
        mirrored: false,
      },
    },
  );
  assert.match(String(packet), /^52540000000b52540000000a0800[0-9a-f]+$/);
  assert.ok(String(packet).length <= 512);
});

test('severity follows the priority, and critical the rule’s own word', () => {
  const bySid = (sid: number) =>
    alertOf(readings.find((r) => r.event.type === 'alert' && r.event.signature === sid) as EveReading)
      ?.severity;
  assert.deepEqual([bySid(1_000_002), bySid(1_000_005), bySid(1_000_003)], ['high', 'medium', 'low']);
});

test('of a copy nothing says that it was dropped, and no record is made of it', () => {
  const copies = readings.filter((r) => r.isCopy);
  assert.ok(copies.length >= 4);
  const drops = new DropRecords(NOW);
  for (const reading of copies) {
    assert.notEqual(reading.event.action, 'blocked');
    assert.doesNotMatch(reading.event.detail, /"action"|blocked/);
    assert.equal(drops.record(reading), undefined);
  }
});

test('drops are flow records; later packets of the flow keep its rule', () => {
  const drops = new DropRecords(NOW);
  const made = readings.map((r) => drops.record(r)).filter((r) => r !== undefined);
  assert.deepEqual(
    made.map(
      (r) => `${r.kind} ${r.verdict} ${r.ruleIn} ${r.srcVm} ${r.dstVm} ${r.dport} ${r.bytesOut} ${r.point}`,
    ),
    [
      'drop dropped suricata/1000001 left right 80 203 both',
      'drop rejected suricata/1000006 left right 9999 60 both',
      'drop dropped suricata/1000007 left right 9998 33 both',
      'drop dropped suricata/1000001 right left 60770 52 both',
    ],
  );
  assert.equal(new Set(made.map((r) => r.flow)).size, made.length);
  decodeBatch(encodeBatch('flows', made as never, { sequence: 1, lost: 0 }));
});

test('an end whose MAC address is nobody’s here is outside', () => {
  const line = lines
    .find((l) => l.includes('"event_type":"http"'))
    ?.replace('52:54:00:00:00:0b', '52:54:00:00:00:ff');
  const { event, destination } = read(line ?? '');
  assert.deepEqual([event.srcVm, event.dstVm, event.dst, destination], ['left', '', '10.0.0.2', undefined]);
});

test('a gateway’s clock is corrected, and cannot place an event in the future or far in the past', () => {
  const line = lines[0] as string;
  const time = (clockOffset: number) =>
    readEve(line, directory, { ...context, clockOffset })?.event.time ?? 0;
  const real = time(0);
  assert.equal(time(-5_000_000), real - 5_000_000);
  assert.equal(time(86_400_000_000), NOW);
  assert.equal(time(-86_400_000_000), NOW - 3_600_000_000);
});

test('a detail that is too long loses its longest fields and says which', () => {
  const event = JSON.parse(lines.find((l) => l.includes('"signature_id":1000001')) as string) as Record<
    string,
    unknown
  >;
  const long = { ...event, payload_printable: 'x'.repeat(40_000), other: { y: '\u0001'.repeat(2_000) } };
  const { detail } = read(JSON.stringify(long)).event;
  assert.ok(detail.length <= MAX_DETAIL);
  const kept = JSON.parse(detail) as Record<string, unknown>;
  assert.equal(kept['cut'], 'payload_printable');
  assert.ok('http' in kept && 'other' in kept);
});
