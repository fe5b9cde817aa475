// Where an engine keeps what belongs to its running gateways: a directory below the run directory, one per instance in
// it, and a record of what was started, so that the next engine knows it.
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { paths } from '@wocloud/protocol/paths.ts';
import { GATEWAY_FORMS } from '@wocloud/protocol/resources/gateway.ts';
import { oneOf, record } from '@wocloud/protocol/schema.ts';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { Held } from './keeper.ts';

/** What was started as instance N. `held`: how a container's processes are found. */
export const InstanceRecord = record({
  number: Type.Integer({ minimum: 1, maximum: 15 }),
  gateway: Type.String(),
  form: oneOf(GATEWAY_FORMS),
  image: Type.String(),
  held: Type.Union([
    record({ by: Type.Literal('process'), pid: Type.Integer(), started: Type.String() }),
    record({ by: Type.Literal('systemd') }),
    Type.Null(),
  ]),
});
export type InstanceRecord = Omit<Static<typeof InstanceRecord>, 'held'> & { held: Held | null };

/** The directory of the engine with this state directory: several may share a run directory. */
export function gatewaysDir(state: string): string {
  return join(paths().run, 'gateways', createHash('sha256').update(state).digest('hex').slice(0, 8));
}

export class Places {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  instance(number: number): string {
    return join(this.#dir, String(number));
  }

  /** An empty directory for an instance. Others may pass through: QEMU is another user. */
  async #make(number: number): Promise<string> {
    const dir = this.instance(number);
    await rm(dir, { recursive: true, force: true });
    const first = (await mkdir(dir, { recursive: true })) ?? dir;
    for (let at = dir; at.length >= first.length; at = dirname(at)) await chmod(at, 0o711);
    return dir;
  }

  /** Before anything is made, so that whatever happens it is known what to take away. */
  async begin({ number, gateway, form, image }: Omit<InstanceRecord, 'held'>): Promise<{
    dir: string;
    instance: InstanceRecord;
  }> {
    const dir = await this.#make(number);
    const instance: InstanceRecord = { number, gateway, form, image, held: null };
    await this.write(instance);
    return { dir, instance };
  }

  async write(instance: InstanceRecord): Promise<void> {
    const path = this.#record(instance.number);
    await writeFile(`${path}.new`, JSON.stringify(instance));
    await rename(`${path}.new`, path);
  }

  /** Records by number; one that cannot be read is as if it were not there. */
  async records(): Promise<Map<number, InstanceRecord>> {
    const found = new Map<number, InstanceRecord>();
    for (const name of await readdir(this.#dir).catch(() => [] as string[])) {
      if (!name.endsWith('.json')) continue;
      try {
        const value: unknown = JSON.parse(await readFile(join(this.#dir, name), 'utf8'));
        if (Value.Check(InstanceRecord, value)) found.set(value.number, value);
      } catch {
        continue; // taken away meanwhile, or never written whole
      }
    }
    return found;
  }

  /** Forgets an instance that is no more. */
  async remove(number: number): Promise<void> {
    await rm(this.instance(number), { recursive: true, force: true });
    await rm(this.#record(number), { force: true });
  }

  #record(number: number): string {
    return join(this.#dir, `${number}.json`);
  }
}
