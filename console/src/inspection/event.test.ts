// An event is found again by its moment and an end, and leads to its flow whichever side spoke.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { eventQuestion, eventRef, flowsOf, readEventRef } from './event.ts';

const end = (ip: string, port: number) => ({ vm: null, name: null, tenant: null, ip, port });
const event = {
  id: 'b7@e/1',
  time: '2026-05-01T08:00:00.000Z',
  network: 'lan',
  protocol: 'tcp',
  src: end('fd00::5', 80),
  dst: end('fd00::6', 41_000),
} as InspectionView;

await test('a reference is taken apart again, a malformed one refused', () => {
  const ref = readEventRef(eventRef(event))!;
  assert.deepEqual(ref, { id: 'b7@e/1', time: Date.parse(event.time), port: 41_000, ip: 'fd00::5' });
  assert.deepEqual(eventQuestion(ref).port, ['41000']);
  assert.equal(eventQuestion({ ...ref, port: 0, ip: '' }).ip, undefined);
  assert.equal(readEventRef('b7'), null);
});

await test('both ends and both ports may be the flow’s, five minutes around', () => {
  assert.deepEqual(flowsOf(event), {
    q: 'from:fd00::5,fd00::6 to:fd00::5,fd00::6 port:80,41000 protocol:tcp network:lan',
    since: '2026-05-01T07:55:00.000Z',
    until: '2026-05-01T08:05:00.000Z',
  });
});
