// What the browser tests stand on: Chromium, and a platform to look at: the one WOCLOUD_URL names, or the fixture.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { startFixture, type Fixture, type FixtureOptions } from '../testing/fixture-server.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** The longest a condition may take to become true. */
export const PATIENCE_MS = 15_000;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Visit {
  language?: 'en' | 'zh-CN';
  theme?: 'light' | 'dark';
  width?: number;
}

/** A browser and a platform for one test file. */
export class House {
  readonly url: string;
  /** The fixture's own state; null before a real platform. */
  readonly fixture: Fixture | null;
  readonly #browser: Browser;
  /** Errors of pages that nobody expected: scripts that failed, policies that refused. */
  readonly complaints: string[] = [];
  readonly #sessions = new Map<string, Awaited<ReturnType<BrowserContext['storageState']>>>();

  private constructor(url: string, fixture: Fixture | null, browser: Browser) {
    this.url = url;
    this.fixture = fixture;
    this.#browser = browser;
  }

  /** `url`: a platform that runs already, instead of what the environment names or the fixture. */
  static async open(options: FixtureOptions & { url?: string } = {}): Promise<House> {
    const url = options.url ?? process.env['WOCLOUD_URL'];
    const fixture = url ? null : await startFixture(options);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    return new House(url ?? fixture!.url, fixture, browser);
  }

  /** A signed-in page at an address. */
  async visit(path: string, how: Visit = {}): Promise<Page> {
    const user = process.env['WOCLOUD_USER'] ?? 'admin';
    if (!this.#sessions.has(user)) {
      const page = await this.signedOut('/', how);
      await signIn(page, user, process.env['WOCLOUD_PASSWORD'] ?? 'correct horse battery');
      this.#sessions.set(user, await page.context().storageState());
      await page.context().close();
    }
    const context = await this.#context(how, this.#sessions.get(user));
    return this.#go(context, path);
  }

  /** A page of someone who has not signed in. */
  async signedOut(path: string, how: Visit = {}): Promise<Page> {
    return this.#go(await this.#context(how), path);
  }

  async #context(
    how: Visit,
    storageState?: Awaited<ReturnType<BrowserContext['storageState']>>,
  ): Promise<BrowserContext> {
    const context = await this.#browser.newContext({
      viewport: { width: how.width ?? 1440, height: 900 },
      ignoreHTTPSErrors: true,
      reducedMotion: 'reduce',
      ...(storageState ? { storageState } : {}),
    });
    await context.addInitScript(
      ([language, theme]) => {
        localStorage.setItem('wocloud.language', language!);
        localStorage.setItem('wocloud.theme', theme!);
      },
      [how.language ?? 'en', how.theme ?? 'light'],
    );
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  }

  async #go(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(`${path}: ${error.message}`));
    page.on('console', (message) => {
      // An answer that is no success is logged by the browser itself; tests make some on purpose.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        this.complaints.push(`${path}: ${message.text()}`);
    });
    await page.goto(this.url + path);
    return page;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.fixture?.close();
  }
}

export async function signIn(page: Page, name: string, password: string): Promise<void> {
  await page.fill('#name', name);
  await page.fill('#password', password);
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
}

/** Goes to an address as a link does, without loading the page anew. */
export async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate', { state: null }));
  }, path);
}

/** Waits until the screen of that name has its answer: nothing is loading any more. */
export async function settled(page: Page, title?: string): Promise<void> {
  await page.waitForFunction((name) => {
    const heading = document.querySelector('h1');
    return (
      heading !== null &&
      (name === undefined || heading.textContent === name) &&
      !document.querySelector('[data-testid="loading"], .pf-v6-c-skeleton')
    );
  }, title);
}

interface Violation {
  id: string;
  help: string;
  nodes: {
    target: unknown;
    any: { message: string }[];
    all: { message: string }[];
    none: { message: string }[];
  }[];
}

/** What axe-core finds wrong with the page as it stands, each with where; empty when it is well. */
export async function violations(page: Page): Promise<string[]> {
  // What is still fading in has not its own colours yet.
  await page.evaluate(async () => {
    const passing = document
      .getAnimations()
      .filter((a) => a.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(passing.map((a) => a.finished));
  });
  return page.evaluate(async (source) => {
    const scope = window as unknown as { axe?: { run: (o: object) => Promise<{ violations: Violation[] }> } };
    // The page's policy forbids adding scripts; what the test itself evaluates is not bound by it, up to its first await.
    // oxlint-disable-next-line no-eval
    if (!scope.axe) (0, eval)(source);
    const { violations: found } = await scope.axe!.run({ resultTypes: ['violations'] });
    return found.flatMap((v) =>
      v.nodes.slice(0, 4).map((n) => {
        const why = [...n.any, ...n.all, ...n.none].map((c) => c.message).join('; ');
        return `${v.id} at ${JSON.stringify(n.target)}: ${why}`;
      }),
    );
  }, axe);
}
