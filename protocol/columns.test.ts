import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchError, batchRows, decodeBatch, encodeBatch, packAddress, unpackAddress } from './columns.ts';
import { FLOW_KINDS, POINTS, STAGED_VERDICTS, VERDICTS, type FlowRecord } from './flow.ts';

const address = fc.oneof(
  fc.ipV4(),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => unpackAddress(b, 0)),
);
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const flow: fc.Arbitrary<FlowRecord> = fc.record(
  {
    time: count,
    kind: fc.constantFrom(...FLOW_KINDS),
    flow: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    start: count,
    end: count,
    network: fc.string({ maxLength: 40 }),
    point: fc.constantFrom(...POINTS),
    srcVm: fc.uuid(),
    dstVm: fc.constantFrom('', 'x'),
    src: address,
    dst: address,
    protocol: fc.nat(255),
    sport: fc.nat(65535),
    dport: fc.nat(65535),
    packetsOut: count,
    packetsIn: count,
    bytesOut: count,
    bytesIn: count,
    verdict: fc.constantFrom(...VERDICTS),
    ruleOut: fc.string({ maxLength: 40 }),
    ruleIn: fc.string({ maxLength: 40 }),
    stagedVerdict: fc.constantFrom(...STAGED_VERDICTS),
    stagedRule: fc.string({ maxLength: 40 }),
  },
  { noNullPrototype: true },
);

const runs = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 2000);

test('a batch of flows comes back as it was sent', () => {
  fc.assert(
    fc.property(fc.array(flow, { maxLength: 20 }), fc.nat(), (rows, lost) => {
      const batch = decodeBatch(encodeBatch('flows', rows as never[], { sequence: 7, lost }));
      assert.equal(batch.sequence, 7);
      assert.equal(batch.lost, lost);
      assert.deepEqual(batchRows(batch), rows);
    }),
    { numRuns: Math.min(runs, 5000) },
  );
});

test('addresses keep their text form through the packed form', () => {
  for (const text of [
    '10.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '2001:db8::1',
    'fe80::5054:ff:fe00:1',
    '1:2:3:4:5:6:7:8',
    '1:0:0:4::8',
  ]) {
    const bytes = new Uint8Array(16);
    packAddress(text, bytes, 0);
    assert.equal(unpackAddress(bytes, 0), text === '1:0:0:4::8' ? '1:0:0:4::8' : text);
  }
});

test('a damaged frame is refused with the typed error and nothing else', () => {
  const good = encodeBatch('flows', [], { sequence: 1, lost: 0 });
  assert.throws(() => decodeBatch(good.subarray(0, 10)), BatchError);
  fc.assert(
    fc.property(
      fc.array(flow, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.nat(255),
      fc.boolean(),
      (rows, where, value, cut) => {
        const frame = encodeBatch('flows', rows as never[], { sequence: 1, lost: 0 });
        const at = where % frame.length;
        frame[at] = value;
        try {
          batchRows(decodeBatch(cut ? frame.subarray(0, at) : frame));
        } catch (error) {
          assert.ok(error instanceof BatchError, String(error));
        }
      },
    ),
    { numRuns: runs },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.throws(() => decodeBatch(bytes), BatchError);
    }),
    { numRuns: runs },
  );
});
