/**
 * A port that QEMU keeps open for as long as the host lives, offered as a socket that takes many short connections:
 * inside, the other end of such a port is never closed, whoever comes and goes here.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface Switchboard {
  close(): Promise<void>;
}

/** Listens on `lasting` for QEMU, and on `offered` for those who talk with what is behind it. */
export async function openSwitchboard(lasting: string, offered: string): Promise<Switchboard> {
  const callers = new Set<Socket>();
  let line: Socket | undefined;
  const qemu = createServer((socket) => {
    line = socket;
    socket.on('error', () => socket.destroy());
    // Each caller tells the answers to its own requests from those of others.
    socket.on('data', (data) => {
      for (const caller of callers) caller.write(data);
    });
  });
  const callees = createServer((socket) => {
    callers.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => callers.delete(socket));
    socket.on('data', (data) => line?.write(data));
  });
  await Promise.all([listen(qemu, lasting), listen(callees, offered)]);
  return {
    async close() {
      for (const socket of callers) socket.destroy();
      line?.destroy();
      await Promise.all([qemu, callees].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
