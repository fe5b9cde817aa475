// Each screen stands with real data, in both languages, light and dark, without a violation axe-core knows of.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Command } from 'commander';
import type { Page } from 'playwright-core';
import { makeProgram } from '../../cli/main.ts';
import { House, goTo, settled, violations } from './harness.ts';

let house: House;
before(async () => {
  house = await House.open({ flowEveryMs: 0 });
});
after(() => house.close());

const SCREENS: [path: string, en: string, zh: string][] = [
  ['/', 'Overview', '总览'],
  ['/topology', 'Topology', '拓扑'],
  ['/flows', 'Flows', '流量'],
  ['/inspection', 'Inspection', '检测事件'],
  ['/gateways', 'Gateways', '安全网关'],
  ['/gateways?tab=declared', 'Gateways', '安全网关'],
  ['/insertions', 'Insertions', '引流'],
  ['/insertions/acme/web', 'web', 'web'],
  ['/rule-sets', 'Rule sets', '规则集'],
  ['/rule-sets/-/et-open?sid=2034647', 'et-open', 'et-open'],
  ['/limits', 'Limits', '限额'],
  ['/alerts?state=all', 'Alerts', '告警'],
  ['/trace', 'Trace', '路径追踪'],
  ['/policies', 'Policies', '策略'],
  ['/groups', 'Groups', '安全组'],
  ['/services', 'Services', '服务'],
  ['/publications', 'Publishing', '发布'],
  ['/vms', 'VMs', '虚拟机'],
  ['/hosts', 'Hosts', '宿主机'],
  ['/networks', 'Networks', '网络'],
  ['/tenants', 'Tenants', '租户'],
  ['/users', 'Users and grants', '用户与授权'],
  ['/users?tab=grants', 'Users and grants', '用户与授权'],
  ['/audit', 'Audit', '审计'],
  ['/tokens', 'API tokens', 'API 令牌'],
  ['/policies/new', 'New policy', '新建策略'],
  ['/gateways/new', 'New gateway', '新建安全网关'],
  ['/nowhere', 'Not here', '不存在'],
];

/** English of more than two words where Chinese should stand. */
const untranslated = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, h1, h2, th, label, nav a, .screen-answer')]
      .map((e) => e.innerText.trim())
      .filter((text) => /[A-Za-z]{4,} [a-z]{2,} [a-z]{2,}/.test(text)),
  );

/** Whether the command line client takes a command as it stands, without running it. */
function understands(command: string): boolean {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2] ?? '');
  const program = makeProgram().configureOutput({ outputError: () => {}, writeErr: () => {} });
  const stub = (c: Command): void => {
    c.action(() => {}).commands.forEach(stub);
    c.configureOutput({ outputError: () => {}, writeErr: () => {}, writeOut: () => {} });
  };
  program.commands.forEach(stub);
  try {
    program.parse(words, { from: 'user' });
    return true;
  } catch {
    return false;
  }
}

/** Screens and panels each of which shows the command that does the same. */
const COMMANDS = [
  ...SCREENS.map(([path]) => path).filter((path) => path !== '/nowhere'),
  '/audit?changes=1&who=admin',
  '/alerts?state=acknowledged&q=forged address',
  '/policies/acme/web',
  '/policies/acme/web?tab=document',
  '/policies/acme/web?tab=diff',
  '/policies/acme/web?tab=history',
  '/flows?q=vm:web-1 -port:22 verdict:dropped',
  '/trace?src=web-1&dst=db-1&service=tcp/5432',
  '/vms?panel=vm:web-1',
  '/flows?panel=rule:acme/web/https-in',
  '/flows?panel=rule:suricata/2034647',
  '/inspection?q=type:alert -port:22 vm:web-1&text=log4j rce',
  '/gateways?host=kvm-1',
];

test('every command that the console shows is one that the client takes', async () => {
  const page = await house.visit('/');
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const path of COMMANDS) {
    // Loaded anew: a screen that is still the one before has its commands too.
    await page.goto(house.url + path);
    await settled(page);
    if (path.includes('panel=')) await page.getByTestId('panel').getByTestId('cli').first().waitFor();
    for (const text of await page.getByTestId('cli').allTextContents()) {
      const [program = '', ...rest] = text.split(' ');
      // What is said of libvirt itself is its own client's.
      if (program === 'virsh' || seen.has(text)) continue;
      seen.add(text);
      if (program !== 'wocloud' || !understands(rest.join(' '))) wrong.push(`${path}: ${text}`);
    }
  }
  await page.context().close();
  assert.equal(understands('get vms --never-was'), false);
  assert.ok(seen.size > 20, [...seen].join('\n'));
  assert.deepEqual(wrong, []);
});

test('no screen is wider than the window, from a desk to a telephone', async () => {
  for (const width of [1440, 1024, 400]) {
    const page = await house.visit('/', { width });
    const wide: string[] = [];
    for (const [path] of SCREENS) {
      await goTo(page, path);
      await settled(page);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (over > 1) wide.push(`${path} at ${width}: ${over} pixels too wide`);
    }
    await page.context().close();
    assert.deepEqual(wide, []);
  }
});

// What axe-core judges by language (names) and by theme (contrast) is each judged once on every screen.
for (const [language, theme] of [
  ['en', 'light'],
  ['zh-CN', 'dark'],
] as const)
  test(`all screens stand and are accessible in ${language}, ${theme}`, async () => {
    const page = await house.visit('/', { language, theme });
    const found: string[] = [];
    for (const [path, en, zh] of SCREENS) {
      await goTo(page, path);
      await settled(page, language === 'en' ? en : zh);
      found.push(...(await violations(page)).map((v) => `${path}: ${v}`));
      if (language === 'zh-CN') found.push(...(await untranslated(page)).map((text) => `${path}: ${text}`));
    }
    assert.equal(await page.getAttribute('html', 'lang'), language);
    await page.context().close();
    assert.deepEqual(found, []);
    assert.deepEqual(house.complaints.splice(0), []);
  });

test('the sign-in page is accessible in both languages and themes', async () => {
  for (const [language, theme] of [
    ['en', 'dark'],
    ['zh-CN', 'light'],
  ] as const) {
    const page = await house.signedOut('/flows?q=vm:web-1', { language, theme });
    await page.waitForSelector('#name');
    assert.deepEqual(await violations(page), []);
    await page.context().close();
  }
});
