// The work of an operator from end to end: signing in, finding, editing, publishing, undoing; and ten thousand VMs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { House, goTo, settled, signIn, violations } from './harness.ts';

const MANY = 10_000;
let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0, vms: MANY });
});
after(() => house.close());

/** What these do to a real platform would stay. */
const fixtureOnly = process.env['WOCLOUD_URL'] ? 'changes what it finds' : false;
const editor = (page: Page) => page.locator('.cm-content');

test(
  'a wrong password is said in words, a right one leads to the address one came for',
  { skip: fixtureOnly },
  async () => {
    const page = await house.signedOut('/flows?q=verdict:dropped');
    await page.waitForSelector('#name');
    await page.fill('#name', 'admin');
    await page.fill('#password', 'not the password');
    await page.keyboard.press('Enter');
    await page.getByText('That name and password do not fit.').waitFor();
    await signIn(page, 'admin', 'correct horse battery');
    await page.waitForSelector('tr[data-row="0"]');
    assert.equal(new URL(page.url()).search, '?q=verdict%3Adropped'.replace('%3A', ':'));
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.waitForSelector('#name');
    await page.context().close();
  },
);

test('the first screen stands within a second of being asked for', async () => {
  const page = await house.visit('/');
  await page.waitForSelector('[data-testid="sentence"]');
  const started = Date.now();
  await page.reload({ waitUntil: 'commit' });
  await page.waitForSelector('[data-testid="sentence"]');
  const took = Date.now() - started;
  console.log(`first screen after ${took} ms`);
  // The promise is a second on a quiet machine; tests share theirs with others.
  assert.ok(took < 3000, `${took} ms`);
  await page.context().close();
});

test('every number of the sentence leads to its list', async () => {
  const page = await house.visit('/');
  const sentence = page.getByTestId('sentence');
  await sentence.waitFor();
  const links = await sentence.getByRole('link').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  const numbers = ((await sentence.innerText()).match(/\d[\d,]*/g) ?? []).length;
  assert.ok(links.length >= 3, String(links));
  assert.ok(links.includes('/vms') && links.includes('/hosts'));
  assert.ok(numbers >= links.length - 1);
  await page.context().close();
});

test(
  'ten thousand VMs are one table, of which only those in sight exist',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/vms');
    await page.waitForFunction(
      (n) => Number(document.querySelector('[role=grid]')?.getAttribute('aria-rowcount')) === n + 1,
      MANY,
    );
    assert.ok((await page.locator('tbody tr[data-row]').count()) < 80);
    await page.locator('tr[data-row="0"] td').first().focus();
    await page.keyboard.press('End');
    await page.waitForSelector(`tr[data-row="${MANY - 1}"]`);
    await page.getByRole('button', { name: 'Name' }).click();
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.querySelector('th[aria-sort="ascending"]'));
    await page.context().close();
  },
);

test('columns are chosen and kept', async () => {
  const page = await house.visit('/vms');
  await page.waitForSelector('tr[data-row="0"]');
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('menuitem', { name: 'UUID' }).click();
  await page.waitForSelector('td[data-field="id"]');
  await page.reload();
  await page.waitForSelector('td[data-field="id"]');
  await page.context().close();
});

test(
  'switching enforcement shows what it will do, does it, and can be undone',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/vms?q=erp-1');
    await page.getByRole('link', { name: 'erp-1' }).click();
    const panel = page.getByTestId('panel');
    await panel.getByRole('button', { name: 'Enforce…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/flows? would have been stopped/).waitFor();
    await dialog.getByText('It touches 1 VM.').waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole('button', { name: 'Enforce' }).click();
    await panel.getByText('enforced', { exact: true }).first().waitFor();
    await panel.getByRole('button', { name: 'Only observe…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Only observe' }).click();
    await panel.getByRole('button', { name: 'Enforce…' }).waitFor();
    await page.context().close();
  },
);

test(
  'a policy is edited with help, saved, published with receipts, and rolled back',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/policies/acme/db?tab=document');
    await editor(page).click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('    - { name: new, direction: in, action: ');
    await page.keyboard.press('Control+Space');
    await page.locator('.cm-tooltip-autocomplete').getByText('reject').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.type('alow }');
    await page
      .getByText(/must be one of allow, drop, reject, inspect/)
      .first()
      .waitFor();
    assert.ok(await page.getByRole('button', { name: 'Save draft' }).isDisabled());
    for (let i = 0; i < 6; i += 1) await page.keyboard.press('Backspace');
    await page.keyboard.type('drop }');
    await page.getByText('The document is valid').waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByLabel('Why (kept with the version)').fill('one more rule');
    await page.getByRole('button', { name: 'Save draft' }).click();
    await page.getByText('Saved as version 2').waitFor();
    await page.getByRole('tab', { name: 'Differences' }).click();
    await page
      .locator('[data-testid="diff"] .cm-changedLine, [data-testid="diff"] .cm-insertedLine')
      .first()
      .waitFor();
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByText('one more rule').waitFor();

    await goTo(page, '/publications');
    await page.getByRole('button', { name: 'Publish…' }).click();
    await page.getByRole('dialog').getByLabel('Message: why').fill('stricter');
    assert.deepEqual(await violations(page), []);
    await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
    const panel = page.getByTestId('panel');
    await panel.getByText('publishing').waitFor();
    await panel.getByText('2 of 3 hosts proven').waitFor();
    await panel.getByText('partly published').waitFor();
    assert.deepEqual(await violations(page), []);

    await panel.getByRole('button', { name: 'Roll back to this…' }).click();
    await page
      .getByRole('dialog')
      .getByText(/Everything that was in force/)
      .waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    await panel.getByText('Publication 3').waitFor();
    await page.context().close();
  },
);

test('a version saved meanwhile is not overwritten unseen', { skip: fixtureOnly }, async () => {
  const page = await house.visit('/groups/acme/web?tab=document');
  await editor(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('  members: [lb-1]');
  await page.getByText('The document is valid').waitFor();
  const shelf = house.fixture!.world.shelves;
  const stored = shelf.get('Group', 'acme', 'web')!;
  shelf.put(
    {
      apiVersion: 'wocloud/v1',
      kind: 'Group',
      metadata: { name: 'web', tenant: 'acme' },
      spec: { selector: 'app=web,env=prod' },
    } as never,
    'sam',
    'narrower',
    false,
  );
  await page.getByRole('button', { name: 'Save draft' }).click();
  await page.getByText(`Someone saved version`).first().waitFor();
  assert.equal(shelf.get('Group', 'acme', 'web')!.metadata.version, stored.metadata.version + 1);
  await page.getByRole('button', { name: 'Keep mine, on top of theirs' }).click();
  await page.getByText(/Saved as version/).waitFor();
  await page.context().close();
});

test('unsaved text is not left behind without asking', { skip: fixtureOnly }, async () => {
  const page = await house.visit('/services/-/web?tab=document');
  await editor(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('# later');
  await page.getByRole('link', { name: 'Hosts' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stay' }).click();
  assert.match(page.url(), /services/);
  await page.getByRole('link', { name: 'Hosts' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
  await page.waitForURL(/hosts/);
  await page.context().close();
});

test('an alert is handled with a note', { skip: fixtureOnly }, async () => {
  const page = await house.visit('/alerts');
  await page.getByRole('link', { name: /claims the address/ }).click();
  const panel = page.getByTestId('panel');
  await panel.getByText('52:54:00:00:00:08').waitFor();
  await panel.getByLabel('Note for whoever looks next').fill('unplugged');
  assert.deepEqual(await violations(page), []);
  await panel.getByRole('button', { name: 'Resolve' }).click();
  await panel.getByText('resolved', { exact: true }).waitFor();
  await page.waitForFunction(
    () => ![...document.querySelectorAll('td')].some((c) => /claims the address/.test(c.textContent ?? '')),
  );
  await page.context().close();
});

test(
  'a trace names the deciding rule and its steps, and its address is the question',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/trace');
    await page.getByLabel('Source', { exact: true }).fill('web-1');
    await page.getByLabel('Destination', { exact: true }).fill('db-1');
    await page.getByLabel('Service', { exact: true }).fill('tcp/5432');
    await page.keyboard.press('Enter');
    const result = page.getByTestId('trace');
    await result.getByRole('link', { name: 'acme/db/rest' }).first().waitFor();
    assert.equal(await result.locator('.trace-steps li').count(), 2);
    assert.match(page.url(), /src=web-1&dst=db-1&service=tcp%2F5432/);
    await page.context().close();
  },
);

test(
  'the map is walked by arrow keys, a group opened by Enter, and the table says the same',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/topology');
    const map = page.getByTestId('map');
    await map.focus();
    await page
      .getByTestId('map-focus')
      .getByText(/edges out/)
      .waitFor({ state: 'attached' });
    const nodes = () => map.getAttribute('data-nodes').then(Number);
    const closed = await nodes();
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp', 'ArrowDown', 'ArrowRight']) {
      if (/group/.test((await page.getByTestId('map-focus').textContent()) ?? '')) break;
      await page.keyboard.press(key);
    }
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      (n) => Number(document.querySelector('[data-testid="map"]')?.getAttribute('data-nodes')) > n,
      closed,
    );
    assert.match(page.url(), /open=group/);
    await page
      .getByTestId('matrix')
      .getByRole('button', { name: /dropped/ })
      .first()
      .click();
    await page.getByTestId('edge').getByRole('link', { name: 'Show these flows' }).click();
    await page.waitForURL(/flows\?q=/);
    await page.waitForSelector('tr[data-row="0"]');
    await page.context().close();
  },
);

test('keys go, search and help', async () => {
  const page = await house.visit('/');
  await settled(page);
  await page.keyboard.press('g');
  await page.keyboard.press('v');
  await page.waitForURL(/\/vms/);
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Go to Topology').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  const search = page.getByRole('combobox', { name: /Search VMs/ });
  await search.fill('web');
  await page.getByRole('option').first().waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.context().close();
});

test('language and theme are switched at once and kept', async () => {
  const page = await house.visit('/hosts');
  await settled(page, 'Hosts');
  await page.getByRole('button', { name: 'Appearance and language' }).click();
  await page.getByRole('menuitem', { name: '简体中文' }).click();
  await page.waitForFunction(() => document.querySelector('h1')?.textContent === '宿主机');
  await page.getByRole('menuitem', { name: '深色' }).click();
  await page.waitForSelector('html.pf-v6-theme-dark');
  await page.context().close();
});

test('nothing was refused by the page’s policy or failed unseen', () => {
  assert.deepEqual(house.complaints, []);
});
