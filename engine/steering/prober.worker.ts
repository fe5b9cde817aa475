// The prober's thread: waits for what comes out of the gateways, for the next probe to send, and for the engine. It
// alone decides what is alive, and so does not depend on how busy the engine is.
import { isMainThread, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { Bell, Waiter } from '../netlink/socket.ts';
import { AliveSet } from './alive-set.ts';
import { PROBE_EVERY_MS } from './lane.ts';
import { Probing, type ProberCommand, type ProberMessage } from './probing.ts';

const STATUS_EVERY_MS = 1_000;

export interface ProberSetup {
  bell: number;
  port: MessagePort;
}

const now = (): number => performance.now();

function run(bellFd: number, port: MessagePort): void {
  const bell = new Bell(bellFd);
  const alive = new AliveSet();
  const post = (message: ProberMessage) => port.postMessage(message);
  const probing = new Probing({ alive, post, now });
  let waiter: Waiter | undefined;
  let waitsFor = '';
  try {
    probing.settle();
    post({ kind: 'ready' });
    let tickAt = now();
    let statusAt = now() + STATUS_EVERY_MS;
    for (;;) {
      const sockets = probing.isFlooded ? [] : probing.sockets();
      const fds = [bell.fd, ...sockets.map(({ fd }) => fd)];
      if (!waiter || waitsFor !== fds.join()) {
        waiter?.free();
        waiter = new Waiter(fds);
        waitsFor = fds.join();
      }
      waiter.wait(Math.max(0, Math.ceil(Math.min(tickAt, probing.due() ?? Infinity) - now())));
      if (waiter.ready(0)) {
        bell.silence();
        for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
          const command = got.message as ProberCommand;
          if (command.kind === 'stop') return;
          if (command.kind === 'watch') probing.watch(command.numbers);
          else probing.placed(command.instances);
        }
      }
      // What has come is taken before anything is judged by its absence.
      sockets.forEach(({ read }, i) => {
        if (waiter?.ready(i + 1) === true) read();
      });
      if (now() >= tickAt) {
        probing.tick();
        // A thread that was held up sends one probe, not all that it owes.
        tickAt = Math.max(tickAt + PROBE_EVERY_MS, now() + PROBE_EVERY_MS / 2);
      }
      probing.settle();
      if (now() >= statusAt) {
        post(probing.status());
        statusAt = now() + STATUS_EVERY_MS;
      }
    }
  } finally {
    probing.close();
    waiter?.free();
    alive.close();
  }
}

if (!isMainThread) {
  const { bell, port } = workerData as ProberSetup;
  try {
    run(bell, port);
    port.postMessage({ kind: 'stopped' } satisfies ProberMessage);
  } catch (error) {
    port.postMessage({ kind: 'failed', message: (error as Error).message } satisfies ProberMessage);
  } finally {
    port.close();
  }
}
