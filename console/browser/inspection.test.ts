// Gateways and what they see: the worst first, live events with what they say, the way of a flow, rules by the file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { MAX_RULE_TEXT } from '@wocloud/protocol/resources/rule-set.ts';
import { House, goTo, settled, signIn, violations, type Visit } from './harness.ts';

let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0 });
});
after(() => house.close());

/** What these show and change is the fixture's. */
const fixtureOnly = process.env['WOCLOUD_URL'] ? 'needs the fixture’s gateways' : false;
const BOTH: Visit[] = [
  { language: 'en', theme: 'dark' },
  { language: 'zh-CN', theme: 'light' },
];
const q = (page: Page) => new URL(page.url()).searchParams.get('q');
const cell = (page: Page, field: string, row = 0) =>
  page.locator(`tr[data-row="${row}"] td[data-field="${field}"]`);
const world = () => house.fixture!.world;

async function open(path: string, how?: Visit): Promise<Page> {
  const page = await house.visit(path, how);
  await page.waitForSelector('tr[data-row="0"]');
  return page;
}

test('gateways stand worst first, and change as their hosts report', { skip: fixtureOnly }, async () => {
  const page = await open('/gateways');
  const states = () => page.locator('td[data-field="state"]').allInnerTexts();
  assert.deepEqual(
    (await states()).map((s) => s.trim()),
    ['failed', 'degraded', 'stale', 'starting', 'draining', 'working'],
  );
  await cell(page, 'since').click();
  const panel = page.getByTestId('panel');
  await panel.getByText('passes uninspected; what is closed is dropped').waitFor();
  await panel.getByText('No probe has come back for 300 ms').waitFor();
  const failed = world().instances.find((i) => i.state === 'failed')!;
  world().tell({ topic: 'gateway', data: { ...failed, state: 'working', reason: '' } });
  await panel.getByText('working', { exact: true }).waitFor();
  await page.waitForFunction(
    () => document.querySelector('td[data-field="state"]')?.textContent?.trim() === 'degraded',
  );
  world().tell({ topic: 'gatewayGone', data: { host: failed.host, id: failed.id } });
  await panel.getByText('no longer there').waitFor();
  await page.context().close();
});

test(
  'an instance says what was wrong with its last rules, in both languages',
  { skip: fixtureOnly },
  async () => {
    for (const how of BOTH) {
      const page = await open('/gateways?q=branch/1', how);
      await cell(page, 'since').click();
      const panel = page.getByTestId('panel');
      await panel.getByText('unterminated content').waitFor();
      assert.deepEqual(await violations(page), []);
      await page.context().close();
    }
  },
);

test('an insertion says whose traffic is inspected and whose is not', { skip: fixtureOnly }, async () => {
  const page = await house.visit('/insertions');
  await page.getByRole('link', { name: 'web', exact: true }).click();
  await page.getByText('2 VMs: their traffic is inspected').waitFor();
  assert.match(await cell(page, 'gateway').innerText(), /working/);
  assert.match(await cell(page, 'gateway', 1).innerText(), /starting/);
  await goTo(page, '/insertions/globex/shop');
  await page.getByText('2 VMs are not enforced: nothing of them is inspected.').waitFor();
  await page.context().close();
});

test('events come live, are filtered by a click, and wait while paused', { skip: fixtureOnly }, async () => {
  const page = await open('/inspection');
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
  );
  const rows = () => page.getByRole('grid').getAttribute('aria-rowcount').then(Number);
  const first = await rows();
  world().event('alert');
  await page.waitForFunction(
    (n) => Number(document.querySelector('[role=grid]')?.getAttribute('aria-rowcount')) === n + 1,
    first,
  );
  await cell(page, 'type').locator('button').click();
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q') === 'type:alert');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('td[data-field="type"]')].every((c) => c.textContent === 'alert'),
  );
  await page.waitForFunction(
    () => document.querySelector('[data-testid="live-state"]')?.textContent === 'Live',
  );
  const alerts = await rows();
  await page.getByRole('button', { name: 'Pause' }).click();
  // What the filter leaves out does not come at all.
  world().event('dns');
  world().event('alert');
  await page.getByTestId('new').getByText('1 new').waitFor();
  assert.equal(await rows(), alerts);
  await page.getByTestId('new').click();
  await page.waitForFunction(
    (n) => Number(document.querySelector('[role=grid]')?.getAttribute('aria-rowcount')) === n + 1,
    alerts,
  );
  await page.context().close();
});

test('the filter bar knows the words of events, and explains a mistake', { skip: fixtureOnly }, async () => {
  const page = await open('/inspection?since=24h');
  const bar = page.getByRole('combobox', { name: 'Filter events' });
  await bar.fill('gate');
  await page.getByRole('option', { name: /gateway:/ }).click();
  await page.getByRole('option', { name: 'edge/1' }).click();
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q') === 'gateway:edge/1');
  await bar.fill('action:blokced');
  await bar.press('Enter');
  await page.getByText('Did you mean "blocked"?').waitFor();
  await bar.fill('action:drop type:alert');
  await bar.press('Enter');
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q')?.includes('action:blocked'));
  assert.equal(q(page), 'type:alert action:blocked');
  await page.context().close();
});

test('an event says what was seen, in both languages, and leads on', { skip: fixtureOnly }, async () => {
  for (const how of BOTH) {
    const page = await open('/inspection?since=24h&q=signature:2034647+type:alert', how);
    await cell(page, 'time').click();
    const panel = page.getByTestId('panel');
    await panel.getByText('(T1190)').or(panel.getByText('（T1190）')).waitFor();
    await panel.getByText('CVE_2021_44228', { exact: true }).waitFor();
    await panel.getByText('Mozilla/5.0 (X11; Linux x86_64)', { exact: true }).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.context().close();
  }
  const page = await open('/inspection?since=24h&q=signature:2034647+type:alert');
  await cell(page, 'time').click();
  const panel = page.getByTestId('panel');
  // A link sent to a colleague opens the same event.
  const title = await panel.locator('h2').innerText();
  await page.reload();
  await panel.locator('h2').waitFor();
  assert.equal(await panel.locator('h2').innerText(), title);
  await panel.getByRole('button', { name: 'Find its rule set' }).click();
  await panel.getByTestId('rule-sets').getByRole('link', { name: 'et-open' }).waitFor();
  await panel.getByRole('link', { name: 'The flow in the list of flows' }).click();
  await page.waitForURL(/\/flows\?/);
  assert.match(
    q(page) ?? '',
    /^from:[0-9.]+,[0-9.]+ to:[0-9.]+,[0-9.]+ port:\d+,8080 protocol:tcp network:acme-lan$/,
  );
  await page.goBack();
  await panel.getByRole('link', { name: 'Its alert' }).click();
  await page.getByRole('link', { name: /log4j/ }).waitFor();
  await page.context().close();
});

test(
  'the alert of an event is told with its technique and leads to what was seen',
  { skip: fixtureOnly },
  async () => {
    for (const how of BOTH) {
      const page = await house.visit('/alerts?panel=alert:alert-5', how);
      const panel = page.getByTestId('panel');
      await panel.getByText('(T1190)').or(panel.getByText('（T1190）')).waitFor();
      assert.deepEqual(await violations(page), []);
      await page.context().close();
    }
    const page = await house.visit('/alerts?panel=alert:alert-5');
    await page
      .getByTestId('panel')
      .getByRole('link', { name: 'What the gateway saw around that time' })
      .click();
    await page.waitForURL(/\/inspection\?/);
    assert.equal(q(page), 'signature:2034647 vm:mallory');
    await page.context().close();
  },
);

test('a flow shows its way through the gateway, and so does its trace', { skip: fixtureOnly }, async () => {
  const page = await open('/flows?since=24h&q=from:lb-1+to:web-1');
  await cell(page, 'time').click();
  const path = page.getByTestId('path');
  await path.getByText('inline').waitFor();
  assert.match(
    (await path.innerText()).replaceAll(/\s+/g, ' '),
    /Source lb-1 .* acme\/edge\/to-web Gateway inline closed by insertion acme\/web .* acme\/web\/https-in Destination web-1 .* allowed/,
  );
  assert.deepEqual(await violations(page), []);
  await page.getByRole('link', { name: 'Trace this connection now' }).click();
  const trace = page.getByTestId('trace');
  await trace.getByRole('link', { name: 'acme/web', exact: true }).waitFor();
  assert.equal(await trace.locator('.trace-steps li').count(), 3);
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

const RULE = (sid: number) =>
  `alert tcp any any -> any any (msg:"ET TEST ${'x'.repeat(120)}"; classtype:misc-activity; sid:${sid}; rev:1;)\n`;
/** As long as a rule set may be. */
const LONGEST_FILE = (() => {
  const one = RULE(1_000_000);
  return Array.from({ length: Math.floor(MAX_RULE_TEXT / one.length) }, (_, i) => RULE(1_000_000 + i)).join(
    '',
  );
})();
/** On disk, as a person has it: the browser reads it there, and nothing long goes through the test's own wire. */
const file = (name: string, text: string): string => {
  const path = join(files, name);
  writeFileSync(path, text);
  return path;
};
const files = mkdtempSync(join(tmpdir(), 'console-files-'));
after(() => rmSync(files, { recursive: true }));

test(
  'a file of eight megabytes becomes a rule set, without an editor that chokes on it',
  { skip: fixtureOnly },
  async () => {
    const page = await open('/rule-sets');
    await page.getByTestId('rules-file').setInputFiles(file('Emerging All.rules', LONGEST_FILE));
    await page.waitForURL(/rule-sets\/new/);
    const lines = LONGEST_FILE.split('\n').length - 1;
    await page
      .getByTestId('rules-summary')
      .getByText(
        `8.39 MB · lines: ${lines.toLocaleString('en')} · rules on: ${lines.toLocaleString('en')}, off: 0`,
      )
      .waitFor();
    const editor = page.locator('.cm-content');
    await editor.getByText('name: emerging-all').waitFor();
    const started = Date.now();
    await editor.click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('  disable: [1000001]');
    await page.getByText('The document is valid').waitFor();
    assert.ok(Date.now() - started < 5000, `${Date.now() - started} ms to type a line`);
    await page.getByLabel('Signature number').fill('1000002');
    await page.getByRole('button', { name: 'Find the rule' }).click();
    await page.getByTestId('rule').getByText('Line 3, on in the text').waitFor();
    await page.getByRole('button', { name: 'Save draft' }).click();
    await page.waitForURL(/rule-sets\/-\/emerging-all/);
    const stored = world().shelves.get('RuleSet', null, 'emerging-all')!.spec as {
      rules: string;
      disable: number[];
    };
    assert.ok(stored.rules === LONGEST_FILE, `${stored.rules.length} characters`);
    assert.deepEqual(stored.disable, [1_000_001]);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    const download = await saving;
    assert.equal(download.suggestedFilename(), 'emerging-all.rules');
    assert.deepEqual(await violations(page), []);
    await page.context().close();
  },
);

test(
  'a rule set of a few rules is edited as text, and its file can be replaced',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/rule-sets/-/local?tab=document');
    await page.locator('.cm-content').getByText('LOCAL admin page').waitFor();
    const input = page.getByTestId('rules-file');
    await input.setInputFiles(file('picture.rules', 'PNG\0'));
    await page.getByText('picture.rules is no text.').waitFor();
    await input.setInputFiles(file('notes.rules', '# nothing\n'));
    await page.getByText('notes.rules has no rule in it.').waitFor();
    await input.setInputFiles(file('long.rules', `${LONGEST_FILE}${LONGEST_FILE}`));
    await page.getByText(/long\.rules has 16\.8 MB of text/).waitFor();
    assert.deepEqual(await violations(page), []);
    await input.setInputFiles(file('other.rules', RULE(7)));
    await page.getByTestId('rules-summary').getByText('lines: 1 ').waitFor();
    await page.getByRole('button', { name: 'Save draft' }).click();
    await page.getByText('Saved as version 2').waitFor();
    assert.equal((world().shelves.get('RuleSet', null, 'local')!.spec as { rules: string }).rules, RULE(7));
    assert.equal(world().shelves.get('RuleSet', null, 'local')!.metadata.name, 'local');
    await page.context().close();
  },
);

test(
  'a version that the list of versions leaves out is read when it is wanted',
  { skip: fixtureOnly },
  async () => {
    const page = await house.visit('/groups/acme/db');
    await page.route('**/v1/groups/db/versions?*', async (route) => {
      const answer = await route.fetch();
      const json = (await answer.json()) as { items: { document: unknown }[] };
      if (!route.request().url().includes('version=')) for (const item of json.items) item.document = null;
      await route.fulfill({ json });
    });
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByRole('button', { name: 'Compare with the text in the editor' }).click();
    await page.getByTestId('diff').waitFor();
    await page.getByRole('button', { name: 'Take into the editor' }).click();
    await page.locator('.cm-content').getByText('app=db').waitFor();
    await page.context().close();
  },
);

test(
  'a tenant finds insertions without gateways, and may not see whose they run on',
  { skip: fixtureOnly },
  async () => {
    const page = await house.signedOut('/inspection?since=24h&q=type:alert');
    await page.waitForSelector('#name');
    await signIn(page, 'alice', 'correct horse battery');
    await cell(page, 'time').click();
    const panel = page.getByTestId('panel');
    await panel.getByText('edge/1').waitFor();
    assert.equal(await panel.locator('a[href*="panel=gateway"]').count(), 0);
    await page.getByRole('navigation').getByRole('link', { name: 'Insertions' }).click();
    await settled(page, 'Insertions');
    assert.equal(await page.getByRole('button', { name: 'Instances' }).count(), 0);
    await goTo(page, '/gateways');
    await page.waitForSelector('[data-testid="not-found"]');
    await page.context().close();
  },
);

test('nothing was refused by the page’s policy or failed unseen', () => {
  assert.deepEqual(house.complaints, []);
});
