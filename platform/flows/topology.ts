// Who talks to whom over a time range: VMs or groups as nodes, everything outside as one, and between them what was
// allowed, dropped, rejected or only observed.
import type { Topology } from '@wocloud/protocol/views.ts';
import type { Telemetry } from '../telemetry/store.ts';
import { visible, type Directory, type DirectoryVm } from '../vms/directory.ts';
import { protectionOf } from '../vms/view.ts';
import { protocolName, type FlowFilter } from './filter.ts';
import { LIMITS, visibleEnd, whereOf } from './sql.ts';
import { ruleIsVisible } from './visible.ts';

type Node = Topology['nodes'][number];
type Edge = Topology['edges'][number];

/** Id of the node for everything that is no VM the caller may know. */
export const EXTERNAL = 'external';
const EXTERNAL_MEMBERS = 20;
const MAX_EDGES = 20_000;

interface Pair {
  source: string;
  target: string;
  verdict: Edge['verdict'];
  flows: number;
  bytes: number;
  services: [number, number][];
  rules: string[];
  outside: string[];
}

/** The picture of the flows that match; VMs without flows are there as well, those gone only when they have flows. */
export async function flowTopology(
  telemetry: Telemetry,
  directory: Directory,
  filter: FlowFilter,
  options: { by: 'vm' | 'group'; signal: AbortSignal },
): Promise<Topology> {
  const { scope } = filter;
  const known = (end: 'src' | 'dst') => `if(${visibleEnd(scope, end)}, ${end}Vm, '')`;
  const pairs = await telemetry.rows<Pair>(
    `SELECT source, target, latest AS verdict, count() AS flows, sum(volume) AS bytes,
       topK(10)((toUInt32(proto), toUInt32(port))) AS services,
       arrayFilter(r -> r != '', groupUniqArray(10)(rule)) AS rules,
       arrayFilter(a -> a != '', groupUniqArray(${EXTERNAL_MEMBERS})(address)) AS outside
     FROM (
       SELECT any(${known('src')}) AS source, any(${known('dst')}) AS target, argMax(verdict, time) AS latest,
         argMax(bytesOut + bytesIn, time) AS volume, any(protocol) AS proto,
         any(if(protocol IN (6, 17, 132), dport, 0)) AS port,
         argMax(if(ruleIn = '', ruleOut, ruleIn), time) AS rule,
         if(source = '', toString(any(src)), if(target = '', toString(any(dst)), '')) AS address
       FROM flows WHERE ${whereOf(filter)} GROUP BY start, host, flow)
     GROUP BY source, target, verdict ORDER BY bytes DESC LIMIT ${MAX_EDGES} SETTINGS ${LIMITS}`,
    { signal: options.signal },
  );
  const vms = new Map(
    [...directory.all()].filter((vm) => !vm.gone && visible(scope, vm)).map((vm) => [vm.id, vm]),
  );
  for (const id of pairs.flatMap((p) => [p.source, p.target])) {
    const vm = id === '' ? undefined : directory.vm(id);
    if (vm && visible(scope, vm)) vms.set(id, vm);
  }
  const nodes = new Map<string, Node>();
  const nodesOf = new Map<string, readonly string[]>();
  for (const vm of vms.values()) nodesOf.set(vm.id, place(vm, options.by, nodes));
  const at = (id: string) => nodesOf.get(id) ?? [EXTERNAL];

  const edges = new Map<string, Edge>();
  const outside = new Set<string>();
  for (const pair of pairs) {
    for (const ip of pair.outside) if (outside.size < EXTERNAL_MEMBERS) outside.add(plain(ip));
    const open = [pair.source, pair.target].some(
      (id) => vms.has(id) && protectionOf(vms.get(id)?.nics ?? []).protection === 'unprotected',
    );
    const verdict = pair.verdict === 'observed' && open ? 'unprotected' : pair.verdict;
    const services = pair.services.map(([protocol, port]) =>
      port === 0 ? protocolName(protocol) : `${protocolName(protocol)}/${port}`,
    );
    const rules = pair.rules.filter((rule) => ruleIsVisible(scope, rule));
    for (const from of at(pair.source))
      for (const to of at(pair.target)) {
        const key = `${from} ${to} ${verdict}`;
        const edge = edges.get(key) ?? { from, to, verdict, flows: 0, bytes: 0, services: [], rules: [] };
        edges.set(key, edge);
        edge.flows += pair.flows;
        edge.bytes += pair.bytes;
        edge.services = [...new Set([...edge.services, ...services])].slice(0, 10);
        edge.rules = [...new Set([...edge.rules, ...rules])].slice(0, 10);
      }
  }
  if ([...edges.values()].some((e) => e.from === EXTERNAL || e.to === EXTERNAL))
    nodes.set(EXTERNAL, {
      id: EXTERNAL,
      type: 'external',
      name: EXTERNAL,
      tenant: null,
      state: null,
      protection: null,
      members: [...outside].sort(),
    });
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

const plain = (ip: string) => ip.replace(/^::ffff:(?=\d+\.)/, '');

/** Makes or extends the nodes a VM is in; returns their ids. A VM without a group is a node of its own. */
function place(vm: DirectoryVm, by: 'vm' | 'group', nodes: Map<string, Node>): readonly string[] {
  const { protection } = protectionOf(vm.nics);
  if (by === 'vm' || vm.groups.length === 0) {
    const node: Node = {
      id: vm.id,
      type: 'vm',
      name: vm.name,
      tenant: vm.tenant,
      state: vm.state,
      protection,
      members: [],
    };
    nodes.set(vm.id, node);
    return [vm.id];
  }
  return vm.groups.map((group) => {
    const id = `group:${group}`;
    const [tenant, name] = group.includes('/') ? group.split('/') : [null, group];
    const node = nodes.get(id) ?? {
      id,
      type: 'group' as const,
      name: name ?? group,
      tenant: tenant ?? null,
      state: null,
      protection,
      members: [],
    };
    nodes.set(id, node);
    node.members.push(vm.id);
    node.protection = protectionOf([
      { protection: node.protection ?? 'inactive', reason: '' },
      { protection, reason: '' },
    ]).protection;
    return id;
  });
}
