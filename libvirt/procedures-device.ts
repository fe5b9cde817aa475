/**
 * Devices of a domain: attach, detach, update; by XML, flags of Affect say whether live, defined or both.
 */
import { string, uint } from './codec.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, type DomainLike } from './wire.ts';

const withXml = { domain: domainArg, xml: string, flags: uint };

export const DomainAttachDeviceFlags = remote(160, 'domain_attach_device_flags', withXml, {});
export const DomainDetachDeviceFlags = remote(161, 'domain_detach_device_flags', withXml, {});
export const DomainUpdateDeviceFlags = remote(174, 'domain_update_device_flags', withXml, {});
export const DomainDetachDeviceAlias = remote(
  392,
  'domain_detach_device_alias',
  { domain: domainArg, alias: string, flags: uint },
  {},
);

const byXml =
  (procedure: typeof DomainAttachDeviceFlags) =>
  async (
    caller: Caller,
    domain: DomainLike,
    xml: string,
    flags = 0,
    options?: CallOptions,
  ): Promise<void> => {
    await caller.call(procedure, { domain, xml, flags }, options);
  };

/** Adds a device. */
export const attachDevice = byXml(DomainAttachDeviceFlags);

/** Asks for a device's removal; live, it is gone when the event `domain-device-removed` says so. */
export const detachDevice = byXml(DomainDetachDeviceFlags);

/** Changes a device in place, e.g. a NIC's link state or bridge, a CD-ROM's medium. */
export const updateDevice = byXml(DomainUpdateDeviceFlags);

/** As detachDevice, by the device's alias. */
export async function detachDeviceByAlias(
  caller: Caller,
  domain: DomainLike,
  alias: string,
  flags = 0,
  options?: CallOptions,
): Promise<void> {
  await caller.call(DomainDetachDeviceAlias, { domain, alias, flags }, options);
}
