// One-way counters and first packets, in any order, become flows with the right originator and the right sums.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLOW_KINDS } from '@wocloud/protocol/flow.ts';
import { BYTES_IN, BYTES_OUT, DPORT, FLOW, KIND, PACKETS_OUT, ROW, SPORT } from '../netlink/conntrack-row.ts';
import { ACK, FIN, ObserveTable, SYN, type Sighting, type Tuple } from './observe-table.ts';
import { Tally } from './tally.ts';

const there: Tuple = {
  network: 1,
  family: 4,
  src: Uint8Array.of(10, 0, 0, 1),
  dst: Uint8Array.of(10, 0, 0, 2),
  protocol: 6,
  sport: 40_000,
  dport: 80,
};
const back: Tuple = { ...there, src: there.dst, dst: there.src, sport: 80, dport: 40_000 };

function sighting(time: number, tcpFlags: number): Sighting {
  return { time, tcpFlags, icmp: undefined, srcMac: new Uint8Array(6), dstMac: new Uint8Array(6), port: 1 };
}

function table() {
  const told: { kind: string; flow: bigint; ports: string; out: number; in: number; packets: number }[] = [];
  const tally = new Tally();
  const made = new ObserveTable(
    {
      add: (source, at) => {
        const row = new DataView(source.buffer, source.byteOffset + at, ROW);
        told.push({
          kind: FLOW_KINDS[row.getUint8(KIND)] ?? '',
          flow: row.getBigUint64(FLOW, true),
          ports: `${row.getUint16(SPORT, true)}>${row.getUint16(DPORT, true)}`,
          out: row.getFloat64(BYTES_OUT, true),
          in: row.getFloat64(BYTES_IN, true),
          packets: row.getFloat64(PACKETS_OUT, true),
        });
      },
    },
    tally,
    1e15,
  );
  let now = 1e15;
  const pass = (...counts: [Tuple, number, number][]) => {
    made.beginPass();
    now += 1e6;
    for (const [tuple, packets, bytes] of counts) made.counted(tuple, packets, bytes, now);
    made.endPass(true, now);
  };
  return { made, told, tally, pass };
}

test('counters read before the first packet is told do not decide who began', () => {
  const { made, told, pass } = table();
  pass([back, 1, 100], [there, 1, 60]);
  assert.equal(told.length, 0);
  made.saw(there, sighting(1e15, SYN));
  pass([back, 2, 200], [there, 2, 120]);
  assert.deepEqual(
    told.map((t) => [t.kind, t.ports, t.out, t.in]),
    [
      ['start', '40000>80', 0, 0],
      ['update', '40000>80', 120, 200],
    ],
  );
});

test('a flow whose first packet was never told is found by its counters, its lower port the destination', () => {
  const { told, pass } = table();
  pass([back, 1, 100], [there, 1, 60]);
  pass([back, 1, 100], [there, 1, 60]);
  assert.deepEqual(
    told.map((t) => [t.kind, t.ports, t.out, t.in]),
    [
      ['start', '40000>80', 0, 0],
      ['update', '40000>80', 60, 100],
    ],
  );
});

test('counters the kernel began anew add up', () => {
  const { made, told, pass } = table();
  made.saw(there, sighting(1e15, SYN));
  pass([there, 10, 1000]);
  pass([there, 3, 300]);
  pass([there, 5, 500]);
  assert.deepEqual(
    told.filter((t) => t.kind === 'update').map((t) => [t.packets, t.out]),
    [
      [10, 1000],
      [13, 1300],
      [15, 1500],
    ],
  );
});

test('both FINs end a connection with what was counted after them; the next SYN is another flow from zero', () => {
  const { made, told, pass } = table();
  made.saw(there, sighting(1e15, SYN));
  pass([there, 3, 300], [back, 2, 200]);
  made.saw(there, sighting(1e15 + 5, FIN | ACK));
  pass([there, 4, 340], [back, 2, 200]);
  assert.equal(told.at(-1)?.kind, 'update');
  made.saw(back, sighting(1e15 + 6, FIN | ACK));
  assert.equal(made.closing, 1);
  pass([there, 5, 380], [back, 3, 240]);
  assert.deepEqual([told.at(-1)?.kind, told.at(-1)?.out, told.at(-1)?.in], ['end', 380, 240]);
  assert.equal(made.closing, 0);
  made.saw(there, sighting(1e15 + 7, SYN));
  pass([there, 6, 440], [back, 3, 240]);
  const last = told.at(-1);
  assert.deepEqual([last?.kind, last?.out, last?.in], ['update', 60, 0]);
  assert.notEqual(last?.flow, told[0]?.flow);
});

test('what is in no set any more has ended; the table forgets it', () => {
  const { made, told, pass } = table();
  made.saw(there, sighting(1e15, SYN));
  pass([there, 1, 60]);
  pass();
  assert.equal(told.at(-1)?.kind, 'end');
  assert.equal(made.size, 0);
});
