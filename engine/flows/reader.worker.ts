// The reading thread: waits on the kernel's netlink sockets, reads in bulk, and hands the engine rows.
// It alone blocks; it ends when told to, at once.
import { isMainThread, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { ConntrackReading } from './conntrack-reading.ts';
import { LogReading } from './log-reading.ts';
import { ObserveReading } from './observe-reading.ts';
import { MappedFile } from '../netlink/libc.ts';
import { Bell, Waiter } from '../netlink/socket.ts';
import { RowSink } from './sink.ts';
import { Tally } from './tally.ts';
import type { Reading, ReaderCommand, ReaderMessage, ReaderSetup } from './reading.ts';

/** Rows handed over and not yet taken. Past this we let the kernel's buffers fill, and count what overflows them. */
const MAX_IN_FLIGHT = 400_000;
/** ms */
const NAP = 4;

function run(setup: ReaderSetup, port: MessagePort): void {
  const tally = new Tally(setup.tally);
  const inFlight = new Int32Array(setup.inFlight);
  const nap = new Int32Array(new SharedArrayBuffer(4));
  const bell = new Bell(setup.bell);
  const post = (message: ReaderMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const sinkOf = (kind: 'rows' | 'observed') =>
    new RowSink((rows, count) => {
      Atomics.add(inFlight, 0, count);
      post({ kind, rows, count }, [rows]);
    });
  const sink = sinkOf('rows');
  const observed = sinkOf('observed');
  const file =
    setup.conntrack.file === '' ? undefined : new MappedFile(setup.conntrack.file, setup.conntrack.bytes);
  const readings: Reading[] = [];
  let waiter: Waiter | undefined;
  try {
    const conntrack = new ConntrackReading(setup.conntrack, {
      sink,
      tally,
      bytes: file?.bytes ?? new Uint8Array(setup.conntrack.bytes),
    });
    readings.push(conntrack);
    readings.push(
      new LogReading(setup.logs, {
        tally,
        refusals: (list) => post({ kind: 'refusals', list }),
        forgeries: (list) => post({ kind: 'forgeries', list }),
        unanswered: (list) => post({ kind: 'unanswered', list }),
      }),
    );
    const observing = new ObserveReading(setup.observe, {
      sink: observed,
      tally,
      learned: (list) => post({ kind: 'learned', list }),
    });
    readings.push(observing);
    const sockets = readings.flatMap((reading) => reading.sockets.map((socket) => ({ reading, socket })));
    waiter = new Waiter([bell.fd, ...sockets.map(({ socket }) => socket.fd)]);
    post({ kind: 'ready' });
    for (;;) {
      const dues = [sink.due(), observed.due(), ...readings.map((reading) => reading.due())].filter(
        (ms) => ms >= 0,
      );
      waiter.wait(dues.length === 0 ? -1 : Math.ceil(Math.min(...dues)));
      if (waiter.ready(0)) {
        bell.silence();
        for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
          const command = got.message as ReaderCommand;
          if (command.kind === 'stop') return;
          if (command.kind === 'observe') observing.observe(command.networks);
          else if (command.kind === 'live')
            observing.passNow(() => post({ kind: 'live', id: command.id, list: observing.table.live() }));
          else
            conntrack.dumpNow(() =>
              observing.passNow(() => {
                sink.flush();
                observed.flush();
                post({ kind: 'done', id: command.id });
              }),
            );
        }
      }
      while (Atomics.load(inFlight, 0) > MAX_IN_FLIGHT) {
        if (Atomics.wait(inFlight, 0, Atomics.load(inFlight, 0), 20) === 'timed-out') break;
      }
      if (Atomics.load(inFlight, 0) <= MAX_IN_FLIGHT)
        sockets.forEach(({ reading, socket }, i) => {
          if (waiter?.ready(i + 1)) reading.readable(socket);
        });
      for (const reading of readings) reading.tick();
      if (sink.due() === 0) sink.flush();
      if (observed.due() === 0) observed.flush();
      // A moment for more to come: at a few thousand events a second, waking for each costs more than reading it.
      if (readings.every((reading) => reading.isIdle())) Atomics.wait(nap, 0, 0, NAP);
    }
  } finally {
    for (const reading of readings) reading.close();
    sink.flush();
    observed.flush();
    waiter?.free();
    file?.unmap();
  }
}

if (!isMainThread) {
  const { setup, port } = workerData as { setup: ReaderSetup; port: MessagePort };
  try {
    run(setup, port);
    port.postMessage({ kind: 'stopped' } satisfies ReaderMessage);
  } catch (error) {
    port.postMessage({ kind: 'failed', message: (error as Error).message } satisfies ReaderMessage);
  } finally {
    port.close();
  }
}
