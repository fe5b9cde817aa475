// The rules in force: tested before they are loaded, loaded while traffic goes on, and on disk as one folder per digest,
// of which `current` names the one in force. Whatever fails or dies in between, the old ones stay or the new ones come.
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { InspectionRules } from '@wocloud/protocol/gateway.ts';
import { Compile } from 'typebox/compile';
import { log } from './log.ts';
import { testRules } from './rule-test.ts';
import { CURRENT_RULES, RULE_FILE, THRESHOLD_FILE } from './suricata-config.ts';
import type { Options } from './options.ts';

const inspectionRules = Compile(InspectionRules);
/** The folder before any rules: nothing is looked for. */
const NONE = 'none';
/** Names of rules on disk that the running Suricata may not have read. */
const PENDING = 'pending';
const DIGEST = /^[0-9a-f]{64}$/;

export class Rules {
  readonly #options: Options;
  readonly #load: () => Promise<void>;
  readonly #dir: string;
  /** What was in force before, to go back to. */
  #before = NONE;
  #busy: Promise<unknown> = Promise.resolve();

  /** @param load resolves once a running Suricata has read what `current` names; throws when it does not want to. */
  constructor(options: Options, load: () => Promise<void>) {
    this.#options = options;
    this.#load = load;
    this.#dir = join(options.run, 'rules');
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    if (this.#current === undefined) {
      this.#write(NONE, { rules: '', thresholds: '' });
      this.#point(NONE);
    }
  }

  /** Digest of the rules in force, '' before the first. */
  get digest(): string {
    return DIGEST.test(this.#current ?? '') ? (this.#current as string) : '';
  }

  /** Puts new rules in force; '' or what stands in the way, and then the old ones are. One after the other. */
  take(digest: string, text: string): Promise<string> {
    const result = this.#busy.then(() => this.#take(digest, text)).catch((error: unknown) => String(error));
    this.#busy = result;
    return result;
  }

  /** Finishes what a daemon before this one had begun. */
  async resume(): Promise<void> {
    if (!readdirSync(this.#dir).includes(PENDING)) return;
    this.#busy = this.#load().then(
      () => this.#settled(),
      (error: unknown) => log(`rules on disk could not be loaded: ${String(error)}`),
    );
    await this.#busy;
  }

  /** Suricata does not come up with these rules: the ones before are to be tried. False when there are none. */
  retreat(): boolean {
    const current = this.#current;
    if (current === NONE || current === undefined) return false;
    this.#point(this.#before === current ? NONE : this.#before);
    this.#before = NONE;
    return true;
  }

  async #take(digest: string, text: string): Promise<string> {
    if (digest === this.digest) return '';
    const rules = parse(text);
    if (!rules) return 'the rules are not what gateways take';
    this.#write(digest, rules);
    const error = await testRules(this.#options, join(this.#dir, digest));
    if (error !== '') {
      rmSync(join(this.#dir, digest), { recursive: true, force: true });
      return error;
    }
    const before = this.#current ?? NONE;
    this.#before = before;
    writeFileSync(join(this.#dir, PENDING), digest);
    this.#point(digest);
    try {
      await this.#load();
    } catch (cause) {
      this.#point(before);
      return `Suricata did not load them: ${String(cause)}`;
    }
    this.#settled();
    return this.#current === digest ? '' : 'Suricata does not come up with them';
  }

  get #current(): string | undefined {
    try {
      return basename(readlinkSync(join(this.#options.run, CURRENT_RULES)));
    } catch {
      return undefined;
    }
  }

  #write(name: string, { rules, thresholds }: InspectionRules): void {
    const dir = join(this.#dir, name);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, RULE_FILE), rules);
    writeFileSync(join(dir, THRESHOLD_FILE), thresholds);
  }

  #point(name: string): void {
    const next = join(this.#dir, 'next');
    rmSync(next, { force: true });
    symlinkSync(name, next);
    renameSync(next, join(this.#options.run, CURRENT_RULES));
  }

  /** The running Suricata has what is on disk: the rest is no longer needed. */
  #settled(): void {
    rmSync(join(this.#dir, PENDING), { force: true });
    const kept = new Set(['current', NONE, this.#current, this.#before]);
    for (const name of readdirSync(this.#dir))
      if (!kept.has(name)) rmSync(join(this.#dir, name), { recursive: true, force: true });
  }
}

function parse(text: string): InspectionRules | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return inspectionRules.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
