// The console before the real platform, its PostgreSQL and its telemetry store: signing in, VMs as an engine reports
// them, a connection on screen within two seconds, a policy from the editor to a host's receipt.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { House, goTo, settled, signIn, violations } from './harness.ts';

interface Served {
  url: string;
  user: string;
  password: string;
}

let platform: ChildProcess;
let served: Served;
let house: House;
let page: Page;

before(async () => {
  const program = join(import.meta.dirname, '..', '..', 'platform', 'testing', 'serve.ts');
  platform = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: platform.stdout! }), 'line')) as [string];
  served = JSON.parse(line) as Served;
  house = await House.open({ url: served.url });
  page = await house.signedOut('/');
  await page.waitForSelector('#name');
  await signIn(page, served.user, served.password);
});
after(async () => {
  await house?.close();
  platform?.stdin?.end();
  if (platform && platform.exitCode === null) await once(platform, 'exit');
});

test('the overview says what there is', async () => {
  const sentence = page.getByTestId('sentence');
  await sentence.getByRole('link', { name: '5 VMs' }).waitFor();
  await sentence.getByRole('link', { name: '1 host' }).waitFor();
});

test('VMs stand as the engine reported them, and open with their cards and addresses', async () => {
  await goTo(page, '/vms');
  await page.getByRole('link', { name: 'db-1' }).click();
  await page.getByTestId('panel').getByText('52:54:00:00:01:03').waitFor();
  await page.getByTestId('panel').getByText('10.1.0.13').first().waitFor();
});

test('a refused connection is on screen within two seconds, with its VMs and its rule', async () => {
  await goTo(page, '/flows?q=to:db-1+port:22');
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
  );
  const reported = Date.now();
  platform.stdin!.write('connect mallory db-1 22 dropped default/between\n');
  const row = page.locator('tr[data-row="0"]');
  await row.waitFor();
  assert.ok(Date.now() - reported < 2000, `${Date.now() - reported} ms`);
  const text = await row.innerText();
  for (const part of ['dropped', 'mallory', 'db-1', '22', 'default/between'])
    assert.ok(text.includes(part), text);
  await row.locator('td[data-field="time"]').click();
  await page
    .getByTestId('panel')
    .getByRole('heading', { name: /mallory → db-1 tcp\/22/ })
    .waitFor();
});

test('a tenant and a policy are made in the editor, published, and proven by a receipt', async () => {
  await goTo(page, '/tenants/new');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(/\/tenants\/-\/new-tenant/);
  await goTo(page, '/policies/new?tenant=new-tenant');
  await page.getByRole('button', { name: 'Save draft' }).click();
  await page.waitForURL(/\/policies\/new-tenant\/new-policy/);
  await page.getByRole('link', { name: 'https-in' }).waitFor();
  await goTo(page, '/publications');
  await page.getByRole('button', { name: 'Publish…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  const panel = page.getByTestId('panel');
  await panel.getByText('1 of 1 hosts proven').waitFor();
  await panel.getByText('published', { exact: true }).waitFor();
});

test('a file of rules becomes a rule set, one that Suricata would refuse is told by its line', async () => {
  const rule = 'alert tcp any any -> any any (msg:"ET TEST"; sid:9100001; rev:1;)';
  const upload = async (name: string, text: string) => {
    await goTo(page, '/rule-sets');
    await settled(page, 'Rule sets');
    await page
      .getByTestId('rules-file')
      .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
    await page.waitForURL(/rule-sets\/new/);
    await page.getByRole('button', { name: 'Save draft' }).click();
  };
  await upload('broken.rules', `${rule}\nalert tcp any any -> any any (msg:"no number";)\n`);
  await page
    .locator('.failure')
    .getByText(/line 2/)
    .first()
    .waitFor();
  await upload('good.rules', `${rule}\n`);
  await page.waitForURL(/rule-sets\/-\/good/);
  await page.getByTestId('rules-summary').getByText('rules on: 1').waitFor();
});

test('an insertion is made, and says that it fits no VM', async () => {
  await goTo(page, '/insertions/new?tenant=new-tenant');
  await page.getByRole('button', { name: 'Save draft' }).click();
  await page.waitForURL(/\/insertions\/new-tenant\/new-insertion/);
  await page.getByText('It applies to no VM now').waitFor();
});

test('what the platform refuses is shown with its place in the document', async () => {
  await goTo(page, '/policies/new?tenant=nobody');
  await page.getByRole('button', { name: 'Save draft' }).click();
  await page
    .locator('.failure')
    .getByText(/nobody/)
    .first()
    .waitFor();
});

test('a trace tells the verdict, and the audit log is whole', async () => {
  await goTo(page, '/trace?src=web-1&dst=db-1&service=tcp/5432');
  await page.getByTestId('trace').getByText('observed').first().waitFor();
  await goTo(page, '/audit');
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page
    .getByTestId('verified')
    .getByText(/unbroken/)
    .waitFor();
});

test('every screen stands before the real platform without a violation or a complaint', async () => {
  const found: string[] = [];
  for (const path of [
    '/',
    '/topology',
    '/flows',
    '/vms',
    '/hosts',
    '/policies',
    '/groups',
    '/inspection',
    '/gateways',
    '/gateways?tab=declared',
    '/insertions',
    '/rule-sets',
    '/limits',
    '/publications',
    '/alerts',
    '/users',
    '/tokens',
  ]) {
    await goTo(page, path);
    await settled(page);
    assert.equal(await page.locator('.failure').count(), 0, path);
    found.push(...(await violations(page)).map((v) => `${path}: ${v}`));
  }
  assert.deepEqual(found, []);
  assert.deepEqual(house.complaints, []);
});
