// What an event says is laid out by what people know of it, and nothing of it is lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { techniqueText } from './attack.ts';
import { linesOf, partsOf } from './facts.ts';

await test('the type’s own part is first, with known fields in order and the others by their names', () => {
  const parts = partsOf({
    type: 'alert',
    detail: {
      flow: { bytes_toserver: 10 },
      http: { url: '/x', hostname: 'a', weird: 1, http_method: 'GET' },
      alert: { rev: 3, metadata: { cve: ['CVE_1', 'CVE_2'], tag: ['x'] } },
      tx_id: 0,
      payload_printable: 'GET /x',
      packet: 'AAAA',
    },
  });
  assert.deepEqual(
    parts.map((p) => [p.name, p.facts.map((f) => f.label ?? f.path)]),
    [
      ['alert', ['f_cve', 'f_revision', 'metadata.tag']],
      ['http', ['f_method', 'f_hostname', 'f_url', 'weird']],
      ['flow', ['f_bytesOut']],
      ['', ['f_payload']],
    ],
  );
});

await test('answers stay together, and a part nobody knows keeps its name', () => {
  const [dns, modbus] = partsOf({
    type: 'dns',
    detail: {
      dns: { rrname: 'a.example', answers: [{ rdata: '1.2.3.4', ttl: 5 }], grouped: { A: ['1.2.3.4'] } },
      modbus: { function: { code: 3 } },
    },
  });
  assert.deepEqual(
    dns?.facts.map((f) => [f.label, linesOf(f.value)]),
    [
      ['f_name', ['a.example']],
      ['f_answers', ['rdata: 1.2.3.4, ttl: 5']],
      ['f_grouped', ['A: 1.2.3.4']],
    ],
  );
  assert.deepEqual(modbus?.title, null);
  assert.deepEqual(modbus?.facts, [{ label: null, path: 'function.code', value: 3 }]);
});

await test('hostile nesting and length are bounded', () => {
  let deep: Record<string, unknown> = { end: 1 };
  for (let i = 0; i < 200; i += 1) deep = { in: deep };
  const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i]));
  const parts = partsOf({ type: 'http', detail: { http: wide, tls: deep } });
  assert.ok(parts.every((p) => p.facts.length <= 40));
  assert.equal(parts.find((p) => p.name === 'tls')?.facts.length, 1);
});

await test('a technique is told by name and number', () => {
  assert.equal(techniqueText('T1190', 'en'), 'Exploit Public-Facing Application (T1190)');
  assert.equal(techniqueText('T1059.001', 'zh-CN'), '命令与脚本解释器（T1059.001）');
  assert.equal(techniqueText('T9999', 'en'), 'T9999');
  assert.equal(techniqueText('constructor', 'en'), 'constructor');
});
