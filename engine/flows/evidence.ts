// What a forged packet claimed, in words and fields a person can judge by. Reads hostile bytes, within bounds.
import { decodePacket, ETH_ARP, ipText, macText, type DecodedPacket } from './packet.ts';
import type { Forgery } from './reading.ts';

export type Evidence = Record<string, string | number | boolean>;

const ICMP6_KINDS: Record<number, string> = {
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbour solicitation',
  136: 'neighbour advertisement',
  137: 'redirect',
};

/** The claims of a packet. Fields are there only when the packet says them. */
export function readEvidence(forgery: Forgery): Evidence {
  const { link, payload } = forgery;
  const found: Evidence = {};
  if (forgery.etherType > 0) found['etherType'] = `0x${forgery.etherType.toString(16).padStart(4, '0')}`;
  if (link.length >= 12) {
    found['sourceMac'] = macText(link, 6);
    found['destinationMac'] = macText(link, 0);
  }
  if (forgery.vlan >= 0) found['vlan'] = forgery.vlan;
  if (forgery.etherType === ETH_ARP) readArp(payload, found);
  else readIp(payload, found);
  found['bytes'] = Buffer.from(payload.subarray(0, 64)).toString('hex');
  return found;
}

function readArp(bytes: Uint8Array, found: Evidence): void {
  if (bytes.length < 28) return;
  found['arp'] = bytes[7] === 1 ? 'request' : bytes[7] === 2 ? 'reply' : `operation ${bytes[7]}`;
  found['claimedMac'] = macText(bytes, 8);
  found['claimedIp'] = ipText(bytes, 14, 4);
  found['targetIp'] = ipText(bytes, 24, 4);
}

function readIp(bytes: Uint8Array, found: Evidence): void {
  const packet = decodePacket(bytes, 0, bytes.length);
  if (!packet) return;
  found['claimedIp'] = ipText(bytes, packet.src, packet.family);
  found['destination'] = ipText(bytes, packet.dst, packet.family);
  found['protocol'] = packet.protocol;
  if (packet.fragment) found['fragment'] = true;
  if (packet.laterFragment) return;
  if (packet.protocol === 58) readNeighbour(bytes, packet, found);
  else if (packet.sport + packet.dport > 0) {
    found['sourcePort'] = packet.sport;
    found['destinationPort'] = packet.dport;
    if (packet.protocol === 17) readDhcp(bytes, packet, found);
  }
}

function readNeighbour(bytes: Uint8Array, packet: DecodedPacket, found: Evidence): void {
  const at = packet.transport;
  found['icmpType'] = packet.sport;
  const kind = ICMP6_KINDS[packet.sport];
  if (kind === undefined) return;
  found['message'] = kind;
  let options = at + 8;
  if (packet.sport === 134) {
    options = at + 16;
    if (bytes.length >= at + 8) found['routerLifetime'] = ((bytes[at + 6] ?? 0) << 8) | (bytes[at + 7] ?? 0);
  } else if (packet.sport >= 135) {
    options = at + 24;
    if (bytes.length >= at + 24) found['target'] = ipText(bytes, at + 8, 6);
  }
  if (packet.sport === 135 && found['claimedIp'] === '::') found['duplicateAddressDetection'] = true;
  for (let i = 0; i < 8 && options + 2 <= bytes.length; i++) {
    const length = (bytes[options + 1] ?? 0) * 8;
    if (length === 0) return;
    if ((bytes[options] === 1 || bytes[options] === 2) && options + 8 <= bytes.length)
      found['claimedMac'] = macText(bytes, options + 2);
    else if (bytes[options] === 3 && options + 32 <= bytes.length)
      found['prefix'] = `${ipText(bytes, options + 16, 6)}/${bytes[options + 2]}`;
    options += length;
  }
}

function readDhcp(bytes: Uint8Array, packet: DecodedPacket, found: Evidence): void {
  const at = packet.transport + 8;
  if (packet.sport === 67 && bytes.length >= at + 28) {
    found['message'] = 'DHCP server reply';
    found['offeredIp'] = ipText(bytes, at + 16, 4);
    found['server'] = ipText(bytes, at + 20, 4);
  } else if (packet.sport === 547 && bytes.length > at) {
    found['message'] = 'DHCPv6 server reply';
    found['messageType'] = bytes[at] ?? 0;
  }
}
