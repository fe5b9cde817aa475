// A long TCP connection from a guest that asks the same again and again, and says how it fares.
import type { LabVm } from '../../lab.ts';
import { within } from '../stack.ts';

/** Asks every 100 ms; writes how many answers came, when the last did, and whether the connection ended. */
const PROGRAM = `
import json, os, socket, sys, time
name, host, port, ask = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
s = socket.create_connection((host, port), timeout=5)
s.settimeout(0.1)
answers, last, state = 0, time.monotonic(), 'talking'
def tell():
    with open(f'/run/talk-{name}.new', 'w') as f:
        json.dump({'port': s.getsockname()[1], 'answers': answers, 'state': state}, f)
    os.rename(f'/run/talk-{name}.new', f'/run/talk-{name}')
tell()
waiting = False
while not os.path.exists(f'/run/talk-{name}.stop') and state == 'talking':
    if not waiting:
        s.sendall(ask); waiting = True
    try:
        if not s.recv(65536): state = 'closed'
        answers += 1; waiting = False
        time.sleep(0.1)
    except (TimeoutError, socket.timeout): pass
    except OSError as e: state = str(e)
    tell()
os.remove(f'/run/talk-{name}')
`;

export interface Fare {
  port: number;
  answers: number;
  /** `talking`, or how the connection ended. */
  state: string;
}

export class Talk {
  readonly #vm: LabVm;
  readonly #name: string;

  private constructor(vm: LabVm, name: string) {
    this.#vm = vm;
    this.#name = name;
  }

  /** Connects and returns once the connection stands. `name`: one word, unique in the guest. */
  static async start(vm: LabVm, name: string, host: string, port: number, ask: string): Promise<Talk> {
    await vm.output(['tee', '/run/talk.py'], { stdin: PROGRAM });
    await vm.output([
      'sh',
      '-c',
      'name=$1; rm -f /run/talk-$name*; setsid python3 /run/talk.py "$@" </dev/null >/run/talk-$name.log 2>&1 & ' +
        'until [ -e /run/talk-$1 ]; do kill -0 $! || { cat /run/talk-$1.log; exit 1; }; sleep 0.05; done',
      'talk',
      name,
      host,
      String(port),
      ask,
    ]);
    return new Talk(vm, name);
  }

  async look(): Promise<Fare> {
    return JSON.parse(await this.#vm.output(['cat', `/run/talk-${this.#name}`])) as Fare;
  }

  /** Waits until this many answers have come in all. */
  async answered(count: number): Promise<void> {
    await within(20_000, `${count} answers to ${this.#name}`, async () =>
      (await this.look()).answers >= count ? true : undefined,
    );
  }

  async stop(): Promise<void> {
    await this.#vm.output(
      `touch /run/talk-${this.#name}.stop; while [ -e /run/talk-${this.#name} ]; do sleep 0.05; done`,
    );
  }
}
