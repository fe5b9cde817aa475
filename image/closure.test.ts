import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closure } from './closure.ts';

test('a bundle is a workspace, what it needs, the nearest of two versions, and of the optional what is installed', () => {
  const lock = {
    engine: { dependencies: { '@wocloud/policy': '1', left: '1' }, devDependencies: { tool: '1' } },
    policy: { dependencies: { right: '1' } },
    'node_modules/@wocloud/policy': { link: true, resolved: 'policy' },
    'node_modules/left': { dependencies: { right: '2' }, optionalDependencies: { linux: '1', darwin: '1' } },
    'node_modules/left/node_modules/right': {},
    'node_modules/right': {},
    'node_modules/linux': {},
    'node_modules/darwin': {},
    'node_modules/tool': {},
  };
  assert.deepEqual(
    closure(lock, 'engine', (path) => !path.endsWith('darwin')),
    [
      'engine',
      'node_modules/@wocloud/policy',
      'node_modules/left',
      'node_modules/left/node_modules/right',
      'node_modules/linux',
      'node_modules/right',
      'policy',
    ],
  );
  assert.throws(
    () => closure({ engine: { dependencies: { gone: '1' } } }, 'engine', () => true),
    /needs gone/,
  );
});
