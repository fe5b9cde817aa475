// A domain's XML → what we need of it: identity, size, metadata, and how each NIC reaches the network. Pure.
import type { ObservedNic } from '@wocloud/protocol/reports.ts';
import { readGateway, type GatewayDomain } from '../gateways/domain.ts';
import { readMetadata, type DomainMetadata } from './metadata.ts';
import { all, at, attribute, parseXml, XmlError, type Element } from './xml.ts';

export interface DomainNic {
  mac: string;
  model: string;
  link: ObservedNic['link'];
  /** libvirt network, bridge, device or socket, as the XML names it. */
  source: string;
  /** Where the XML says so: always for `bridge`, for `network` while the domain runs. */
  bridge: string | null;
  tap: string | null;
  /** VLAN tag in the XML (Open vSwitch, SR-IOV); a Linux bridge's own is asked of the bridge. */
  vlan: number | null;
}

export interface Domain {
  id: string;
  name: string;
  title: string;
  vcpus: number;
  memoryKiB: number;
  metadata: DomainMetadata;
  nics: DomainNic[];
  /** A guest agent's channel is connected. */
  agent: boolean;
  /** There when it is a security gateway of ours, and no VM of anyone. */
  gateway?: GatewayDomain;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const DEVICE = /^[^\s/]{1,15}$/;
const MAX_NICS = 64;

const KIB: Record<string, number> = {
  b: 1 / 1024,
  bytes: 1 / 1024,
  KB: 1000 / 1024,
  k: 1,
  KiB: 1,
  '': 1,
  MB: 1e6 / 1024,
  M: 1024,
  MiB: 1024,
  GB: 1e9 / 1024,
  G: 1024 ** 2,
  GiB: 1024 ** 2,
  TB: 1e12 / 1024,
  T: 1024 ** 3,
  TiB: 1024 ** 3,
};

/** Throws XmlError when the text is no domain of libvirt. */
export function readDomain(xml: string): Domain {
  const root = parseXml(xml);
  const id = at(root, 'uuid')?.text.toLowerCase() ?? '';
  if (root.name !== 'domain' || !UUID.test(id)) throw new XmlError('not a domain with a UUID');
  const devices = at(root, 'devices');
  const gateway = readGateway(root);
  return {
    id,
    name: clip(at(root, 'name')?.text ?? '', 255),
    title: clip(at(root, 'title')?.text ?? '', 255),
    vcpus: count(attribute(at(root, 'vcpu'), 'current') || (at(root, 'vcpu')?.text ?? '')),
    memoryKiB: memory(at(root, 'currentMemory') ?? at(root, 'memory')),
    metadata: readMetadata(at(root, 'metadata')),
    nics: all(devices, 'interface').flatMap(readNic).slice(0, MAX_NICS),
    agent: all(devices, 'channel').some((c) => {
      const target = at(c, 'target');
      return (
        attribute(target, 'name') === 'org.qemu.guest_agent.0' && attribute(target, 'state') === 'connected'
      );
    }),
    ...(gateway && { gateway }),
  };
}

const clip = (text: string, max: number): string => text.slice(0, max);

const count = (text: string): number => {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
};

const memory = (element: Element | undefined): number =>
  Math.round(count(element?.text ?? '') * (KIB[attribute(element, 'unit')] ?? 1));

const LINKS: Record<string, ObservedNic['link']> = {
  network: 'network',
  bridge: 'bridge',
  direct: 'direct',
  hostdev: 'hostdev',
  user: 'user',
  ethernet: 'ethernet',
  vhostuser: 'vhostuser',
};

function readNic(element: Element): DomainNic[] {
  const mac = attribute(at(element, 'mac'), 'address').toLowerCase();
  if (!MAC.test(mac)) return [];
  const type = attribute(element, 'type');
  const source = at(element, 'source');
  const virtualPort = attribute(at(element, 'virtualport'), 'type');
  const link = virtualPort === 'openvswitch' || virtualPort === 'midonet' ? 'ovs' : (LINKS[type] ?? 'other');
  const tag = Number(attribute(at(element, 'vlan', 'tag'), 'id'));
  return [
    {
      mac,
      model: clip(attribute(at(element, 'model'), 'type'), 64),
      link,
      source: clip(
        ['network', 'bridge', 'dev', 'path'].map((key) => attribute(source, key)).find(Boolean) ??
          pciAddress(at(source, 'address')),
        255,
      ),
      bridge: device(attribute(source, 'bridge')),
      tap: link === 'direct' ? null : device(attribute(at(element, 'target'), 'dev')),
      vlan: Number.isInteger(tag) && tag >= 1 && tag <= 4094 ? tag : null,
    },
  ];
}

const device = (name: string): string | null => (DEVICE.test(name) ? name : null);

function pciAddress(address: Element | undefined): string {
  if (!address) return '';
  const hex = (key: string) => attribute(address, key).replace(/^0x/, '');
  return `${hex('domain')}:${hex('bus')}:${hex('slot')}.${hex('function')}`;
}
