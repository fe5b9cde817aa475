/**
 * A server that speaks just enough of the protocol to be opened, and then says to its clients exactly what a test
 * wants, right or wrong. For what a real libvirtd would never do, or only once a year.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Codec } from '../codec.ts';
import type { RemoteErrorFields } from '../errors.ts';
import { encodeFrame, FrameParser, FrameStatus, FrameType, rawFrame, type Frame } from '../frame.ts';
import { KEEPALIVE_PROGRAM, REMOTE_PROGRAM, type Procedure } from '../procedure.ts';
import { AuthList, ConnectClose, ConnectOpen, ConnectSupportsFeature } from '../procedures-connect.ts';
import { remoteError } from '../wire.ts';
import { XdrReader } from '../xdr.ts';

/** One client, as the server sees it. */
export class FakePeer {
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Whatever bytes. */
  raw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  reply<R>(call: Frame, procedure: Pick<Procedure<never, R>, 'ret'>, value: R): void {
    this.raw(encodeFrame({ ...call, type: FrameType.reply, status: FrameStatus.ok }, procedure.ret, value));
  }

  error(call: Frame, error: Partial<RemoteErrorFields> & { number: number }): void {
    const fields = {
      domain: 10,
      message: 'refused',
      str1: null,
      str2: null,
      str3: null,
      int1: -1,
      int2: -1,
      ...error,
    };
    this.raw(encodeFrame({ ...call, type: FrameType.reply, status: FrameStatus.error }, remoteError, fields));
  }

  stream(call: Frame, status: keyof typeof FrameStatus, bytes?: Uint8Array): void {
    this.raw(rawFrame({ ...call, type: FrameType.stream, status: FrameStatus[status] }, bytes));
  }

  message<T>(program: number, procedure: number, codec: Codec<T>, value: T): void {
    this.raw(
      encodeFrame(
        { program, version: 1, procedure, type: FrameType.message, serial: 0, status: FrameStatus.ok },
        codec,
        value,
      ),
    );
  }

  ping(): void {
    this.raw(
      rawFrame({
        program: KEEPALIVE_PROGRAM,
        version: 1,
        procedure: 1,
        type: FrameType.message,
        serial: 0,
        status: FrameStatus.ok,
      }),
    );
  }
}

export interface FakeLibvirtd {
  readonly socket: string;
  /** Everything received, in order, over all connections. */
  readonly received: Frame[];
  readonly peers: FakePeer[];
  stop(): Promise<void>;
}

/** What the server does with a packet that is not part of opening. */
export type Handler = (peer: FakePeer, frame: Frame, server: FakeLibvirtd) => void;

/** Arguments of a call that the server received. */
export function argumentsOf<A>(procedure: Procedure<A, unknown>, frame: Frame): A {
  return procedure.args.decode(new XdrReader(frame.payload));
}

/** Starts one on a unix socket of its own; `keepalive: false` does not know keepalive, `mute` answers nothing at all. */
export async function startFakeLibvirtd(
  handler: Handler,
  options: { keepalive?: boolean; auth?: number[]; mute?: boolean } = {},
): Promise<FakeLibvirtd> {
  const dir = await mkdtemp(join(tmpdir(), 'fake-libvirtd-'));
  const socketPath = join(dir, 'sock');
  const server: FakeLibvirtd = {
    socket: socketPath,
    received: [],
    peers: [],
    async stop() {
      for (const peer of server.peers) peer.socket.destroy();
      await new Promise((done) => listener.close(done));
      await rm(dir, { recursive: true, force: true });
    },
  };
  const opening: Readonly<Record<number, (peer: FakePeer, frame: Frame) => void>> = {
    [AuthList.number]: (peer, frame) => peer.reply(frame, AuthList, { types: options.auth ?? [0] }),
    [ConnectSupportsFeature.number]: (peer, frame) =>
      peer.reply(frame, ConnectSupportsFeature, { supported: options.keepalive !== false }),
    [ConnectOpen.number]: (peer, frame) => peer.reply(frame, ConnectOpen, {}),
    [ConnectClose.number]: (peer, frame) => peer.reply(frame, ConnectClose, undefined),
  };
  const listener = createServer((socket) => {
    const peer = new FakePeer(socket);
    const parser = new FrameParser();
    server.peers.push(peer);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (options.mute === true) return;
      for (const frame of parser.push(chunk)) {
        server.received.push(frame);
        const isCall = frame.type === FrameType.call && frame.program === REMOTE_PROGRAM;
        const open = isCall ? opening[frame.procedure] : undefined;
        if (open === undefined) handler(peer, frame, server);
        else open(peer, frame);
      }
    });
  });
  await new Promise<void>((done) => listener.listen(socketPath, done));
  return server;
}
