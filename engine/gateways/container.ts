// Gateways as containers: the image's tree, read-only, in namespaces of its own, for hosts without room for a VM. What
// is inside may read and write raw frames on its own devices, as a user that owns nothing, and no more.
import { join } from 'node:path';
import { keeper, type Kept } from './keeper.ts';
import { Images, TREE, verify } from './images.ts';
import type { InstanceRecord, Places } from './places.ts';
import {
  GatewayError,
  instanceDevices,
  instanceName,
  type InstanceSpec,
  type Runner,
  type RunningInstance,
} from './runner.ts';

const SCRIPT = join(import.meta.dirname, 'container.sh');
const DEFAULT_MTU = 1500;

export class ContainerRunner implements Runner {
  readonly #places: Places;
  readonly #images: Images;
  readonly #keeper = keeper();

  constructor(places: Places, images: Images) {
    this.#places = places;
    this.#images = images;
  }

  async start(spec: InstanceSpec): Promise<RunningInstance> {
    const { number } = spec;
    const image = await this.#images.get(spec.image);
    await verify(image, [TREE]);
    const { dir, instance } = await this.#places.begin(spec);
    try {
      instance.held = await this.#keeper.start(kept(spec, dir, join(image.dir, TREE)));
      await this.#places.write(instance);
    } catch (cause) {
      await this.stop(number);
      throw new GatewayError('failed', `container ${instanceName(number)}: ${(cause as Error).message}`, {
        cause,
      });
    }
    return this.#running(instance, true);
  }

  async stop(number: number): Promise<void> {
    const held = (await this.#places.records()).get(number)?.held ?? null;
    await this.#keeper.stop(instanceName(number), held);
    await this.#keeper.run([SCRIPT, 'clean', String(number), this.#places.instance(number)]);
    await this.#places.remove(number);
  }

  async list(): Promise<RunningInstance[]> {
    const records = [...(await this.#places.records()).values()].filter(({ form }) => form === 'container');
    return Promise.all(
      records.map(async (instance) => {
        const name = instanceName(instance.number);
        const alive = instance.held !== null && (await this.#keeper.isAlive(name, instance.held));
        return this.#running(instance, alive);
      }),
    );
  }

  #running({ number, gateway, form, image }: InstanceRecord, alive: boolean): RunningInstance {
    const channel = join(this.#places.instance(number), 'channel/gateway.sock');
    return { number, gateway, form, image, ...instanceDevices(number), channel, alive };
  }
}

function kept({ number, memoryMiB, vcpus, mtu }: InstanceSpec, dir: string, tree: string): Kept {
  return {
    name: instanceName(number),
    argv: [SCRIPT, 'start', String(number), dir, tree, String(mtu ?? DEFAULT_MTU)],
    env: {
      WOCLOUD_GATEWAY_MEMORY_MIB: String(memoryMiB),
      WOCLOUD_GATEWAY_CPUS: String(vcpus),
    },
    log: join(dir, 'log'),
    ready: join(dir, 'ready'),
    memoryMiB,
    vcpus,
  };
}
