// What really arrived at a guest: every frame its NICs received, kept in the guest until asked for.
import { gunzipSync } from 'node:zlib';
import type { LabVm } from '../../lab.ts';

/** Writes received frames (hex, one a line) until it is told to stop. What the guest itself sends is left out. */
const PROGRAM = `
import os, select, socket
OUTGOING, ALL = 4, 3
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
with open('/run/sniffer.out', 'w') as out:
    open('/run/sniffer.up', 'w').close()
    while True:
        ready, _, _ = select.select([s], [], [], 0.1)
        if not ready:
            if os.path.exists('/run/sniffer.stop'): break
            continue
        frame, address = s.recvfrom(4096)
        if address[2] != OUTGOING and len(frame) >= 14: out.write(frame[:200].hex() + '\\n')
open('/run/sniffer.done', 'w').close()
`;

export class Sniffer {
  readonly vm: LabVm;

  private constructor(vm: LabVm) {
    this.vm = vm;
  }

  /** Returns once it listens. One at a time per guest. */
  static async start(vm: LabVm): Promise<Sniffer> {
    await vm.output(['tee', '/run/sniffer.py'], { stdin: PROGRAM });
    await vm.output(
      'rm -f /run/sniffer.up /run/sniffer.stop /run/sniffer.done; ' +
        'setsid python3 /run/sniffer.py </dev/null >/run/sniffer.log 2>&1 & ' +
        'until [ -e /run/sniffer.up ]; do kill -0 $! || { cat /run/sniffer.log; exit 1; }; sleep 0.05; done',
    );
    return new Sniffer(vm);
  }

  /** Ends it once nothing more comes; the frames, at most their first 200 octets each. */
  async stop(): Promise<Buffer[]> {
    await this.vm.output(
      'touch /run/sniffer.stop; until [ -e /run/sniffer.done ]; do sleep 0.05; done; gzip -c /run/sniffer.out | base64 > /run/sniffer.b64',
    );
    const packed = await this.vm.output(['cat', '/run/sniffer.b64']);
    const text = gunzipSync(Buffer.from(packed, 'base64')).toString();
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Buffer.from(line, 'hex'));
  }
}
