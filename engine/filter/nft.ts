// nftables in this process: libnftables called through koffi, one command at a time, off the main thread. A command
// buffer is one transaction: all of it stands in the kernel afterwards, or nothing. No process is started.
import koffi from '../native.ts';
import { EngineError } from '../errors.ts';

/** Bits of nft_ctx_output_set_flags, as in <nftables/libnftables.h>. */
const OUTPUT = {
  stateless: 1 << 2,
  handle: 1 << 3,
  json: 1 << 4,
  numericProtocol: 1 << 7,
  numericPriority: 1 << 8,
  numericSymbol: 1 << 9,
  numericTime: 1 << 10,
} as const;
const NUMERIC = OUTPUT.numericProtocol | OUTPUT.numericPriority | OUTPUT.numericSymbol | OUTPUT.numericTime;

function load() {
  const library = koffi.load('libnftables.so.1');
  return {
    create: library.func('void *nft_ctx_new(uint32_t flags)'),
    free: library.func('void nft_ctx_free(void *ctx)'),
    run: library.func('int nft_run_cmd_from_buffer(void *ctx, const char *buffer)'),
    bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)'),
    bufferError: library.func('int nft_ctx_buffer_error(void *ctx)'),
    output: library.func('const char *nft_ctx_get_output_buffer(void *ctx)'),
    error: library.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
    setFlags: library.func('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
  };
}

/** The kernel or nft's parser refused; nothing of the transaction stands. */
export class NftError extends Error {
  readonly code = 'firewall.refused';
}

export class Nft {
  readonly #library: ReturnType<typeof load>;
  readonly #context: unknown;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly counters = { 'nft.commands': 0, 'nft.failures': 0 };

  /** Throws EngineError `firewall` when nftables is not installed. */
  constructor() {
    try {
      this.#library = load();
    } catch (cause) {
      throw new EngineError('firewall', 'libnftables.so.1 is not there. Install the package "nftables".', {
        cause,
      });
    }
    this.#context = this.#library.create(0);
    this.#library.bufferOutput(this.#context);
    this.#library.bufferError(this.#context);
  }

  /** Runs a transaction. */
  async apply(commands: string): Promise<void> {
    await this.#run(commands, NUMERIC);
  }

  /** Runs a `list` command; text without counters and other state, numbers instead of names: the same for the same rules. */
  list(command: string): Promise<string> {
    return this.#run(command, NUMERIC | OUTPUT.stateless);
  }

  /** Runs a `list` command; libnftables' JSON, with handles and counters. */
  async listJson(command: string): Promise<unknown> {
    return JSON.parse((await this.#run(command, NUMERIC | OUTPUT.json | OUTPUT.handle)) || '{"nftables":[]}');
  }

  /** Waits for what runs and frees the library's memory. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => {});
    this.#library.free(this.#context);
  }

  #run(commands: string, flags: number): Promise<string> {
    const turn = this.#last.then(() => this.#runNow(commands, flags));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #runNow(commands: string, flags: number): Promise<string> {
    this.counters['nft.commands']++;
    this.#library.setFlags(this.#context, flags);
    const status = await new Promise<number>((resolve, reject) => {
      this.#library.run.async(this.#context, commands, (error: Error | null, result: number) =>
        error ? reject(error) : resolve(result),
      );
    });
    // Both buffers must be read, or they grow into the next answer.
    const output = this.#library.output(this.#context) as string;
    const error = this.#library.error(this.#context) as string;
    if (status === 0) return output;
    this.counters['nft.failures']++;
    throw new NftError(explain(error));
  }
}

/** nft's messages without the echo of a long command. */
function explain(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^[\s^~]+$/.test(line));
  const short = lines.slice(0, 6).map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line));
  return short.join('; ') || 'nft failed without a message';
}

/** True when a `list` failed only because the object is not there. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof NftError && error.message.includes('No such file or directory');
