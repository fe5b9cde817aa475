// Against real libvirtds: two hosts that migrate a domain, and a host reached over TLS.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Migrate } from './constants.ts';
import { createDomainXml, destroyDomain, domainState, listDomains } from './procedures-domain.ts';
import { jobStats, migrateDomain } from './procedures-migrate.ts';
import { openSession } from './session.ts';
import { guestXml } from './testing/guest-xml.ts';
import { attachPrivateLibvirtd, startPrivateLibvirtd } from './testing/libvirtd.ts';
import { collect, until } from './testing/wait.ts';

const cacheDir = join(tmpdir(), 'wocloud-qemu-capabilities');
const tempDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'lv-'));

test('a running domain migrates from one host to another, and both tell', async (t) => {
  const [source, target] = await Promise.all(
    ['host1', 'host2'].map(async (hostname) =>
      startPrivateLibvirtd({ dir: await tempDir(), hostname, cacheDir }),
    ),
  );
  assert.ok(source !== undefined && target !== undefined);
  t.after(() => Promise.all([source.stop({ purge: true }), target.stop({ purge: true })]));
  const here = await openSession({
    target: { unix: source.socket },
    events: ['domain-lifecycle', 'domain-job-completed'],
  });
  const there = await openSession({ target: { unix: target.socket }, events: ['domain-lifecycle'] });
  t.after(() => Promise.all([here.close(), there.close()]));
  const left = collect(here, 'domain-lifecycle');
  const came = collect(there, 'domain-lifecycle');

  const domain = await createDomainXml(here, guestXml({ name: 'mover' }));
  await migrateDomain(here, domain, {
    destination: target.uri,
    migrateUri: `unix://${join(target.dir, 'migrate.sock')}`,
    flags: Migrate.live,
  });
  assert.deepEqual(await listDomains(here), []);
  const moved = await domainState(there, domain);
  assert.equal(moved.state, 'running');
  await until(() => left.some(({ event, detail }) => event === 'stopped' && detail === 'migrated'));
  await until(() => came.some(({ event, detail }) => event === 'resumed' && detail === 'migrated'));
  assert.equal((await jobStats(there, domain)).type, 'none');
  await destroyDomain(there, domain);
});

test('a detached host outlives whoever started it, and is found again', async (t) => {
  const dir = await tempDir();
  const started = await startPrivateLibvirtd({ dir, cacheDir, detached: true });
  t.after(() => started.stop({ purge: true }));
  const found = await attachPrivateLibvirtd(dir);
  assert.equal(found?.pid, started.pid);
  assert.equal(found?.hostUuid, started.hostUuid);
  await found?.stop();
  assert.equal(await attachPrivateLibvirtd(dir), undefined);
});

/** A CA, and certificates signed by it, all valid for a day. */
async function certificates(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const openssl = (...args: string[]): Buffer =>
    execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'strangers']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.pem`,
      '-days',
      '1',
      '-subj',
      `/CN=${ca}`,
    );
  }
  for (const [name, ca] of [
    ['server', 'ca'],
    ['client', 'ca'],
    ['stranger', 'strangers'],
  ]) {
    openssl(
      'req',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
      '-addext',
      'subjectAltName=DNS:host1',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-days',
      '1',
      '-copy_extensions',
      'copy',
    );
  }
}

// The TLS port is inside the host's network namespace, so the client runs there too.
const TLS_CLIENT = `
import { readFileSync } from 'node:fs';
import { openConnection, closeConnection } from '${import.meta.dirname}/open.ts';
import { hostname } from '${import.meta.dirname}/procedures-connect.ts';
const [dir, who, serverName] = process.argv.slice(1);
const pem = (name) => readFileSync(dir + '/' + name);
try {
  const target = { host: '127.0.0.1', serverName, ca: pem('ca.pem'), cert: pem(who + '.pem'), key: pem(who + '.key') };
  const connection = await openConnection({ target, connectTimeoutMs: 10_000 });
  console.log(await hostname(connection));
  await closeConnection(connection);
} catch (error) {
  console.log(error.code);
}`;

test('over TLS a host answers who its authority has certified, and nobody else', async (t) => {
  const dir = await tempDir();
  const pki = join(dir, 'pki');
  await certificates(pki);
  const host = await startPrivateLibvirtd({
    dir,
    hostname: 'host1',
    cacheDir,
    args: ['--listen'],
    libvirtdConf: {
      listen_tls: 1,
      listen_addr: '127.0.0.1',
      ca_file: `${pki}/ca.pem`,
      cert_file: `${pki}/server.pem`,
      key_file: `${pki}/server.key`,
    },
  });
  t.after(() => host.stop({ purge: true }));
  const client = (who: string, serverName: string): Promise<string> =>
    host.run([process.execPath, '--input-type=module', '-e', TLS_CLIENT, pki, who, serverName]);
  assert.equal(await client('client', 'host1'), 'host1\n');
  assert.match(await client('stranger', 'host1'), /^(unreachable|lost)\n$/);
  assert.equal(await client('client', 'another-host'), 'unreachable\n');
});
