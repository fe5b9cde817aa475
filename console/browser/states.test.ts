// Each screen says what is missing: a skeleton while the answer is late, the problem and a way to try again when it
// fails, and a lesson when there is nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page, Route } from 'playwright-core';
import { House, goTo, violations } from './harness.ts';

let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0 });
});
after(() => house.close());

/**
 * Screens and what of theirs is read first; in an order in which no screen has read before what a later one shows,
 * so that one page can walk them all.
 */
const SCREENS: [path: string, reads: string][] = [
  ['/', '**/v1/status'],
  ['/tenants', '**/v1/tenants*'],
  ['/policies', '**/v1/policies*'],
  ['/groups', '**/v1/groups*'],
  ['/services', '**/v1/services*'],
  ['/networks', '**/v1/networks*'],
  ['/gateways', '**/v1/gateway-instances*'],
  ['/gateways?tab=declared', '**/v1/gateways*'],
  ['/insertions', '**/v1/insertions*'],
  ['/rule-sets', '**/v1/rule-sets*'],
  ['/limits', '**/v1/limits*'],
  ['/publications', '**/v1/publications*'],
  ['/vms', '**/v1/vms?*'],
  ['/hosts', '**/v1/hosts*'],
  ['/users', '**/v1/users*'],
  ['/audit', '**/v1/audit*'],
  ['/tokens', '**/v1/tokens*'],
  ['/alerts', '**/v1/alerts*'],
  ['/trace?src=web-1&dst=db-1&service=tcp/5432', '**/v1/trace'],
  ['/inspection', '**/v1/inspection*'],
  ['/flows', '**/v1/flows?*'],
  ['/topology', '**/v1/topology*'],
];

const refuse = (route: Route) =>
  route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({
      type: 'about:blank',
      title: 'Unavailable',
      status: 503,
      code: 'unavailable',
      detail: 'The telemetry store is restarting; try again in a moment.',
    }),
  });
const nothing = (route: Route) =>
  route.fulfill({ json: { items: [], next: null, buckets: [], nodes: [], edges: [] } });

/** A screen with one of its reads answered by `how`. */
async function at(page: Page, path: string, reads: string, how: (route: Route) => unknown): Promise<void> {
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.route(reads, how);
  if (path === '/') {
    await page.goto(house.url);
    return;
  }
  // What stood before must be gone before anything is looked for.
  await page.evaluate(() => document.querySelector('h1')?.setAttribute('data-before', ''));
  await goTo(page, path);
  await page.waitForFunction(() => !document.querySelector('h1[data-before]'));
}

test('a late screen shows a skeleton; one that cannot be read says why, and tries again when asked', async () => {
  const page = await house.visit('/');
  for (const [path, reads] of SCREENS) {
    let answer = () => {};
    const late = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await at(page, path, reads, async (route) => {
      await late;
      await refuse(route);
    });
    await page.waitForSelector('[data-testid="loading"]').catch((cause: unknown) => {
      throw new Error(`${path} shows no skeleton`, { cause });
    });
    answer();
    const failure = page.locator('.failure').first();
    await failure.waitFor().catch((cause: unknown) => {
      throw new Error(`${path} shows no failure`, { cause });
    });
    assert.match((await failure.textContent()) ?? '', /telemetry store is restarting.*unavailable/s, path);
    await page.unroute(reads);
    await failure.getByRole('button', { name: 'Try again' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.failure').length === 0);
  }
  await page.context().close();
});

test('a failure is accessible', async () => {
  const page = await house.visit('/');
  await at(page, '/vms', '**/v1/vms?*', refuse);
  await page.waitForSelector('.failure');
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

test('an empty screen teaches and shows the command that does the same', async () => {
  const page = await house.visit('/');
  for (const [path, reads] of SCREENS) {
    if (path === '/' || path.startsWith('/trace')) continue;
    await at(page, path, reads, nothing);
    const empty = page.locator('[data-testid="empty"]').first();
    await empty.waitFor();
    assert.ok(((await empty.textContent()) ?? '').length > 60, path);
    assert.equal(await empty.locator('[data-testid="cli"]').count(), 1, path);
  }
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await goTo(page, '/trace');
  await page.waitForSelector('[data-testid="empty"]');
  await page.context().close();
});

test('a platform without hosts shows how to add the first', async () => {
  const page = await house.visit('/');
  const zero = { total: 0, running: 0, enforced: 0, observed: 0, unprotected: 0, connected: 0, behind: 0 };
  await at(page, '/', '**/v1/status', (route) =>
    route.fulfill({
      json: {
        sentence: { en: '', 'zh-CN': '' },
        healthy: true,
        vms: zero,
        hosts: zero,
        alerts: { open: 0, critical: 0 },
        flows: { lastMinute: 0, dropped: 0, lost: 0 },
        policies: { total: 0, unpublished: 0 },
        lastPublication: null,
      },
    }),
  );
  await page.getByRole('link', { name: 'Add a host' }).click();
  await page.getByRole('dialog').getByText('one-time token').waitFor();
  await page.context().close();
});

test('what does not exist is a plain 404, in a list and on its own page', async () => {
  const page = await house.visit('/policies/acme/never-was');
  await page.waitForSelector('[data-testid="not-found"]');
  await goTo(page, '/no/such/screen');
  await page.waitForSelector('[data-testid="not-found"]');
  await page.context().close();
});
