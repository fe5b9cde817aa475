// Who keeps a container: it outlives whoever started it, gets no more memory than it may, and ends when it is told to.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '@wocloud/libvirt/testing/wait.ts';
import { byProcess, type Kept } from './keeper.ts';

const dir = mkdtempSync('/tmp/wog-');
after(() => rmSync(dir, { recursive: true, force: true }));

const kept = (name: string, script: string): Kept => ({
  name: `wocloud-test-${process.pid}-${name}`,
  argv: ['unshare', '--pid', '--fork', '--kill-child=KILL', 'sh', '-euc', script, dir],
  env: { GREETING: 'hello' },
  log: join(dir, `${name}.log`),
  ready: join(dir, `${name}.ready`),
  memoryMiB: 48,
  vcpus: 1,
});
const GROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/pids'];

test('what is kept is under way with its settings, is known by more than its number, and ends without a trace', async () => {
  const one = kept('one', 'echo "$GREETING" > "$0/greeting"; : > "$0/one.ready"; while :; do sleep 60; done');
  const held = await byProcess.start(one);
  assert.ok(held.by === 'process');
  assert.equal(readFileSync(join(dir, 'greeting'), 'utf8'), 'hello\n');
  assert.equal(await byProcess.isAlive(one.name, held), true);
  // The next process with this number is another one.
  assert.equal(await byProcess.isAlive(one.name, { ...held, started: '1' }), false);
  await byProcess.stop(one.name, held);
  assert.equal(await byProcess.isAlive(one.name, held), false);
  for (const group of GROUPS) assert.equal(existsSync(join(group, one.name)), false, group);
  await byProcess.stop(one.name, held);
});

test('whoever takes more memory than there is for it does not get it', async () => {
  // A shell's variable is memory of its own: it doubles until there is no more.
  const greedy = 'sh -c \'x=0123456789abcdef; while :; do x="$x$x"; echo ${#x} > "$0/had"; done\' "$0" || :';
  const two = kept('two', `: > "$0/two.ready"; ${greedy}; : > "$0/ended"; while :; do sleep 60; done`);
  const held = await byProcess.start(two);
  try {
    await until(() => existsSync(join(dir, 'ended')), 20_000, 'the end of who was greedy');
    assert.ok(Number(readFileSync(join(dir, 'had'), 'utf8')) <= 48 * 1024 * 1024);
    assert.equal(await byProcess.isAlive(two.name, held), true, 'the others went with it');
  } finally {
    await byProcess.stop(two.name, held);
  }
});

test('what ends before it is under way is told with its last words', async () => {
  const three = kept('three', 'echo "no such device" >&2; exit 1');
  await assert.rejects(byProcess.start(three), /it ended: no such device/);
  await byProcess.stop(three.name, null);
  for (const group of GROUPS) assert.equal(existsSync(join(group, three.name)), false, group);
});
