// The channel's bytes, whatever carries them: a virtio-serial device in a VM, a unix socket in a container.
import { close, open, read, rmSync, statSync, write } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { log } from './log.ts';

export interface WireEvents {
  /** Somebody is at the other end who was not there before. */
  begun: () => void;
  bytes: (chunk: Uint8Array) => void;
}

export interface Wire {
  /** Bytes that wait to be taken. */
  readonly waiting: number;
  /** Takes the bytes, or drops them when nobody is there or more than MAX_WAITING wait. */
  transmit(bytes: Uint8Array): void;
}

/** Long enough for the largest frames under way, short enough for memory. */
export const MAX_WAITING = 4 * 1024 * 1024;
const CHUNK = 64 * 1024;
const AWAY_MS = 200;

/** Opens what is at `path`, or listens there when it is no device. */
export function openWire(path: string, events: WireEvents): Wire {
  return isDevice(path) ? new DeviceWire(path, events) : new SocketWire(path, events);
}

function isDevice(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return path.startsWith('/dev/') || stat?.isCharacterDevice() === true;
}

const opening = promisify(open);
const closing = promisify(close);
const reading = promisify(read);
const writing = promisify(write);

/**
 * Reads and writes block, each in a thread of its own: with nobody at the other end a read says 0 at once, and a write
 * waits. A thread that waits keeps the process from ending in good order: see main.ts.
 */
class DeviceWire implements Wire {
  waiting = 0;
  readonly #path: string;
  readonly #events: WireEvents;
  readonly #queue: Uint8Array[] = [];
  #fd: number | undefined;
  #isWriting = false;

  constructor(path: string, events: WireEvents) {
    this.#path = path;
    this.#events = events;
    void this.#run();
  }

  transmit(bytes: Uint8Array): void {
    if (this.#fd === undefined || this.waiting > MAX_WAITING) return;
    this.#queue.push(bytes);
    this.waiting += bytes.length;
    if (!this.#isWriting) void this.#write(this.#fd);
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        this.#fd = await opening(this.#path, 'r+');
        log(`channel ${this.#path}`);
        this.#events.begun();
        await this.#read(this.#fd);
      } catch (error) {
        log(`channel ${this.#path}: ${(error as Error).message}`);
      }
      if (this.#fd !== undefined) await closing(this.#fd).catch(() => {});
      this.#fd = undefined;
      await delay(AWAY_MS);
    }
  }

  async #read(fd: number): Promise<never> {
    const buffer = Buffer.alloc(CHUNK);
    for (let isAway = false; ;) {
      const { bytesRead } = await reading(fd, buffer, 0, buffer.length, null);
      if (bytesRead === 0) {
        isAway = true;
        await delay(AWAY_MS);
        continue;
      }
      if (isAway) this.#events.begun();
      isAway = false;
      this.#events.bytes(buffer.subarray(0, bytesRead));
    }
  }

  async #write(fd: number): Promise<void> {
    this.#isWriting = true;
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      try {
        const { bytesWritten } = await writing(fd, next);
        this.waiting -= bytesWritten;
        if (bytesWritten === next.length) this.#queue.shift();
        else this.#queue[0] = next.subarray(bytesWritten);
      } catch (error) {
        log(`channel: ${(error as Error).message}`);
        this.#queue.length = 0;
        this.waiting = 0;
      }
    }
    this.#isWriting = false;
  }
}

/** One connection at a time: a new one takes the place of the one before, whose owner is gone or is about to be. */
class SocketWire implements Wire {
  #socket: Socket | undefined;

  constructor(path: string, events: WireEvents) {
    rmSync(path, { force: true });
    const server = createServer((socket) => {
      this.#socket?.destroy();
      this.#socket = socket;
      socket.on('data', (chunk: Buffer) => {
        if (socket === this.#socket) events.bytes(chunk);
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        if (socket === this.#socket) this.#socket = undefined;
      });
      events.begun();
    });
    server.on('error', (error) => {
      throw error;
    });
    server.listen(path, () => log(`channel ${path}`));
  }

  get waiting(): number {
    return this.#socket?.writableLength ?? 0;
  }

  transmit(bytes: Uint8Array): void {
    if (this.waiting <= MAX_WAITING) this.#socket?.write(bytes);
  }
}
