// A Python program that goes on in a guest while the test does something else: started, watched, told to stop.
import type { Guest } from './probe.ts';

/**
 * What a program of `Background` may use: `UP()` says that it has begun, `STOPPED()` whether it is to end, `TELL(value)`
 * replaces what `told` reads. Its last `TELL` is its result.
 */
const PRELUDE = `
import json, os, sys
NAME = sys.argv.pop(1)
def UP(): open(f'/run/{NAME}.up', 'w').close()
def STOPPED(): return os.path.exists(f'/run/{NAME}.stop')
def TELL(value):
    with open(f'/run/{NAME}.new', 'w') as f: json.dump(value, f)
    os.rename(f'/run/{NAME}.new', f'/run/{NAME}.json')
`;

export class Background implements AsyncDisposable {
  readonly #vm: Guest;
  readonly #name: string;
  #stopped: Promise<unknown> | undefined;

  private constructor(vm: Guest, name: string) {
    this.#vm = vm;
    this.#name = name;
  }

  /** Returns once the program has called UP. `name`: one word, unique in the guest. */
  static async start(
    vm: Guest,
    name: string,
    program: string,
    args: readonly string[] = [],
  ): Promise<Background> {
    const file = `/run/${name}.py`;
    await vm.output(`rm -f /run/${name}.*`);
    await vm.output(['tee', file], { stdin: PRELUDE + program });
    const script =
      'setsid python3 "/run/$1.py" "$@" </dev/null >"/run/$1.log" 2>&1 & echo $! >"/run/$1.pid"; ' +
      'until [ -e "/run/$1.up" ]; do kill -0 $! || { cat "/run/$1.log"; exit 1; }; sleep 0.05; done';
    await vm.output(['sh', '-c', script, 'sh', name, ...args]);
    return new Background(vm, name);
  }

  /** What the program told last. */
  async told(): Promise<unknown> {
    return JSON.parse(await this.#vm.output(['cat', `/run/${this.#name}.json`]));
  }

  /** Tells it to end, waits until it has, and answers with what it told last, if anything. Once, however often asked. */
  stop(): Promise<unknown> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<unknown> {
    const at = `/run/${this.#name}`;
    const text = await this.#vm.output(
      `touch ${at}.stop; while kill -0 $(cat ${at}.pid) 2>/dev/null; do sleep 0.05; done; [ ! -e ${at}.json ] || cat ${at}.json`,
    );
    return text === '' ? undefined : JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
