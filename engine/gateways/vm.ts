// Gateways as VMs: transient libvirt domains from the image's read-only disk. libvirt keeps them whatever becomes of the
// engine, and they are known again by what their XML says.
import { existsSync } from 'node:fs';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accelerator, type Accelerator } from '@wocloud/image/accelerator.ts';
import { program } from '@wocloud/image/program.ts';
import { DomainStart, ListDomains } from '@wocloud/libvirt/constants.ts';
import { ErrorNumber } from '@wocloud/libvirt/constants-error.ts';
import { isRemote } from '@wocloud/libvirt/errors.ts';
import type { Caller } from '@wocloud/libvirt/procedure.ts';
import { capabilities } from '@wocloud/libvirt/procedures-connect.ts';
import {
  createDomainXml,
  destroyDomain,
  domainByName,
  domainState,
  domainXml,
  listDomains,
  resumeDomain,
} from '@wocloud/libvirt/procedures-domain.ts';
import { parseXml } from '../inventory/xml.ts';
import { gatewayXml, readGateway, type GatewayDomain } from './domain.ts';
import { DISK, Images, verify } from './images.ts';
import type { Places } from './places.ts';
import {
  GatewayError,
  instanceDevices,
  instanceName,
  type InstanceSpec,
  type Runner,
  type RunningInstance,
} from './runner.ts';

/** libvirt starts QEMU and opens the taps before it answers; on a busy host that takes its time. */
const CREATE_MS = 60_000;
const BOOTED = ['vmlinuz', 'initrd'];

export class VmRunner implements Runner {
  readonly #libvirt: Caller;
  readonly #places: Places;
  readonly #images: Images;

  constructor(libvirt: Caller, places: Places, images: Images) {
    this.#libvirt = libvirt;
    this.#places = places;
    this.#images = images;
  }

  async start(spec: InstanceSpec): Promise<RunningInstance> {
    const { number } = spec;
    const image = await this.#images.get(spec.image);
    await verify(image, [DISK]);
    const { dir, instance } = await this.#places.begin(spec);
    try {
      // libvirt gives kernel and initrd to QEMU's user while it runs: the image itself stays root's.
      const copy = (name: string): string => join(dir, name);
      for (const name of BOOTED) {
        await copyFile(join(image.dir, name), copy(name));
        await chmod(copy(name), 0o444);
      }
      await verify(image, BOOTED, copy);
      const files = {
        kernel: copy('vmlinuz'),
        initrd: copy('initrd'),
        disk: join(image.dir, DISK),
        channel: this.#channel(number),
      };
      const xml = gatewayXml(spec, files, await this.#accelerator());
      // Not a frame is let in before the taps are as they should be.
      const domain = await createDomainXml(this.#libvirt, xml, DomainStart.paused, { timeoutMs: CREATE_MS });
      await quietTaps(Object.values(instanceDevices(number)));
      await resumeDomain(this.#libvirt, domain);
    } catch (cause) {
      await this.stop(number);
      if (cause instanceof GatewayError) throw cause;
      throw new GatewayError('failed', `domain ${instanceName(number)}: ${(cause as Error).message}`, {
        cause,
      });
    }
    return this.#running(instance, true);
  }

  async stop(number: number): Promise<void> {
    try {
      const domain = await domainByName(this.#libvirt, instanceName(number));
      await destroyDomain(this.#libvirt, domain);
    } catch (error) {
      if (!isRemote(error, ErrorNumber.noDomain)) throw error;
    }
    await this.#places.remove(number);
  }

  async list(): Promise<RunningInstance[]> {
    const domains = await this.#domains();
    const seen = new Set(domains.map(({ number }) => number));
    const ended = [...(await this.#places.records()).values()].filter(
      ({ form, number }) => form === 'vm' && !seen.has(number),
    );
    return [
      ...domains.map((domain) => this.#running(domain, domain.isRunning)),
      ...ended.map((instance) => this.#running(instance, false)),
    ];
  }

  /** One that is not running, whoever stopped it, works no more than one that is gone. */
  async #domains(): Promise<(GatewayDomain & { isRunning: boolean })[]> {
    const found = await Promise.all(
      (await listDomains(this.#libvirt, ListDomains.active)).map(async (domain) => {
        // No other name can be one, and a host has many domains.
        if (!domain.name?.startsWith(instanceName(0).slice(0, -1))) return null;
        try {
          const gateway = readGateway(parseXml(await domainXml(this.#libvirt, domain)));
          const { state } = await domainState(this.#libvirt, domain);
          return gateway && { ...gateway, isRunning: state === 'running' || state === 'blocked' };
        } catch (error) {
          if (isRemote(error, ErrorNumber.noDomain)) return null;
          throw error;
        }
      }),
    );
    return found.filter((domain) => domain !== null);
  }

  /** Whoever cannot see /dev/kvm, as an engine confined by systemd, takes libvirt's word for it. */
  async #accelerator(): Promise<Accelerator> {
    if (existsSync('/dev/kvm') || process.env['WOCLOUD_ACCEL'] !== undefined) return accelerator();
    return (await capabilities(this.#libvirt)).includes("<domain type='kvm'") ? 'kvm' : 'qemu';
  }

  #channel(number: number): string {
    return join(this.#places.instance(number), 'gateway.sock');
  }

  #running({ number, gateway, image }: GatewayDomain, alive: boolean): RunningInstance {
    return {
      number,
      gateway,
      form: 'vm',
      image,
      ...instanceDevices(number),
      channel: this.#channel(number),
      alive,
    };
  }
}

/** Devices with which the host itself never speaks: no address, no ARP, no multicast of its own. */
async function quietTaps(devices: readonly string[]): Promise<void> {
  for (const device of devices) {
    const path = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
    if (existsSync(path)) await writeFile(path, '1');
    await program(['ip', 'link', 'set', device, 'arp', 'off', 'multicast', 'off', 'up']);
  }
}
