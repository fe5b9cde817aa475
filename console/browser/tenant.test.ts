// What someone of a tenant sees: their own, without links that lead to what is not theirs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, goTo, settled, signIn, violations } from './harness.ts';

let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0 });
});
after(() => house.close());

const visitAs = async (name: string, path: string) => {
  const page = await house.signedOut(path);
  await page.waitForSelector('#name');
  await signIn(page, name, 'correct horse battery');
  return page;
};

test('hosts are named to a tenant but lead nowhere, and a colleague’s link shows a plain 404', async () => {
  const page = await visitAs('alice', '/');
  const sentence = page.getByTestId('sentence');
  await sentence.waitFor();
  assert.match(await sentence.innerText(), /on \d+ hosts?/);
  assert.equal(await page.locator('.shell main a[href^="/hosts"]').count(), 0);
  assert.equal(await page.locator('nav a[href^="/hosts"], nav a[href^="/audit"]').count(), 0);
  for (const path of ['/hosts', '/audit', '/hosts?panel=host:kvm-1']) {
    await goTo(page, path);
    await page.waitForSelector('[data-testid="not-found"]');
  }
  await goTo(page, '/vms?panel=vm:web-1');
  const panel = page.getByTestId('panel');
  await panel.getByRole('heading', { name: 'web-1' }).waitFor();
  assert.equal(await panel.locator('a[href*="host%3A"], a[href*="panel=host"]').count(), 0);
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

test('who sees no VM is told whom to ask, not how to add a host', async () => {
  const page = await visitAs('bob', '/policies');
  const zero = { total: 0, running: 0, enforced: 0, observed: 0, unprotected: 0, connected: 0, behind: 0 };
  await page.route('**/v1/status', (route) =>
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
  await goTo(page, '/');
  await settled(page, 'Overview');
  await page.getByText('Ask one of them').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Add a host' }).count(), 0);
  await page.context().close();
  assert.deepEqual(house.complaints, []);
});
