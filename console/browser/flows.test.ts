// The flows screen: live without jumping, filtered by click and by typing, everything in the address.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { House, PATIENCE_MS, violations } from './harness.ts';

let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0 });
});
after(() => house.close());

/** New flows are made at will only in the fixture. */
const fixtureOnly = process.env['WOCLOUD_URL'] ? 'needs flows on command' : false;
const q = (page: Page) => new URL(page.url()).searchParams.get('q');
const cell = (page: Page, field: string, row = 0) =>
  page.locator(`tr[data-row="${row}"] td[data-field="${field}"]`);

async function open(path = '/flows'): Promise<Page> {
  const page = await house.visit(path);
  await page.waitForSelector('tr[data-row="0"]');
  return page;
}

test('a click on a value includes it, with Alt it excludes it, and back undoes', async () => {
  const page = await open();
  const port = (await cell(page, 'port').innerText()).trim();
  await cell(page, 'port').locator('button').click();
  await page.waitForFunction((p) => new URLSearchParams(location.search).get('q') === `port:${p}`, port);
  await page.waitForFunction(
    (p) => [...document.querySelectorAll('td[data-field="port"]')].every((c) => c.textContent === p),
    port,
  );
  const verdict = (await cell(page, 'verdict').innerText()).trim();
  await cell(page, 'verdict')
    .locator('button')
    .click({ modifiers: ['Alt'] });
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q')?.includes('-verdict:'));
  assert.equal(q(page), `port:${port} -verdict:${verdict}`);
  await page.goBack();
  assert.equal(q(page), `port:${port}`);
  await page.goBack();
  assert.equal(q(page), null);
  await page.context().close();
});

test('typing completes fields and values, and a mistake is explained', async () => {
  const page = await open();
  const bar = page.getByRole('combobox', { name: 'Filter flows' });
  await bar.fill('verd');
  await page.getByRole('option', { name: /verdict:/ }).waitFor();
  await bar.press('ArrowDown');
  await bar.press('Enter');
  await page.getByRole('option', { name: 'dropped' }).click();
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q') === 'verdict:dropped');
  await bar.fill('verdct:drop');
  await bar.press('Enter');
  await page.getByText('Did you mean "verdict"?').waitFor();
  assert.equal(q(page), 'verdict:dropped');
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Remove verdict: dropped' }).click();
  await page.waitForFunction(() => !new URLSearchParams(location.search).has('q'));
  await page.context().close();
});

test('an address shows the same to whoever opens it', async () => {
  const page = await open('/flows?q=verdict:dropped&since=24h');
  assert.equal(await page.getByRole('combobox', { name: 'Filter flows' }).inputValue(), 'verdict:dropped ');
  await page.getByRole('button', { name: 'Last 24 hours' }).waitFor();
  assert.match((await page.getByTestId('cli').textContent()) ?? '', /flows -f --verdict dropped --since 24h/);
  await page.context().close();
});

test('new flows come in live, wait while paused, and are let in', { skip: fixtureOnly }, async () => {
  const page = await open();
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
  );
  const rows = () => page.getByRole('grid').getAttribute('aria-rowcount').then(Number);
  const before = await rows();
  house.fixture!.world.flow();
  await page.waitForFunction(
    (n) => Number(document.querySelector('[role=grid]')?.getAttribute('aria-rowcount')) === n + 1,
    before,
  );
  await page.keyboard.press('Space');
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Paused',
  );
  for (let i = 0; i < 3; i += 1) house.fixture!.world.flow();
  const waiting = page.getByTestId('new');
  await waiting.getByText('3 new').waitFor();
  assert.equal(await rows(), before + 1);
  await waiting.click();
  await page.waitForFunction(
    (n) => Number(document.querySelector('[role=grid]')?.getAttribute('aria-rowcount')) === n + 4,
    before,
  );
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.context().close();
});

test(
  'while someone reads further down, what is on screen stays where it is',
  { skip: fixtureOnly },
  async () => {
    const page = await open('/flows?since=24h');
    await page.waitForFunction(
      () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
    );
    await page.locator('.table-scroller').evaluate((e) => e.scrollTo(0, 1500));
    await page.waitForSelector('tr[data-row="45"]');
    const first = () => page.locator('tr[data-row="45"]').innerText();
    const seen = await first();
    house.fixture!.world.flow();
    await page.getByTestId('new').getByText('1 new').waitFor();
    assert.equal(await first(), seen);
    await page.context().close();
  },
);

test('dragging over the histogram chooses a time range, and one step leads back to now', async () => {
  const page = await open();
  const box = (await page.getByTestId('histogram').locator('svg').boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => new URLSearchParams(location.search).has('until'));
  const params = new URL(page.url()).searchParams;
  const length = Date.parse(params.get('until')!) - Date.parse(params.get('since')!);
  assert.ok(Math.abs(length - 900_000) < 60_000, `${length} ms`);
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Past time range',
  );
  await page.getByRole('button', { name: 'Back to now' }).click();
  await page.waitForFunction(() => !new URLSearchParams(location.search).has('until'));
  await page.context().close();
});

test(
  'from a flow to its rule, from the rule to its policy and to its flows',
  { skip: fixtureOnly },
  async () => {
    const page = await open('/flows?q=rule:acme/web/https-in');
    await cell(page, 'time').click();
    const panel = page.getByTestId('panel');
    await panel.getByRole('link', { name: 'acme/web/https-in' }).first().click();
    await panel.getByText('1 of 3').waitFor();
    assert.deepEqual(await violations(page), []);
    await panel.getByRole('link', { name: 'Open the policy' }).click();
    await page.waitForURL(/policies\/acme\/web/);
    await page.goBack();
    await panel.getByRole('link', { name: 'Flows of this rule' }).click();
    await page.waitForFunction(
      () => new URLSearchParams(location.search).get('q') === 'rule:acme/web/https-in',
    );
    await page.context().close();
  },
);

test('a flow opened from its address is found again', async () => {
  const page = await open();
  await cell(page, 'time').click();
  const title = page.getByTestId('panel').locator('h2');
  const name = await title.textContent();
  await page.reload();
  await title.waitFor({ timeout: PATIENCE_MS });
  assert.equal(await title.textContent(), name);
  await page.context().close();
});

test('the table is walked, filtered and opened by keyboard alone', async () => {
  const page = await open();
  await cell(page, 'time').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  const place = await page.evaluate(() => {
    const active = document.activeElement as HTMLElement;
    return [active.parentElement?.dataset['row'], active.dataset['field']];
  });
  assert.deepEqual(place, ['1', 'verdict']);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q')?.startsWith('verdict:'));
  await page.waitForSelector('tr[data-row="0"]');
  await cell(page, 'verdict').focus();
  await page.keyboard.press('o');
  await page.getByTestId('panel').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('panel').waitFor({ state: 'detached' });
  await page.context().close();
});

test(
  'a lost connection is said with since when, and over when it is back',
  { skip: fixtureOnly },
  async () => {
    const page = await open();
    await page.waitForFunction(
      () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
    );
    house.fixture!.streams(false);
    await page
      .getByTestId('lost')
      .getByText(/Connection lost \d+ sec\. ago/)
      .waitFor();
    assert.deepEqual(await violations(page), []);
    house.fixture!.streams(true);
    await page.getByTestId('lost').waitFor({ state: 'detached' });
    await page.context().close();
  },
);
