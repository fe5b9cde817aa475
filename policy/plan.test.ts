import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { decide, type End } from './decide.ts';
import { applyDelta, diffStates, isEmptyDelta } from './delta.ts';
import { compile, isGroup } from './evaluate.ts';
import { NO_DOCUMENTS, nicId, type InventoryVm, type World } from './model.ts';
import { Planner } from './plan.ts';
import { combine } from './verdict.ts';
import { HOSTS, documents, hostNetworks, vm, vms, world } from './testing/worlds.ts';

// Each run plans whole worlds: a fuzzing session asks for more of the cheap properties than of these.
const runs = Math.min(Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 400), 2000);

function plannerOf(w: World): Planner {
  const planner = new Planner();
  planner.setDocuments(w.documents);
  for (const machine of w.vms) planner.upsertVm(machine);
  for (const [host, networks] of w.hosts) planner.setHostNetworks(host, networks);
  return planner;
}

const statesOf = (planner: Planner): DesiredState[] => HOSTS.map((host) => planner.desired(host));

const headers = fc.constantFrom(
  { protocol: 6, port: 443, icmpType: 0 },
  { protocol: 6, port: 80, icmpType: 0 },
  { protocol: 6, port: 450, icmpType: 0 },
  { protocol: 17, port: 53, icmpType: 0 },
  { protocol: 17, port: 443, icmpType: 0 },
  { protocol: 17, port: 9, icmpType: 0 },
  { protocol: 1, port: 0, icmpType: 8 },
  { protocol: 1, port: 0, icmpType: 0 },
  { protocol: 58, port: 0, icmpType: 128 },
  { protocol: 58, port: 0, icmpType: 135 },
  { protocol: 47, port: 0, icmpType: 0 },
  { protocol: 132, port: 443, icmpType: 0 },
);

test('what the plan says of a packet is what the reference says', () => {
  fc.assert(
    fc.property(
      world,
      fc.array(fc.tuple(fc.nat(), fc.nat(), headers, fc.boolean()), { minLength: 8, maxLength: 8 }),
      (w, picks) => {
        const planner = plannerOf(w);
        const judges = new Map<string, ReturnType<typeof compile>>(
          HOSTS.map((host) => [host, compile(planner.desired(host))]),
        );
        const nics = w.vms.flatMap((m) => m.nics.map((nic) => ({ machine: m, nic })));
        for (const [a, b, header, six] of picks) {
          const outside: End[] = [
            { address: six ? '2001:db8::7' : '192.0.2.7' },
            { address: six ? 'fd00::2' : '10.0.0.1', routed: true },
            { address: six ? 'ff02::fb' : '224.0.0.251' },
            { host: 'h1', address: six ? 'fd00::fe' : '10.0.0.254' },
          ];
          const from = nics[a % nics.length] as (typeof nics)[number];
          const to = nics[b % (nics.length + outside.length)];
          const own = from.nic.addresses[six ? 1 : 0] as string;
          const source: End = { nic: nicId(from.machine.id, from.nic.mac), address: own };
          const destination: End = to
            ? { nic: nicId(to.machine.id, to.nic.mac), address: to.nic.addresses[six ? 1 : 0] as string }
            : (outside[(b % (nics.length + outside.length)) - nics.length] as End);
          const decision = decide(w, { source, destination, ...header });
          const flow = {
            src: decision.src,
            dst: decision.dst,
            relation: decision.relation,
            headers: header,
            sourcePort: 0,
          };
          const out = judges.get(from.machine.host)?.side('out', nicId(from.machine.id, from.nic.mac), flow);
          const into = to && judges.get(to.machine.host)?.side('in', nicId(to.machine.id, to.nic.mac), flow);
          // What cannot be inspected and must be is dropped for that, not by the rules.
          const rules = decision.inspection === null ? {} : { verdict: 'allowed', action: decision.action };
          const { action, ...outcome } = combine(out ?? null, into ?? null);
          assert.deepEqual({ ...decision, ...rules, ...outcome }, { ...decision, ...rules });
          if (decision.verdict === outcome.verdict) assert.equal(action, decision.action);
        }
      },
    ),
    { numRuns: runs },
  );
});

type Update = { vm: InventoryVm } | { remove: number } | { documents: World['documents'] };
const update: fc.Arbitrary<Update> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(5).chain((n) => vm(n).map((machine) => ({ vm: machine }))) },
  { weight: 2, arbitrary: fc.nat(5).map((n) => ({ remove: n })) },
  { weight: 2, arbitrary: documents.map((d) => ({ documents: d })) },
);

test('any path to a world gives the same plan, and clean hosts are really clean', () => {
  fc.assert(
    fc.property(world, fc.array(update, { maxLength: 8 }), fc.array(fc.boolean()), (w, updates, ask) => {
      const planner = new Planner();
      for (const [host, networks] of w.hosts) planner.setHostNetworks(host, networks);
      const last = new Map<string, DesiredState>();
      const check = () => {
        const dirty = new Set(planner.dirtyHosts());
        for (const host of HOSTS) {
          const before = last.get(host);
          const wasDirty = dirty.has(host);
          const now = planner.desired(host);
          if (!wasDirty && before) assert.deepEqual(now, before, `${host} changed without being dirty`);
          last.set(host, now);
        }
      };
      updates.forEach((u, i) => {
        if ('vm' in u) planner.upsertVm(u.vm);
        else if ('remove' in u) planner.removeVm(`00000000-0000-4000-8000-00000000000${u.remove}`);
        else planner.setDocuments(u.documents);
        if (ask[i]) check();
      });
      for (const machine of w.vms.toReversed()) planner.upsertVm(machine);
      check();
      planner.setDocuments(w.documents);
      check();
      assert.deepEqual(statesOf(planner), statesOf(plannerOf(w)));
    }),
    { numRuns: runs },
  );
});

test('a delta carries one state to the other', () => {
  fc.assert(
    fc.property(world, documents, vms, (w, docs, machines) => {
      const planner = plannerOf(w);
      const before = planner.desired('h1', 4);
      planner.setDocuments(docs);
      for (const machine of machines) planner.upsertVm(machine);
      planner.removeVm('00000000-0000-4000-8000-000000000000');
      const after = planner.desired('h1', 5);
      const delta = JSON.parse(JSON.stringify(diffStates(before, after)));
      assert.deepEqual(applyDelta(before, delta), after);
      assert.ok(isEmptyDelta(diffStates(after, after)));
    }),
    { numRuns: runs },
  );
});

test('every chain ends with an enforced rule for everything', () => {
  fc.assert(
    fc.property(world, (w) => {
      for (const state of statesOf(plannerOf(w)))
        for (const chain of state.chains) {
          const last = chain.rules.filter((r) => !r.staged).at(-1);
          assert.deepEqual(last?.peers, ['any']);
          assert.deepEqual(last?.services, []);
        }
    }),
    { numRuns: 100 },
  );
});

test('a label moves one VM and touches one element of one set', () => {
  const planner = new Planner();
  const machine = (n: number, app: string): InventoryVm => ({
    id: `00000000-0000-4000-8000-00000000000${n}`,
    name: `vm-${n}`,
    host: 'h1',
    tenant: 'acme',
    mode: 'enforce',
    labels: { app },
    nics: [{ mac: `52:54:00:00:00:0${n}`, network: 'n1', addresses: [`10.0.0.${n}`] }],
  });
  planner.setHostNetworks('h1', hostNetworks.get('h1') ?? []);
  planner.setDocuments({
    ...NO_DOCUMENTS,
    groups: [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Group',
        metadata: { name: 'db', tenant: 'acme' },
        spec: { selector: 'app=db' },
      },
    ],
    policies: [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Policy',
        metadata: { name: 'p', tenant: 'acme' },
        spec: {
          tier: 'tenant',
          priority: 1,
          mode: 'enforce',
          appliesTo: { vm: 'vm-1' },
          rules: [{ name: 'r', direction: 'out', action: 'allow', to: [{ group: 'db' }] }],
        },
      },
    ],
  });
  for (const n of [1, 2, 3]) planner.upsertVm(machine(n, n === 2 ? 'db' : 'web'));
  const before = planner.desired('h1', 1);
  assert.deepEqual(planner.dirtyHosts(), []);
  planner.upsertVm(machine(3, 'db'));
  assert.deepEqual(planner.dirtyHosts(), ['h1']);
  const delta = diffStates(before, planner.desired('h1', 2));
  assert.deepEqual(delta.elements, [
    { set: 'g:acme/db@n1', add: ['10.0.0.3', 'fe80::5054:ff:fe00:3'], remove: [] },
  ]);
  assert.deepEqual(
    [delta.chains, delta.nics, delta.sets].map((p) => p.upsert.length + p.remove.length),
    [0, 0, 0],
  );
});

test('group addresses are told from hosts', () => {
  assert.equal(isGroup('224.0.0.251'), true);
  assert.equal(isGroup('255.255.255.255'), true);
  assert.equal(isGroup('ff02::1'), true);
  assert.equal(isGroup('10.0.0.255'), false);
  assert.equal(isGroup('nonsense'), false);
});
