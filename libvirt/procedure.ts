/**
 * A remote procedure as a value: its number and the codecs of its arguments and reply. `Caller` is whatever can
 * call one: a Connection, or a Session that outlives connections.
 */
import { nothing, struct, type Codec, type Struct } from './codec.ts';
import type { LibvirtStream } from './stream.ts';

/** The remote driver's program. */
export const REMOTE_PROGRAM = 0x20008086;
/** QEMU's own: monitor and guest agent. */
export const QEMU_PROGRAM = 0x20008087;
export const KEEPALIVE_PROGRAM = 0x6b656570;
/** All programs are at version 1. */
export const PROTOCOL_VERSION = 1;

export interface Procedure<A, R> {
  readonly name: string;
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly ret: Codec<R>;
}

export interface CallOptions {
  /** Gives up waiting when aborted; libvirt may still carry the call out. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline in ms, waiting for a turn included; Infinity for none. Default: the connection's. */
  readonly timeoutMs?: number | undefined;
}

export interface Caller {
  /** Resolves with the reply; rejects with RemoteError, or LibvirtError when no answer came. */
  call<A, R>(procedure: Procedure<A, R>, args: A, options?: CallOptions): Promise<R>;
  /** The same for procedures that open a stream; the options end with the reply, the stream lives on. */
  openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options?: CallOptions,
  ): Promise<{ reply: R; stream: LibvirtStream }>;
}

type Fields = Readonly<Record<string, Codec<unknown>>>;

/** Declares a procedure of the remote program; no fields means no arguments, or an empty reply. */
export function remote<const A extends Fields, const R extends Fields>(
  number: number,
  name: string,
  args: A,
  ret: R,
): Procedure<Struct<A>, Struct<R>> {
  return { name, program: REMOTE_PROGRAM, number, args: struct(args), ret: struct(ret) };
}

/** Declares a procedure of the QEMU program. */
export function qemu<const A extends Fields, const R extends Fields>(
  number: number,
  name: string,
  args: A,
  ret: R,
): Procedure<Struct<A>, Struct<R>> {
  return { name, program: QEMU_PROGRAM, number, args: struct(args), ret: struct(ret) };
}

/** A procedure with neither arguments nor reply. */
export const bare = (number: number, name: string): Procedure<void, void> => ({
  name,
  program: REMOTE_PROGRAM,
  number,
  args: nothing,
  ret: nothing,
});

/** Tells procedures from other exports, for tests that walk all of them. */
export function isProcedure(value: unknown): value is Procedure<unknown, unknown> {
  return (
    typeof value === 'object' && value !== null && 'program' in value && 'args' in value && 'ret' in value
  );
}
