// What really arrived at a guest: every frame its NICs received, kept in the guest until asked for.
import { gunzipSync } from 'node:zlib';
import type { LabVm } from '../../lab.ts';
import { Background } from '../background.ts';

/** Keeps received frames, but for what the guest itself sends; tells them packed when it is told to stop. */
const PROGRAM = `
import base64, gzip, select, socket
OUTGOING, ALL = 4, 3
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
frames = []
UP()
while True:
    if not select.select([s], [], [], 0.1)[0]:
        if STOPPED(): break
        continue
    frame, address = s.recvfrom(4096)
    if address[2] != OUTGOING and len(frame) >= 14: frames.append(frame[:200].hex())
TELL(base64.b64encode(gzip.compress('\\n'.join(frames).encode())).decode())
`;

export class Sniffer implements AsyncDisposable {
  readonly vm: LabVm;
  readonly #program: Background;

  private constructor(vm: LabVm, program: Background) {
    this.vm = vm;
    this.#program = program;
  }

  /** Returns once it listens. One at a time per guest. */
  static async start(vm: LabVm): Promise<Sniffer> {
    return new Sniffer(vm, await Background.start(vm, 'sniffer', PROGRAM));
  }

  /** Ends it once nothing more comes; the frames, at most their first 200 octets each. */
  async stop(): Promise<Buffer[]> {
    const packed = (await this.#program.stop()) as string;
    return gunzipSync(Buffer.from(packed, 'base64'))
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Buffer.from(line, 'hex'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}
