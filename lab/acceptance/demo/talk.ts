// A long TCP connection from a guest that asks the same again and again, and says how it fares.
import type { LabVm } from '../../lab.ts';
import { Background } from '../background.ts';
import { within } from '../stack.ts';

/** Asks every 100 ms; tells how many answers came, and whether the connection ended. */
const PROGRAM = `
import socket, time
host, port, ask = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
s = socket.create_connection((host, port), timeout=5)
s.settimeout(0.1)
answers, state, waiting = 0, 'talking', False
def tell(): TELL({'port': s.getsockname()[1], 'answers': answers, 'state': state})
tell()
UP()
while not STOPPED() and state == 'talking':
    if not waiting:
        s.sendall(ask); waiting = True
    try:
        if not s.recv(65536): state = 'closed'
        answers += 1; waiting = False
        time.sleep(0.1)
    except (TimeoutError, socket.timeout): pass
    except OSError as e: state = str(e)
    tell()
`;

export interface Fare {
  port: number;
  answers: number;
  /** `talking`, or how the connection ended. */
  state: string;
}

export class Talk implements AsyncDisposable {
  readonly #program: Background;
  readonly #name: string;

  private constructor(program: Background, name: string) {
    this.#program = program;
    this.#name = name;
  }

  /** Connects and returns once the connection stands. `name`: one word, unique in the guest. */
  static async start(vm: LabVm, name: string, host: string, port: number, ask: string): Promise<Talk> {
    return new Talk(await Background.start(vm, `talk-${name}`, PROGRAM, [host, String(port), ask]), name);
  }

  async look(): Promise<Fare> {
    return (await this.#program.told()) as Fare;
  }

  /** Waits until this many answers have come in all. */
  async answered(count: number): Promise<void> {
    await within(20_000, `${count} answers to ${this.#name}`, async () =>
      (await this.look()).answers >= count ? true : undefined,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}
