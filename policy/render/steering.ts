// Where marked frames go (decision 0007): tables netdev and bridge. At egress of the port it would leave by, a marked
// frame is sent to its gateway; what comes out of a gateway is forwarded to the port it was to leave by.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { PROBE_ETHERTYPE } from '@wocloud/protocol/gateway.ts';
import { digest } from '../digest.ts';
import type { Place } from './inspection.ts';
import type { LocalFacts, Port } from './local.ts';
import { CLEAR, MARK, hasAny, hasNone, hex32, instanceMark } from './marks.ts';
import { addChain, addSet, emptyTable, type Table } from './ruleset.ts';
import { steeredPorts, type SteeredPort } from './steered-ports.ts';

/** Pairs of addresses of which one is not at a tap of ours. */
const PAIRS = 65_535;

/**
 * Which port frames of two addresses leave by, written down as they are sent to the gateway: it is there before they
 * come back. Entries are not refreshed, so that an address that has moved is found again within a second; the second
 * map is asked only by those few frames that were under way when the first one's entry ended.
 */
const WAYS = { beyond: 1, 'beyond-late': 7 } as const;

const FIXED_CHAINS: Readonly<Record<string, readonly string[]>> = {
  steer: [
    `${hasAny(MARK.returned)} ${CLEAR} accept`,
    `meta mark & ${hex32(MARK.instance)} @alive meta mark & ${hex32(MARK.mirror | MARK.reply | MARK.instance)} vmap @gateways`,
    'goto without-gateway',
  ],
  'steer-beyond': [
    `${hasAny(MARK.returned | MARK.mirror)} goto steer`,
    [
      `meta mark & ${hex32(MARK.instance)} @alive`,
      ...Object.keys(WAYS).map((name) => `add @${name} { ether saddr . ether daddr : meta oif }`),
      'goto steer',
    ].join(' '),
    'goto without-gateway',
  ],
  'without-gateway': [
    `${hasAny(MARK.closed)} counter name "uninspected-closed" drop`,
    `counter name "uninspected-open" ${CLEAR}`,
  ],
  // A bridge that does not know where an address lives sends to every port. The gateway is to see one frame of them,
  // and nobody any that was not looked at.
  flooded: [`${hasNone(MARK.mirror)} drop`, CLEAR],
  returned: [
    // The engine's own: seen by its socket before this.
    `ether type 0x${PROBE_ETHERTYPE.toString(16)} accept`,
    `meta mark set ${hex32(MARK.returned)}`,
    'fwd to ether daddr map @taps',
    ...Object.keys(WAYS).map((name) => `fwd to ether saddr . ether daddr map @${name}`),
    'counter name "uninspected-astray" drop',
  ],
};

const TAIL = '00:ff:ff:ff:ff:ff';

export function steeringTables(
  state: DesiredState,
  places: readonly Place[],
  local: LocalFacts,
): { netdev: Table; bridge: Table } {
  const netdev = emptyTable();
  for (const name of ['closed', 'open', 'astray']) netdev.counters.add(`uninspected-${name}`);
  for (const [name, rules] of Object.entries(FIXED_CHAINS)) addChain(netdev, name, rules);
  // Only the engine's prober writes it, so it is no part of what is proven.
  addSet(netdev, 'alive', 'type mark; size 64; flags dynamic;');
  for (const [name, seconds] of Object.entries(WAYS))
    addSet(
      netdev,
      name,
      `typeof ether saddr . ether daddr : meta oif; size ${PAIRS}; flags dynamic,timeout; timeout ${seconds}s;`,
      new Map(),
    );
  addSet(netdev, 'heard', `typeof ether saddr . meta iif; size ${PAIRS}; flags dynamic,timeout; timeout 5m;`);
  addGateways(netdev, local);
  const ports = steeredPorts(state, places, local);
  const taps = new Map(
    ports.flatMap(({ nic, number }) => (nic?.distinct ? [[nic.nic.mac, number] as const] : [])),
  );
  addSet(netdev, 'taps', 'type ether_addr : iface_index;', taps);
  addSet(netdev, 'tap-macs', 'type ether_addr;', new Set(taps.keys()));
  const tails = ports.flatMap((port) => (port.nic === null && port.tail !== null ? [port.tail] : []));
  addSet(netdev, 'guest-tails', 'type ether_addr;', new Set(tails));
  for (const port of ports) addPort(netdev, port);
  return { netdev, bridge: bridgePart(ports) };
}

function addPort(table: Table, { device, nic, tail }: SteeredPort): void {
  const egress = (...rules: string[]) =>
    addChain(
      table,
      deviceChain('out', device),
      [`${hasNone(MARK.ours)} accept`, ...rules],
      `type filter hook egress device "${device}" priority 0; policy accept;`,
      device,
    );
  if (nic) return egress(`ether daddr ${nic.nic.mac} goto steer`, 'goto flooded');
  if (tail === null)
    return egress(
      'ether daddr @tap-macs goto flooded',
      `ether daddr & ${TAIL} @guest-tails goto flooded`,
      'goto steer-beyond',
    );
  // A guest that is only observed may have more addresses than its NIC's.
  egress(
    `ether daddr & ${TAIL} == ${tail} goto steer-beyond`,
    'ether daddr . meta oif @heard goto steer-beyond',
    'goto flooded',
  );
  addChain(
    table,
    deviceChain('hear', device),
    [`ether saddr & ${TAIL} != ${tail} update @heard { ether saddr . meta iif }`],
    `type filter hook ingress device "${device}" priority 0; policy accept;`,
    device,
  );
}

const deviceChain = (prefix: string, device: string): string =>
  `${prefix}-${/^[A-Za-z0-9_.-]+$/.test(device) ? device : digest(device)}`;

function addGateways(table: Table, local: LocalFacts): void {
  const gateways = new Map<string, string>();
  for (const [instance, ports] of local.gateways ?? []) {
    const chain = (side: 'a' | 'b' | 'm') => `gw-${instance}-${side}`;
    // The kernel takes a device by its number: the comment makes the rule of another device another rule.
    const to = (verb: 'fwd' | 'dup', { device, index }: Port) => `${verb} to "${device}" comment "${index}"`;
    addChain(table, chain('a'), [to('fwd', ports.a)]);
    addChain(table, chain('b'), [to('fwd', ports.b)]);
    addChain(table, chain('m'), [to('dup', ports.m), CLEAR]);
    const mark = instanceMark(instance);
    gateways.set(hex32(mark), `goto ${chain('a')}`);
    gateways.set(hex32(mark | MARK.reply), `goto ${chain('b')}`);
    for (const direction of [0, MARK.reply])
      gateways.set(hex32(mark | MARK.mirror | direction), `goto ${chain('m')}`);
    for (const side of ['a', 'b', 'm'] as const) {
      const { device } = ports[side];
      addChain(
        table,
        deviceChain('back', device),
        // Copies never come back.
        side === 'm' ? ['drop'] : ['goto returned'],
        `type filter hook ingress device "${device}" priority 0; policy accept;`,
        device,
      );
    }
  }
  addSet(table, 'gateways', 'type mark : verdict;', gateways);
}

/** Where no chain of ours stands at the port yet, nothing passes that must not pass uninspected. */
function bridgePart(ports: readonly SteeredPort[]): Table {
  const table = emptyTable();
  table.counters.add('uninspected');
  addSet(table, 'steered', 'type iface_index;', new Set(ports.map(({ number }) => number)));
  addChain(
    table,
    'unsteered',
    [`${hasAny(MARK.closed)} oif != @steered counter name "uninspected" drop`],
    'type filter hook postrouting priority 0; policy accept;',
  );
  return table;
}
