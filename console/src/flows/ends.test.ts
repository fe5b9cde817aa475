// A rule's id and a flow's reference are taken apart, malformed ones refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowQuestions, readFlowRef, readRule } from './ends.ts';

await test('a rule id names tenant, policy and rule', () => {
  assert.deepEqual(readRule('acme/web/https-in'), {
    kind: 'rule',
    tenant: 'acme',
    policy: 'web',
    rule: 'https-in',
  });
  assert.deepEqual(readRule('-/emergency/stop'), {
    kind: 'rule',
    tenant: null,
    policy: 'emergency',
    rule: 'stop',
  });
  assert.deepEqual(readRule('default/between'), { kind: 'default', what: 'between' });
  assert.deepEqual(readRule('suricata/2034647'), { kind: 'signature', sid: 2_034_647 });
  assert.deepEqual(readRule('suricata'), { kind: 'signature', sid: null });
  assert.deepEqual(readRule('limit/rate'), { kind: 'limit', what: 'rate' });
  assert.equal(readRule('suricata/web/https-in')?.kind, 'rule');
  assert.equal(readRule(''), null);
  assert.equal(readRule('acme/web'), null);
});

await test('a flow is found again by its moment and its ends', () => {
  const ref = { id: 'kvm-1:77', start: 1700000000000, seen: 1700000009000, port: 443, ip: 'fd00::5' };
  assert.deepEqual(readFlowRef('kvm-1:77@1700000000000@1700000009000@443@fd00::5'), ref);
  assert.equal(readFlowRef('kvm-1:77'), null);
  assert.equal(readFlowRef('@5@6@7@::1'), null);
  const [near, anywhere] = flowQuestions(ref);
  assert.ok(Date.parse(near.since!) < ref.start && Date.parse(near.until!) > ref.seen);
  assert.deepEqual(anywhere.ip, ['fd00::5']);
  assert.equal(anywhere.until, undefined);
});
