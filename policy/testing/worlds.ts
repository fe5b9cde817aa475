// Random worlds for properties: a few tenants, VMs and networks with clashing addresses, and policies that overlap a lot.
import fc from 'fast-check';
import type { DesiredNetwork } from '@wocloud/protocol/desired.ts';
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { Insertion } from '@wocloud/protocol/resources/insertion.ts';
import type { AppliesTo, Peer, Policy, Rule } from '@wocloud/protocol/resources/policy.ts';
import type { Service } from '@wocloud/protocol/resources/service.ts';
import type { Tenant } from '@wocloud/protocol/resources/tenant.ts';
import type { Documents, InventoryVm, World } from '../model.ts';

const API = 'wocloud/v1' as const;
export const TENANTS = ['acme', 'bolt'] as const;
export const NETWORKS = ['n1', 'n2'] as const;
export const HOSTS = ['h1', 'h2'] as const;

const tenantName = fc.constantFrom(...TENANTS);
const maybeTenant = fc.option(tenantName, { nil: undefined });
const selector = fc.constantFrom(
  'app=web',
  'app=db',
  'app!=web',
  'env in (prod, test)',
  'env',
  '!env, app',
  'app=web,env=prod',
);
const groupName = fc.constantFrom('db', 'edge', 'all');
const vmName = fc.nat(5).map((n) => `vm-${n}`);
const cidr = fc.constantFrom(
  '10.0.0.0/30',
  '10.0.0.4/31',
  '10.0.0.3',
  '10.0.0.0/8',
  '192.0.2.0/24',
  'fd00::/126',
  'fd00::2',
  '2001:db8::/32',
  'fe80::/10',
  '0.0.0.0/0',
);
const withTenant = <T extends object>(arbitrary: fc.Arbitrary<T>) =>
  fc
    .tuple(arbitrary, maybeTenant)
    .map(([value, tenant]) => (tenant === undefined ? value : { ...value, tenant }));

const peer: fc.Arbitrary<Peer> = fc.oneof(
  fc.constant('any' as const),
  fc.constant('host' as const),
  withTenant(selector.map((s) => ({ selector: s }))),
  withTenant(groupName.map((group) => ({ group }))),
  withTenant(vmName.map((vm) => ({ vm }))),
  cidr.map((c) => ({ cidr: c })),
  tenantName.map((tenant) => ({ tenant })),
);
const appliesTo: fc.Arbitrary<AppliesTo> = fc.oneof(
  fc.constant('all' as const),
  withTenant(selector.map((s) => ({ selector: s }))),
  withTenant(groupName.map((group) => ({ group }))),
  withTenant(vmName.map((vm) => ({ vm }))),
  tenantName.map((tenant) => ({ tenant })),
);
const service = fc.constantFrom(
  'tcp/443',
  'tcp/440-450',
  'udp/53',
  'udp',
  'tcp',
  'icmp',
  'icmp/8',
  'icmpv6',
  'icmpv6/128',
  'any',
  'proto/47',
  'sctp/443',
  'web',
);

const failure = fc.constantFrom('open', 'closed', undefined);

const rule = (name: string): fc.Arbitrary<Rule> =>
  fc
    .record({
      direction: fc.constantFrom('in', 'out', 'both'),
      action: fc.constantFrom('allow', 'allow', 'drop', 'reject', 'reject', 'inspect'),
      peers: fc.option(fc.array(peer, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      services: fc.option(fc.array(service, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      log: fc.boolean(),
      failure,
    })
    .map(({ direction, action, peers, services, log, failure: fails }) => ({
      name,
      direction,
      action,
      log,
      ...(peers && { [direction === 'out' ? 'to' : 'from']: peers }),
      ...(services && { services }),
      ...(action === 'inspect' && fails && { failure: fails }),
    }));

const policy = (name: string): fc.Arbitrary<Policy> =>
  fc
    .record({
      tenant: maybeTenant,
      tier: fc.constantFrom('emergency', 'platform', 'tenant', 'baseline'),
      priority: fc.nat(2),
      mode: fc.constantFrom('enforce', 'enforce', 'staged'),
      appliesTo,
      rules: fc.tuple(...[0, 1, 2].map((i) => rule(`r${i}`))),
      keep: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ tenant, tier, priority, mode, appliesTo: target, rules, keep }) => ({
      apiVersion: API,
      kind: 'Policy',
      metadata: { name, ...(tenant && { tenant }) },
      spec: {
        tier: tenant ? 'tenant' : tier,
        priority,
        mode,
        appliesTo: target,
        rules: rules.slice(0, keep),
      },
    })) as fc.Arbitrary<Policy>;

const group = (name: string): fc.Arbitrary<Group> =>
  fc
    .record({
      tenant: maybeTenant,
      selector: fc.option(selector, { nil: undefined }),
      cidrs: fc.option(fc.array(cidr, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      members: fc.option(fc.array(vmName, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    })
    .map(({ tenant, ...spec }) => ({
      apiVersion: API,
      kind: 'Group',
      metadata: { name, ...(tenant && { tenant }) },
      spec: Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)),
    })) as fc.Arbitrary<Group>;

const tenant = (name: string): fc.Arbitrary<Tenant> =>
  fc
    .record({
      within: fc.constantFrom('allow', 'drop'),
      ingress: fc.constantFrom('allow', 'drop'),
      egress: fc.constantFrom('allow', 'drop'),
    })
    .map((defaults) => ({
      apiVersion: API,
      kind: 'Tenant',
      metadata: { name },
      spec: { defaults },
    })) as fc.Arbitrary<Tenant>;

const web: Service = {
  apiVersion: API,
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { ports: ['tcp/443', 'tcp/80', 'udp/443'] },
};

const insertion = (name: string): fc.Arbitrary<Insertion> =>
  fc
    .record({
      tenant: maybeTenant,
      appliesTo,
      mode: fc.constantFrom('inline', 'inline', 'mirror'),
      failure,
      services: fc.option(fc.array(service, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    })
    .map(({ tenant, appliesTo: target, mode, failure: fails, services }) => ({
      apiVersion: API,
      kind: 'Insertion',
      metadata: { name, ...(tenant && { tenant }) },
      spec: {
        appliesTo: target,
        mode,
        ...(mode === 'inline' && fails && { failure: fails }),
        ...(services && { services }),
      },
    })) as fc.Arbitrary<Insertion>;

export const documents: fc.Arbitrary<Documents> = fc
  .record({
    tenants: fc.tuple(tenant('acme'), tenant('bolt')),
    groups: fc.tuple(group('db'), group('edge'), group('all')),
    policies: fc
      .array(fc.nat(9), { minLength: 1, maxLength: 7 })
      .chain((names) => fc.tuple(...[...new Set(names)].map((n) => policy(`p${n}`)))),
    insertions: fc
      .array(fc.nat(4), { maxLength: 2 })
      .chain((names) => fc.tuple(...[...new Set(names)].map((n) => insertion(`i${n}`)))),
  })
  .map((d) => ({ ...d, services: [web] }));

/** VM number `n`: its MAC and addresses follow from the number, so that two networks can have the same ones. */
export const vm = (
  n: number,
  modes: readonly InventoryVm['mode'][] = ['enforce', 'observe'],
): fc.Arbitrary<InventoryVm> =>
  fc
    .record({
      tenant: fc.constantFrom('acme', 'bolt', null),
      host: fc.constantFrom(...HOSTS),
      mode: fc.constantFrom(...modes),
      app: fc.constantFrom('web', 'db', undefined),
      env: fc.constantFrom('prod', 'test', undefined),
      networks: fc.uniqueArray(fc.constantFrom(...NETWORKS), { minLength: 1, maxLength: 2 }),
      address: fc.integer({ min: 1, max: 6 }),
    })
    .map(({ tenant: owner, host, mode, app, env, networks, address }) => ({
      id: `00000000-0000-4000-8000-00000000000${n}`,
      name: `vm-${n}`,
      host,
      tenant: owner,
      mode,
      labels: { ...(app && { app }), ...(env && { env }) },
      nics: networks.map((network, i) => ({
        mac: `52:54:00:00:0${i}:0${n}`,
        network,
        addresses: [`10.0.0.${address}`, `fd00::${address + 1}`, ...(address === 6 ? ['10.9.0.0/24'] : [])],
      })),
    }));

export const vms = fc.tuple(...[0, 1, 2, 3, 4, 5].map((n) => vm(n)));

export const hostNetworks: ReadonlyMap<string, readonly DesiredNetwork[]> = new Map(
  HOSTS.map((host) => [
    host,
    NETWORKS.map((id, i) => ({ id, name: id, bridge: `br-${id}`, vlan: null, zone: i + 1 })),
  ]),
);

export const world: fc.Arbitrary<World> = fc
  .tuple(documents, vms)
  .map(([docs, machines]) => ({ documents: docs, vms: machines, hosts: hostNetworks }));
