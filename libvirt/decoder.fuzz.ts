/**
 * Hostile bytes into everything that decodes: the packet parser, every reply, every event, the error structure. They
 * may be refused with ProtocolError or make a value no larger than they are; nothing else, and not slowly.
 */
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { decodeEvent, EVENT_TYPES } from './events.ts';
import { FRAME_MAX, FrameParser, HEADER_BYTES } from './frame.ts';
import { isProcedure, QEMU_PROGRAM, REMOTE_PROGRAM } from './procedure.ts';
import { remoteError } from './wire.ts';
import { XdrReader } from './xdr.ts';

interface Decoder {
  readonly name: string;
  decode(bytes: Buffer): unknown;
}

/** Everything that turns a payload into a value. */
export async function allDecoders(): Promise<readonly Decoder[]> {
  const decoders: Decoder[] = [
    { name: 'error', decode: (bytes) => remoteError.decode(new XdrReader(bytes)) },
  ];
  const files = readdirSync(import.meta.dirname).filter((name) =>
    /^(procedures-[a-z]+|events)\.ts$/.test(name),
  );
  for (const file of files) {
    const exports = (await import(`./${file}`)) as Readonly<Record<string, unknown>>;
    for (const procedure of Object.values(exports).filter(isProcedure)) {
      decoders.push({ name: procedure.name, decode: (bytes) => procedure.ret.decode(new XdrReader(bytes)) });
      decoders.push({
        name: `${procedure.name} arguments`,
        decode: (bytes) => procedure.args.decode(new XdrReader(bytes)),
      });
    }
  }
  for (const [kind, { of, procedure }] of Object.entries(EVENT_TYPES)) {
    const program = of === 'monitor' ? QEMU_PROGRAM : REMOTE_PROGRAM;
    decoders.push({ name: kind, decode: (payload) => decodeEvent({ program, procedure, payload }) });
  }
  return decoders;
}

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Words that look like counts, flags, types and lengths lead deep into a decoder; plain noise seldom does. */
const payload = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.nat(8).map(word) },
      {
        weight: 2,
        arbitrary: fc
          .constantFrom('web\0', 'vda\0', '\u00ff\ufffdxy', '    ')
          .map((text) => Buffer.from(text, 'latin1')),
      },
      { weight: 1, arbitrary: fc.nat(0xffffffff).map(word) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom(0x7fffffff, 0x80000000, 0xffffffff, 0x00400000, 0x00400001, 0x00004000)
          .map(word),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 7 }).map((bytes) => Buffer.from(bytes)) },
    ),
    { maxLength: 96 },
  )
  .map((parts) => Buffer.concat(parts));

/** How many values a decoded structure holds, and how many characters and bytes. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 1 + value.length;
  if (value instanceof Uint8Array) return 1 + value.length;
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part), 1);
}

/** Runs an attempt; passes ProtocolError, fails on any other error and on anything that takes over a second. */
function refusedOrDone<T>(attempt: () => T): T | undefined {
  const start = performance.now();
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  } finally {
    if (performance.now() - start > 1_000) throw new Error('took over a second'); // oxlint-disable-line no-unsafe-finally
  }
}

/** `runs` payloads into every kind of decoder, each run into one of them. Throws with the counterexample. */
export async function fuzzDecoders(runs: number): Promise<void> {
  const decoders = await allDecoders();
  const property = fc.property(fc.nat(decoders.length - 1), payload, (index, bytes) => {
    const decoder = decoders[index] as Decoder;
    const value = refusedOrDone(() => decoder.decode(bytes));
    // A structure has a few fields and names of its own; beyond those, each value needs bytes to come from.
    return value === undefined || sizeOf(value) <= 160 + bytes.length;
  });
  fc.assert(property, { numRuns: runs });
}

const header = fc
  .record({
    length: fc.oneof(fc.nat(200), fc.constantFrom(0, 27, 28, FRAME_MAX, FRAME_MAX + 1, 0xffffffff)),
    type: fc.oneof({ weight: 9, arbitrary: fc.nat(6) }, fc.nat(0xffffffff)),
    status: fc.oneof({ weight: 9, arbitrary: fc.nat(2) }, fc.nat(0xffffffff)),
    serial: fc.nat(0xffffffff),
  })
  .map(({ length, type, status, serial }) =>
    Buffer.concat([length, REMOTE_PROGRAM, 1, 59, type, serial, status].map(word)),
  );

/** A packet whose length is right, around any payload: so that the stream goes on after it. */
const packet = fc.tuple(header, payload).map(([head, body]) => {
  head.writeUInt32BE(HEADER_BYTES + body.length);
  return Buffer.concat([head, body]);
});

const byteStream = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: packet },
      { weight: 1, arbitrary: fc.tuple(header, payload).map((parts) => Buffer.concat(parts)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));

/** `runs` byte streams, cut anywhere, into the packet parser: the cuts change nothing, refusals are final. */
export function fuzzFrames(runs: number): void {
  const property = fc.property(
    byteStream,
    fc.infiniteStream(fc.integer({ min: 1, max: 64 })),
    (bytes, cuts) => {
      const whole = parse([bytes]);
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length;) {
        const size = cuts.next().value as number;
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      const cut = parse(pieces);
      return whole.refused === cut.refused && whole.frames === cut.frames;
    },
  );
  fc.assert(property, { numRuns: runs });
}

function parse(chunks: readonly Buffer[]): { frames: string; refused: boolean } {
  const parser = new FrameParser();
  let given = 0;
  let frames = '';
  for (const chunk of chunks) {
    given += chunk.length;
    const done = refusedOrDone(() => {
      for (const { type, status, serial, payload } of parser.push(chunk)) {
        frames += `${type}/${status}/${serial}/${payload.toString('hex')};`;
      }
      return true;
    });
    if (done === undefined) {
      if (refusedOrDone(() => [...parser.push(Buffer.alloc(0))]) !== undefined)
        throw new Error('a refusal was forgotten');
      if (parser.pending !== 0) throw new Error('a refused stream keeps bytes');
      return { frames, refused: true };
    }
    if (parser.pending > given) throw new Error('the parser keeps more than it was given');
  }
  return { frames, refused: false };
}
