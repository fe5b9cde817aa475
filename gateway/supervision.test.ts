// A Suricata that does not come up, and one that dies of traffic: what the supervision makes of the one is not what it
// makes of the other. The program is a stand-in; the real one is in engine/channels/gateway.test.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, test } from 'node:test';
import type { Options } from './options.ts';
import { running } from './process-table.ts';
import { Suricata } from './suricata.ts';

let options: Options;
let suricata: Suricata | undefined;
let failing: number[];

/** Begins, answers every command, and is killed with the test; ends at once while the file `broken` is there. */
const STAND_IN = `#!${process.execPath}
const { existsSync, rmSync } = require('node:fs');
const { createServer } = require('node:net');
if (existsSync('broken')) process.exit(1);
console.log('Engine started.');
createServer((socket) => socket.on('error', () => {}).on('data', (line) =>
  socket.write(JSON.stringify({ return: 'OK', message: String(line).includes('ruleset') ? [{ rules_loaded: 3 }] : 'done' }) + '\\n'),
)).listen('command.sock');`;

beforeEach(() => {
  const run = mkdtempSync(join(tmpdir(), 'wogs-'));
  options = { channel: '', run, image: '', memoryMiB: 512, cpus: 1, suricata: join(run, 'suricata') };
  writeFileSync(options.suricata, STAND_IN, { mode: 0o700 });
  failing = [];
  suricata = new Suricata(options, {
    changed: () => {},
    up: () => {},
    failing: (times) => failing.push(times),
    devices: () => true,
  });
});
afterEach(() => {
  suricata?.stop();
  if (suricata?.pid) process.kill(suricata.pid, 'SIGKILL');
  rmSync(options.run, { recursive: true, force: true });
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 15_000; !condition(); await delay(10))
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
}

test('one that never comes up is told of with a count, called failed, and tried again', async () => {
  writeFileSync(join(options.run, 'broken'), '');
  void suricata?.run();
  await until('three tries', () => failing.length >= 3);
  assert.deepEqual(failing.slice(0, 3), [1, 2, 3]);
  assert.equal(suricata?.state, 'failed');
  rmSync(join(options.run, 'broken'));
  await until('running', () => suricata?.state === 'running');
  assert.deepEqual(await suricata?.signatures(), { loaded: 3, refused: 0 });
});

test('one that dies after it came up comes back, and its rules are not suspected', async () => {
  void suricata?.run();
  for (let i = 0; i < 4; i++) {
    await until('running', () => suricata?.state === 'running');
    const pid = suricata?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await until('the end', () => running(pid) === undefined && suricata?.restarts === i + 1);
  }
  await until('running', () => suricata?.state === 'running');
  assert.deepEqual(failing, []);
});

test('rules that are to be loaded while it is down are in force once it is up again', async () => {
  void suricata?.run();
  await until('running', () => suricata?.state === 'running');
  const pid = suricata?.pid ?? 0;
  writeFileSync(join(options.run, 'broken'), '');
  process.kill(pid, 'SIGKILL');
  await until('the end', () => suricata?.restarts === 1);
  let isLoaded = false;
  const loading = suricata?.load().then(() => (isLoaded = true));
  await until('a try', () => failing.length > 0);
  assert.equal(isLoaded, false);
  rmSync(join(options.run, 'broken'));
  await loading;
  assert.equal(suricata?.state, 'running');
});
