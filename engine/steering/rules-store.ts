// The rules of the gateways as the platform made them, on disk under their digest: a restarted engine has them before
// the platform says a word. What does not match its digest is not kept.
import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { readStateFile, writeStateFileSlowly } from '../state-file.ts';

const decompress = promisify(zstdDecompress);
/** Of the text; what a message can carry, compressed, may unfold to anything. */
const MAX_BYTES = 256 * 1024 * 1024;
const DIGEST = /^[0-9a-f]{64}$/;

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export class RulesStore {
  readonly counters = { 'steering.rulesKept': 0, 'steering.rulesRefused': 0 };
  readonly #dir: string;
  /** The last that was asked for or kept. */
  #last: { digest: string; text: string } | undefined;
  #missing = '';

  /** @param dir the state directory */
  constructor(dir: string) {
    this.#dir = join(dir, 'inspection');
  }

  /** The text with this digest; undefined when it is not here. */
  get(digest: string): string | undefined {
    if (this.#last?.digest === digest) return this.#last.text;
    if (!DIGEST.test(digest) || this.#missing === digest) return undefined;
    const text = readStateFile(this.#path(digest));
    if (text === undefined || digestOf(text) !== digest) {
      this.#missing = digest;
      return undefined;
    }
    this.#last = { digest, text };
    return text;
  }

  /**
   * Keeps a text as it came (zstd, base64) and forgets all others. False when it is not what its digest says. A disk
   * that does not take it is no reason to be without it: then `failed` is told, and it is kept in memory alone.
   */
  async put(digest: string, packed: string, failed: (error: unknown) => void): Promise<boolean> {
    const text = DIGEST.test(digest) ? await unpack(packed) : undefined;
    if (text === undefined || digestOf(text) !== digest) {
      this.counters['steering.rulesRefused']++;
      return false;
    }
    this.counters['steering.rulesKept']++;
    this.#last = { digest, text };
    this.#missing = '';
    try {
      await writeStateFileSlowly(this.#path(digest), text);
      for (const name of readdirSync(this.#dir))
        if (name !== `${digest}.json`) rmSync(join(this.#dir, name), { force: true });
    } catch (error) {
      failed(error);
    }
    return true;
  }

  #path(digest: string): string {
    return join(this.#dir, `${digest}.json`);
  }
}

async function unpack(packed: string): Promise<string | undefined> {
  try {
    const bytes = await decompress(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_BYTES });
    return bytes.toString('utf8');
  } catch {
    return undefined;
  }
}
