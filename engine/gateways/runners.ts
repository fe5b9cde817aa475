// All gateways of this host, of whatever form: one Runner for both.
import { readdir } from 'node:fs/promises';
import type { Caller } from '@wocloud/libvirt/procedure.ts';
import { ContainerRunner } from './container.ts';
import { Images } from './images.ts';
import { Places } from './places.ts';
import { GatewayError, instanceDevices, instanceName, type Runner, type RunningInstance } from './runner.ts';
import { VmRunner } from './vm.ts';

export interface RunnersOptions {
  readonly libvirt: Caller;
  /** Of this engine alone: see gatewaysDir. */
  readonly dir: string;
  readonly images: Images;
}

export function openRunners({ libvirt, dir, images }: RunnersOptions): Runner {
  const places = new Places(dir);
  const byForm = {
    vm: new VmRunner(libvirt, places, images),
    container: new ContainerRunner(places, images),
  };
  const list: Runner['list'] = async () => {
    const known = (await Promise.all([byForm.vm.list(), byForm.container.list()])).flat();
    const strays = (await deviceNumbers()).filter((number) => !known.some((one) => one.number === number));
    return [...known, ...strays.map(stray)].sort((one, other) => one.number - other.number);
  };
  return {
    async start(spec) {
      const present = (await list()).find(({ number }) => number === spec.number);
      if (present !== undefined)
        throw new GatewayError(
          'in-use',
          `${instanceName(spec.number)} is here already, as a ${present.form} of gateway ${present.gateway}`,
        );
      return byForm[spec.form].start(spec);
    },
    async stop(number) {
      const form = (await list()).find((instance) => instance.number === number)?.form;
      if (form !== undefined) await byForm[form].stop(number);
    },
    list,
  };
}

/** Instances of which there are devices. */
async function deviceNumbers(): Promise<number[]> {
  const devices = await readdir('/sys/class/net').catch(() => [] as string[]);
  return [...new Set(devices.flatMap((device) => /^wog([1-9]|1[0-5])[abm]$/.exec(device)?.[1] ?? []))].map(
    Number,
  );
}

/** Remains of a container that nothing is known of, as when the run directory was deleted. */
const stray = (number: number): RunningInstance => ({
  number,
  gateway: '',
  form: 'container',
  image: '',
  ...instanceDevices(number),
  channel: '',
  alive: false,
});
