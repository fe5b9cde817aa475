// Whom an insertion reaches is asked of the platform as narrowly as it can be asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reachOf } from './reach.ts';

const vm = (name: string, ...groups: string[]) => ({ name, groups });

await test('a target is a question and a test', () => {
  assert.deepEqual(reachOf('all', 'acme').query, { tenant: 'acme' });
  assert.deepEqual(reachOf('all', undefined).query, {});
  assert.deepEqual(reachOf({ selector: 'app=web' }, 'acme').query, { tenant: 'acme', selector: 'app=web' });
  assert.deepEqual(reachOf({ selector: 'app=web', tenant: 'globex' }, undefined).query, {
    tenant: 'globex',
    selector: 'app=web',
  });
  assert.deepEqual(reachOf({ tenant: 'globex' }, undefined).query, { tenant: 'globex' });
});

await test('a group and a name are told apart from what contains them', () => {
  const group = reachOf({ group: 'web' }, 'acme');
  assert.ok(group.includes(vm('a', 'acme/web')));
  assert.ok(!group.includes(vm('a', 'globex/web', 'acme/webs')));
  assert.ok(reachOf({ group: 'office' }, undefined).includes(vm('a', 'office')));
  const named = reachOf({ vm: 'web-1' }, 'acme');
  assert.deepEqual(named.query, { tenant: 'acme', q: 'web-1' });
  assert.ok(named.includes(vm('web-1')) && !named.includes(vm('web-10')));
});
