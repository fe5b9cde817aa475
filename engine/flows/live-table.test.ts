// Whatever events are late or lost, in whatever order dumps and events arrive: in the end the table has told of every
// connection what is true of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FLOW_KINDS, type FlowKind } from '@wocloud/protocol/flow.ts';
import { BYTES_OUT, DPORT, END, FLOW, KIND, ROW, START } from '../netlink/conntrack-row.ts';
import { MessageWriter } from '../netlink/message.ts';
import { LiveTable } from './live-table.ts';
import { Tally } from './tally.ts';

interface Told {
  kind: FlowKind;
  flow: bigint;
  start: number;
  end: number;
  dport: number;
  bytes: number;
}

interface Connection {
  id: number;
  port: number;
  start: number;
  bytes: number;
}

const be64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

function message(
  c: Connection,
  what: 'new' | 'dump' | 'destroy',
  state = 3,
): { view: DataView; end: number } {
  const writer = new MessageWriter()
    .netfilter(1, 0, 0, 0, 2)
    .nest(1, (w) =>
      w
        .nest(1, (ip) => ip.bytes(1, Uint8Array.of(10, 0, 0, 1)).bytes(2, Uint8Array.of(10, 0, 0, 2)))
        .nest(2, (proto) => proto.u8(1, 6).u16(2, 1000).u16(3, c.port)),
    )
    .u32(12, c.id);
  if (what !== 'new') {
    writer.nest(9, (w) => w.bytes(1, be64(c.bytes / 100)).bytes(2, be64(c.bytes)));
    writer.nest(20, (w) => w.bytes(1, be64(c.start * 1000)));
  }
  if (what === 'dump') writer.nest(4, (w) => w.nest(1, (tcp) => tcp.u8(1, state))).u32(7, 110);
  const bytes = writer.done();
  return { view: new DataView(bytes.buffer), end: bytes.length };
}

class Host {
  now = 1_000_000_000_000_000;
  readonly told: Told[] = [];
  readonly tally = new Tally();
  bytes = new Uint8Array(64 * ROW);
  table: LiveTable;
  readonly live = new Map<number, Connection>();
  readonly all: Connection[] = [];
  #queue: (() => void)[] = [];
  #nextId = 1;

  constructor(maxUpdates?: number) {
    this.table = this.open(maxUpdates);
  }

  open(maxUpdates?: number): LiveTable {
    this.table = new LiveTable(
      {
        sink: {
          add: (source, at) => {
            const row = new DataView(source.buffer, source.byteOffset + at, ROW);
            this.told.push({
              kind: FLOW_KINDS[row.getUint8(KIND)] as FlowKind,
              flow: row.getBigUint64(FLOW, true),
              start: row.getFloat64(START, true),
              end: row.getFloat64(END, true),
              dport: row.getUint16(DPORT, true),
              bytes: row.getFloat64(BYTES_OUT, true),
            });
          },
        },
        tally: this.tally,
        bytes: this.bytes,
        epoch: 'boot',
        lingers: { timeWait: 120, close: 10 },
        ...(maxUpdates === undefined ? {} : { maxUpdates }),
      },
      this.now,
    );
    return this.table;
  }

  connect(port: number, isHeard: boolean): void {
    if (this.live.has(port)) return;
    this.now += 1000;
    const connection = { id: this.#nextId++, port, start: this.now, bytes: 0 };
    this.live.set(port, connection);
    this.all.push(connection);
    const said = message(connection, 'new');
    if (isHeard) this.#queue.push(() => this.table.started(said.view, 16, said.end, this.now));
  }

  disconnect(port: number, isHeard: boolean): void {
    const connection = this.live.get(port);
    if (!connection) return;
    this.now += 1000;
    connection.bytes += 100;
    this.live.delete(port);
    const said = message(connection, 'destroy');
    if (isHeard) this.#queue.push(() => this.table.destroyed(said.view, 16, said.end, this.now));
  }

  hear(count: number): void {
    for (const event of this.#queue.splice(0, count)) event();
  }

  /** Events may come between what the kernel dumped and our reading of it. */
  dump(eventsBetween: number, closes: number[] = []): void {
    this.now += 1_000_000;
    this.table.beginDump();
    const entries = [...this.live.values()].map((c) => message(c, 'dump'));
    for (const port of closes) this.disconnect(port, true);
    this.hear(eventsBetween);
    for (const { view, end } of entries) this.table.dumped(view, 16, end, this.now);
    this.table.endDump(true, this.now);
    // Events wait for one dump at most: the reader prefers them.
    this.hear(Infinity);
  }

  /** The engine dies and comes back: what it had not heard it never will. */
  restart(): void {
    this.#queue = [];
    this.open();
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant('connect' as const), port: fc.nat(5), isHeard: fc.boolean() }),
  fc.record({ do: fc.constant('disconnect' as const), port: fc.nat(5), isHeard: fc.boolean() }),
  fc.record({ do: fc.constant('hear' as const), count: fc.nat(4) }),
  fc.record({
    do: fc.constant('dump' as const),
    count: fc.nat(4),
    closes: fc.array(fc.nat(5), { maxLength: 2 }),
  }),
  fc.record({ do: fc.constant('restart' as const) }),
);

test('every connection is begun once and ended once, however events are lost, late or mixed with dumps', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const host = new Host();
      for (const s of steps) {
        if (s.do === 'connect') host.connect(s.port, s.isHeard);
        else if (s.do === 'disconnect') host.disconnect(s.port, s.isHeard);
        else if (s.do === 'hear') host.hear(s.count);
        else if (s.do === 'dump') host.dump(s.count, s.closes);
        else host.restart();
      }
      host.hear(Infinity);
      for (let i = 0; i < 3; i++) host.dump(0);
      const flows = Map.groupBy(host.told, (t) => t.flow);
      for (const [port, told] of Map.groupBy(host.told, (t) => t.dport)) {
        const real = host.all.filter((c) => c.port === port).length;
        assert.ok(new Set(told.map((t) => t.flow)).size <= real, 'more flows than connections');
      }
      for (const [flow, told] of flows) {
        assert.notEqual(flow, 0n);
        assert.ok(told.filter((t) => t.kind === 'start').length <= 1, 'started twice');
        assert.ok(told.filter((t) => t.kind === 'end').length <= 1, 'ended twice');
        assert.equal(new Set(told.map((t) => t.start)).size, 1, 'start moved');
        for (const t of told) if (t.kind === 'end') assert.ok(t.end >= t.start);
      }
      const open = [...flows.values()]
        .filter((told) => !told.some((t) => t.kind === 'end'))
        .map((told) => told[0]?.dport);
      assert.deepEqual(new Set(open), new Set(host.live.keys()), 'what is told as alive is alive');
      assert.equal(open.length, host.live.size);
    }),
    { numRuns: 3000 },
  );
});

test('a closed TCP connection ends at once, and again only if packets came after that', () => {
  const host = new Host();
  host.connect(1, true);
  host.connect(2, true);
  host.hear(2);
  const dumpClosed = () => {
    host.table.beginDump();
    for (const c of host.live.values()) {
      const { view, end } = message(c, 'dump', 7);
      host.table.dumped(view, 16, end, host.now);
    }
    host.table.endDump(true, host.now);
  };
  for (const c of host.live.values()) c.bytes = 500;
  host.now += 30_000_000;
  dumpClosed();
  dumpClosed();
  const ends = () => host.told.filter((t) => t.kind === 'end');
  assert.equal(ends().length, 2);
  // Ten of its 120 seconds in TIME_WAIT had passed.
  assert.equal(ends()[0]?.end, host.now - 10_000_000);
  const [one, two] = [...host.live.values()];
  for (const c of [one, two]) {
    if (c === two) c!.bytes += 100;
    const { view, end } = message(c as Connection, 'destroy');
    host.table.destroyed(view, 16, end, host.now);
  }
  assert.deepEqual(
    ends().map((t) => [t.dport, t.bytes]),
    [
      [1, 500],
      [2, 500],
      [2, 600],
    ],
  );
  assert.equal(host.table.size, 0);
});

test('more changes than may be told at once are told in turn, none left out', () => {
  const host = new Host(4);
  for (let port = 0; port < 10; port++) host.connect(port, true);
  host.hear(10);
  for (const c of host.live.values()) c.bytes = 100;
  for (let i = 0; i < 3; i++) host.dump(0);
  assert.equal(new Set(host.told.filter((t) => t.kind === 'update').map((t) => t.dport)).size, 10);
  assert.ok(host.tally.get('flows.updates_deferred') > 0);
});

test('a full table loses no start and no end', () => {
  const host = new Host();
  for (let port = 0; port < 200; port++) host.connect(port, true);
  host.hear(200);
  for (let port = 0; port < 200; port++) host.disconnect(port, true);
  host.hear(200);
  assert.equal(host.told.filter((t) => t.kind === 'start').length, 200);
  assert.equal(host.told.filter((t) => t.kind === 'end').length, 200);
  assert.equal(host.tally.get('flows.table_full'), 200 - 63);
});
