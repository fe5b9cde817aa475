// A libvirt network's XML → its bridge, how it forwards, and the addresses it reserves. Pure.
import { isIP } from 'node:net';
import type { NetworkRef } from '@wocloud/libvirt/wire.ts';
import { normalAddress } from './address.ts';
import { all, at, attribute, parseXml, XmlError } from './xml.ts';

export interface LibvirtNetwork {
  ref: NetworkRef;
  bridge: string | null;
  /** nat, route, open, bridge, hostdev, …; '' for isolated. */
  forward: string;
  /** Fixed addresses in its DHCP server, by MAC. */
  reserved: { mac: string; ip: string }[];
  dhcp: boolean;
}

/** Throws XmlError when the text is no network of libvirt. */
export function readNetwork(xml: string, ref: NetworkRef): LibvirtNetwork {
  const root = parseXml(xml);
  if (root.name !== 'network') throw new XmlError('not a network');
  const forward = at(root, 'forward');
  const servers = all(root, 'ip').flatMap((ip) => all(ip, 'dhcp'));
  return {
    ref,
    bridge: attribute(at(root, 'bridge'), 'name') || null,
    forward: forward ? attribute(forward, 'mode') || 'nat' : '',
    reserved: servers
      .flatMap((dhcp) => all(dhcp, 'host'))
      .map((host) => ({ mac: attribute(host, 'mac').toLowerCase(), ip: attribute(host, 'ip') }))
      .filter((host) => host.mac !== '' && isIP(host.ip) !== 0)
      .map((host) => ({ mac: host.mac, ip: normalAddress(host.ip) })),
    dhcp: servers.length > 0,
  };
}
