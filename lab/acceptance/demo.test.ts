// The main job on real VMs, through CLI and API: seen, decided, proven, healed. One lab for all of it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { changeTests } from './demo/change.ts';
import { flowsTests } from './demo/flows.ts';
import { guardTests } from './demo/guard.ts';
import { healingTests } from './demo/healing.ts';
import { inventoryTests } from './demo/inventory.ts';
import { loadTests } from './demo/load.ts';
import { pairsTests } from './demo/pairs.ts';
import { screensTests } from './demo/screens.ts';
import { tenantsTests } from './demo/tenants.ts';
import { verdictsTests } from './demo/verdicts.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
const traces = () => ({
  namespaces: execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }),
  links: execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).replace(/state \S+.*/g, ''),
  tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }),
});
let untouched: ReturnType<typeof traces>;

before(
  async () => {
    untouched = traces();
    stack = await startStack('demo');
  },
  { timeout: 600_000 },
);
after(
  async () => {
    if (!stack) return;
    const { home } = stack;
    const result = await stack.down();
    assert.equal(result.code, 0, result.err);
    assert.deepEqual(traces(), untouched, 'down leaves the machine as it was');
    assert.equal(spawnSync('pgrep', ['-f', home], { encoding: 'utf8' }).stdout, '', 'no process is left');
  },
  { timeout: 120_000 },
);

test(
  'up ends with a platform that says all is well, and doing it again changes nothing',
  { timeout: 120_000 },
  async () => {
    const status = await stack.cli(['status', '--wait']);
    assert.equal(status.code, 0, status.out + status.err);
    const boot = await stack.lab.vm('web-1').ready();
    const began = performance.now();
    const again = await stack.up();
    assert.equal(again.code, 0, again.err);
    assert.ok(performance.now() - began < 60_000);
    assert.match(again.out, new RegExp(`Console +${stack.url}`));
    assert.equal(await stack.lab.vm('web-1').ready(), boot, 'the VMs were not restarted');
  },
);

const of = () => stack;
inventoryTests(of);
flowsTests(of);
verdictsTests(of);
changeTests(of);
pairsTests(of);
guardTests(of);
screensTests(of);
tenantsTests(of);
loadTests(of);
healingTests(of);
