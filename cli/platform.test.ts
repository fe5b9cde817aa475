// The command before a real platform on throw-away stores: from signing in to the receipt of a host, as a script would.
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

const home = mkdtempSync(join(tmpdir(), 'wocloud-cli-'));
const passwordFile = join(home, 'password');
let platform: ChildProcess;
let url = '';

interface Said {
  code: number;
  out: string;
  err: string;
}

const wocloud = (args: string, input = '', env: Record<string, string> = {}) =>
  new Promise<Said>((resolve) => {
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), ...args.split(' ')],
      { env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: home, ...env } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
    child.stdin?.end(input);
  });

/** What it prints when all is well. */
const ok = async (args: string, input = ''): Promise<string> => {
  const { code, out, err } = await wocloud(args, input);
  assert.equal(code, 0, `${args}: ${err}`);
  return out;
};
const json = async <T>(args: string): Promise<T> => JSON.parse(await ok(`${args} -o json`)) as T;

before(async () => {
  const program = join(import.meta.dirname, '..', 'platform', 'testing', 'serve.ts');
  platform = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  assert.ok(platform.stdout);
  const [line] = (await once(createInterface({ input: platform.stdout }), 'line')) as [string];
  const served = JSON.parse(line) as { url: string; user: string; password: string };
  url = served.url;
  writeFileSync(passwordFile, `${served.password}\n`);
  await ok(`login ${served.url} -u ${served.user} --password-file ${passwordFile}`);
});
after(async () => {
  platform.stdin?.end();
  if (platform.exitCode === null) await once(platform, 'exit');
  rmSync(home, { recursive: true });
});

test('status answers in one sentence, in the language of the terminal, with an exit code', async () => {
  assert.match(await ok('status --wait'), /^5 VMs on 1 host, all only observed, nothing published yet; /);
  const chinese = await wocloud('status', '', { LANG: 'zh_CN.UTF-8' });
  assert.match(chinese.out, /^1 台宿主机上的 5 台虚拟机，全部仅观察/);
  assert.equal((await json<{ vms: { total: number } }>('status')).vms.total, 5);
});

test('a policy goes from a file to a receipt, and back by its history', async () => {
  const policy = (port: number) => `
apiVersion: wocloud/v1
kind: Policy
metadata: { name: web, tenant: acme }
spec:
  tier: tenant
  priority: 100
  mode: enforce
  appliesTo: { selector: "app=web" }
  rules: [{ name: in, direction: in, action: allow, from: [any], services: [tcp/${port}] }]
`;
  await ok('apply -f -', 'apiVersion: wocloud/v1\nkind: Tenant\nmetadata: { name: acme }\nspec: {}\n');
  assert.equal((await wocloud('diff -f -', policy(443))).code, 1);
  assert.match(await ok('apply -f - --reason first', policy(443)), /policy acme\/web created/);
  assert.equal((await wocloud('diff -f -', policy(443))).code, 0);
  const waiting = await wocloud('changes');
  assert.equal(waiting.code, 1);
  assert.match(waiting.out, /created +Policy +acme +web[^]*\+ +- tcp\/443/);
  assert.match(await ok('publish -m first'), /kvm-1 +applied[^]*publication 1: published, \d changes?/);
  await ok('apply -f - --reason second', policy(8443));
  assert.match(await ok('publish'), /published, 1 change\n/);
  assert.match(await ok('history policy web -t acme'), /2 +\S+ +admin +second\n +1 +\S+ +admin +first/);
  const old = await ok('history policy web 1 -t acme -o yaml');
  assert.match(await ok('apply -f -', old), /policy acme\/web changed/);
  assert.match(await ok('rollback --yes'), /publication 3: published/);
  const receipts = await json<{ generation: number }[]>('host receipts kvm-1');
  assert.ok(receipts.length > 0 && receipts.every((r) => r.generation > 0), JSON.stringify(receipts));
  assert.match(await ok('host check kvm-1'), /nothing stands in the way/);
});

test('labels and tenants of VMs, enforcement, and what would happen to a packet', async () => {
  assert.match(await ok('label web-1 env=prod --tenant acme'), /vm web-1 of acme: app=web env=prod/);
  assert.match(await ok('label web-1 env-'), /vm web-1 of acme: app=web\n/);
  assert.match(await ok('enforce vm web-1'), /vm web-1: enforce, 1 VM\n/);
  assert.match(await ok('get enforcement'), /vm +\S+ +enforce +admin/);
  const trace = await wocloud('trace mallory web-1 tcp/22');
  assert.deepEqual([trace.code, trace.out.startsWith('dropped')], [1, true]);
  await ok('observe vm web-1 --unset');
  assert.match(await ok('search web-1'), /vm +web-1 +acme/);
});

test('flows, their sum and their course, filtered as in the console', async () => {
  platform.stdin?.write('connect web-1 db-1 5432 allowed\nconnect mallory db-1 22 dropped default/between\n');
  const deadline = Date.now() + 20_000;
  let rows: string[] = [];
  while (rows.length < 2 && Date.now() < deadline)
    rows = (await ok('flows to:db-1 -o jsonl')).split('\n').filter(Boolean);
  assert.equal(rows.length, 2);
  assert.match(await ok('flows --to db-1 --verdict dropped'), /dropped +\S+ +mallory +db-1:22 +tcp/);
  assert.match(await ok('topology --by vm'), /mallory +db-1 +dropped +1/);
  const course = await json<{ dropped: number }[]>('histogram --buckets 3');
  assert.deepEqual([course.length, course.reduce((n, b) => n + b.dropped, 0)], [3, 1]);
});

test('gateways: declared, how they are, and what they saw, filtered and live', async () => {
  const documents = `
apiVersion: wocloud/v1
kind: Gateway
metadata: { name: edge }
spec: { host: kvm-9, form: container }
---
apiVersion: wocloud/v1
kind: Insertion
metadata: { name: web, tenant: acme }
spec: { appliesTo: { selector: app=web }, mode: inline, failure: closed, services: [tcp/443] }
---
apiVersion: wocloud/v1
kind: Limit
metadata: { name: fair }
spec: { appliesTo: all, connections: 1000 }
`;
  const applied = await wocloud('apply -f -', documents);
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.err, /No host "kvm-9" has joined; did you mean kvm-1\?/);
  assert.match(applied.err, /2 changes are drafts/);
  assert.match(await ok('get gateways'), /edge +- +kvm-9 +container +1 +newest/);
  assert.match(await ok('get insertions'), /web +acme +app=web +inline +closed +tcp\/443 +1 +not yet/);
  assert.match(await ok('get limits'), /fair +- +all +connections=1000 +1 +not yet/);
  assert.match((await wocloud('gateways')).err, /No gateway runs/);

  platform.stdin?.write(
    'gateway edge/1 degraded the daemon is silent\nalert mallory web-1 443 2034567 ET EXPLOIT Log4j\n' +
      'alert web-2 db-1 5432 2000001 ET SCAN Postgres\n',
  );
  const lines = async (args: string) => (await ok(`${args} -o jsonl`)).split('\n').filter(Boolean);
  const deadline = Date.now() + 20_000;
  while ((await lines('inspection')).length < 2 && Date.now() < deadline);
  assert.match(
    await ok('inspection --type alert --vm web-1'),
    /alert +\S+ +mallory:\d+ +web-1:443 +tls +2034567 +ET EXPLOIT Log4j\n$/,
  );
  assert.equal((await lines('inspection signature:2000001')).length, 1);
  assert.equal((await lines('inspection !signature:2000001 --find log4j')).length, 1);
  assert.deepEqual(await lines('inspection action:blocked'), []);
  assert.equal((await wocloud('inspection typ:alert')).code, 2);
  while (!/degraded/.test((await wocloud('gateways')).out) && Date.now() < deadline);
  assert.match(
    await ok('gateways'),
    /kvm-1 +edge\/1 +vm +degraded +\S+ +the daemon is silent +80 µs +0 +0\n/,
  );
  assert.deepEqual(
    (await json<{ id: string; stale: boolean }[]>('gateways --host kvm-1')).map((g) => [g.id, g.stale]),
    [['edge/1', false]],
  );
  assert.match(await ok('status --wait'), /gateways +1 \(0 failed\)/);
  assert.match(
    await ok('audit --changes --operation gateway.state'),
    /kvm-1 +gateway\.state +gateway\/kvm-1\/edge\/1 +failed/,
  );

  const live = spawn(
    process.execPath,
    [join(import.meta.dirname, 'main.ts'), 'inspection', '-f', 'vm:db-1'],
    {
      env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  assert.ok(live.stdout);
  const shown = createInterface({ input: live.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await shown.next()).value);
  assert.match(await next(), /alert .*web-2:\d+ → db-1:5432 tls .*2000001 ET SCAN Postgres$/);
  platform.stdin?.write(
    'alert mallory web-1 443 2034567 not theirs\nalert mallory db-1 22 2034568 ET SCAN SSH\n',
  );
  assert.match(await next(), /mallory:\d+ → db-1:22 tls .*2034568 ET SCAN SSH$/);
  live.kill('SIGINT');
  await once(live, 'exit');
});

test('rules are imported from files; again, their lists stay; what is wrong is said with its line', async () => {
  const folder = join(home, 'et');
  mkdirSync(folder);
  const rule = (sid: number) => `alert tcp any any -> any any (msg:"x"; sid:${sid}; rev:1;)`;
  writeFileSync(join(folder, 'a.rules'), `# ET Open\r\n${rule(1)}\r\n#${rule(2)}\r\n`);
  writeFileSync(join(folder, 'b.rules'), `${rule(3)}\n${rule(4)}`);
  writeFileSync(join(folder, 'LICENSE'), 'not a rule');
  assert.match(
    await ok(`rules import ${folder} --name et --disable 3,4 --drop 1 --enable 2`),
    /^ruleset et created\n$/,
  );
  type Spec = { spec: { rules: string; disable: number[]; enable: number[]; drop: number[] } };
  const first = await json<Spec>('get rule-sets et');
  assert.equal(first.spec.rules, `# ET Open\n${rule(1)}\n#${rule(2)}\n${rule(3)}\n${rule(4)}\n`);
  assert.deepEqual([first.spec.enable, first.spec.disable, first.spec.drop], [[2], [3, 4], [1]]);
  assert.match(await ok('get rule-sets'), /et +- +yes +3 +1 +not yet/);

  writeFileSync(join(folder, 'a.rules'), `${rule(1)}\n#${rule(2)}\n${rule(5)}\n`);
  assert.match(await ok(`rules import ${folder} --name et --disable 4`), /^ruleset et changed\n$/);
  const second = await json<Spec>('get rule-sets et');
  assert.deepEqual([second.spec.enable, second.spec.disable, second.spec.drop], [[2], [4], [1]]);
  assert.match(
    await ok(`rules import ${folder} --name et --only-on -o yaml`),
    /^apiVersion: wocloud\/v1\nkind: RuleSet/,
  );
  const old = await json<Spec>('history rule-sets et 1');
  assert.deepEqual(old.spec.disable, [3, 4]);

  writeFileSync(join(folder, 'b.rules'), `${rule(3)}\nalert tcp any any (sid:9;)\n`);
  const wrong = await wocloud(`rules import ${folder}/b.rules --name bad`);
  assert.equal(wrong.code, 6);
  assert.match(wrong.err, /\/spec\/rules: line 2: .* is no header \(write ACTION PROTOCOL/);
  assert.equal((await wocloud(`rules import ${folder} --name et --disable x`)).code, 2);
  await ok('delete rule-set et --yes');
});

test('people: users, grants, tokens, and that each may do only what is theirs', async () => {
  await ok(`user add alice -t acme --tenant-role owner --password-file ${passwordFile}`);
  await ok(`user add bob -t acme --password-file ${passwordFile}`);
  const as = (token: string) => ({ WOCLOUD_URL: url, WOCLOUD_TOKEN: token });
  const signIn = async (name: string) => {
    const other = { XDG_CONFIG_HOME: join(home, name) };
    const signed = await wocloud(`login ${url} -u ${name} --password-file ${passwordFile}`, '', other);
    assert.equal(signed.code, 0, signed.err);
    return (await wocloud('token create script --days 1', '', other)).out.trim();
  };
  const [alice, bob] = [await signIn('alice'), await signIn('bob')];
  const given = await wocloud('grant web-1 bob view power', '', as(alice));
  assert.equal(given.out, 'bob on web-1: view, power\n', given.err);
  assert.match((await wocloud('get vms', '', as(bob))).out, /web-1/);
  assert.match((await wocloud('get grants', '', as(alice))).out, /bob +web-1 +view, power +alice/);
  const refused = await wocloud('user add carol', 'long enough password', as(bob));
  assert.deepEqual([refused.code, refused.out], [2, ''], 'without a password file it does not ask a script');
  assert.equal((await wocloud('get audit', '', as(bob))).code, 2);
  assert.equal((await wocloud('audit', '', as(bob))).code, 3);
  assert.match(await ok('user set bob --disable'), /bob: member of acme, disabled/);
  assert.equal((await wocloud('get vms', '', as(bob))).code, 3);
  await ok('user delete bob --yes');
  assert.match(
    await ok('audit --changes --operation users.delete'),
    /admin +users\.delete +user\/bob +allowed/,
  );
  assert.match(await ok('audit verify'), /^intact: \d+ entries/);
});
