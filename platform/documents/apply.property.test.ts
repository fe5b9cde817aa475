// Whatever is asked for in whatever order: what is stored is what a simple model says, and a refused request
// changes nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Document } from '@wocloud/protocol/resources/kinds.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { unifiedDiff } from './diff.ts';

let p: TestPlatform;
let security: TestUser;
const apiVersion = 'wocloud/v1' as const;
before(async () => {
  p = await startTestPlatform();
  security = await p.user('sec', { roles: ['security-admin'] });
});
after(() => p.close());

const NAMES = ['a', 'b', 'c', 'd'];
const group = (name: string, label: number): Document => ({
  apiVersion,
  kind: 'Group',
  metadata: { name },
  spec: { selector: `v=${label}` },
});
/** A policy that needs a group. */
const user = (name: string, needs: string): Document => ({
  apiVersion,
  kind: 'Policy',
  metadata: { name },
  spec: {
    tier: 'platform',
    priority: 1,
    mode: 'enforce',
    appliesTo: 'all',
    rules: [{ name: 'r', direction: 'in', action: 'allow', from: [{ group: needs }] }],
  },
});
const name = fc.constantFrom(...NAMES);
const document = fc.oneof(
  fc.tuple(name, fc.nat(3)).map(([n, v]) => group(n, v)),
  fc.tuple(name, name).map(([n, g]) => user(n, g)),
);
type Step =
  | { do: 'apply'; documents: Document[]; dryRun: boolean }
  | { do: 'delete'; kind: 'Group' | 'Policy'; name: string };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('apply' as const),
    documents: fc.array(document, { minLength: 1, maxLength: 4 }),
    dryRun: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('delete' as const),
    kind: fc.constantFrom('Group' as const, 'Policy' as const),
    name,
  }),
);

const key = (d: Document) => `${d.kind}/${d.metadata.name}`;
const needs = (d: Document): string[] =>
  d.kind === 'Policy'
    ? d.spec.rules.flatMap((r) => (r.from ?? []).map((f) => (f as { group: string }).group))
    : [];
const holds = (state: Map<string, Document>) =>
  [...state.values()].every((d) => needs(d).every((g) => state.has(`Group/${g}`)));

/** The model: the state after a step, or undefined when it must be refused. */
function expected(state: Map<string, Document>, one: Step): Map<string, Document> | undefined {
  const next = new Map(state);
  if (one.do === 'delete') {
    if (!next.delete(`${one.kind}/${one.name}`)) return undefined;
  } else {
    if (new Set(one.documents.map(key)).size < one.documents.length) return undefined;
    for (const d of one.documents) next.set(key(d), d);
  }
  return holds(next) ? next : undefined;
}

test('documents are what a simple model says they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      let state = new Map<string, Document>();
      for (const one of steps) {
        const next = expected(state, one);
        const call =
          one.do === 'apply'
            ? security.call('documents.apply', {
                body: { documents: one.documents },
                query: { dryRun: one.dryRun },
              })
            : security.call(one.kind === 'Group' ? 'groups.delete' : 'policies.delete', {
                params: { name: one.name },
              });
        assert.equal((await codeOf(call)) === 'none', next !== undefined, JSON.stringify(one));
        if (next && !(one.do === 'apply' && one.dryRun)) state = next;
      }
      const stored = await p.context.db.query<{ document: Document }>(
        `SELECT document FROM documents WHERE NOT deleted ORDER BY kind, name`,
      );
      assert.deepEqual(
        stored.map((r) => r.document),
        [...state.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1)),
      );
      const gaps = await p.context.db.query(
        `SELECT uid FROM document_versions GROUP BY uid HAVING max(version) <> count(*)`,
      );
      assert.deepEqual(gaps, [], 'versions without gaps');
      await p.context.db.query('TRUNCATE document_versions, documents CASCADE');
    }),
    { numRuns: 60 },
  );
});

/** Applies a unified diff. */
function patch(before: string, diff: string): string {
  const source = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const out: string[] = [];
  let at = 0;
  for (const line of diff.split('\n').slice(2, -1)) {
    const hunk = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line);
    if (hunk) {
      const start = Number(hunk[2]) === 0 ? Number(hunk[1]) : Number(hunk[1]) - 1;
      while (at < start) out.push(source[at++] ?? '');
      continue;
    }
    if (line[0] === ' ') out.push(source[at++] ?? '');
    else if (line[0] === '-') {
      assert.equal(source[at++], line.slice(1));
    } else out.push(line.slice(1));
  }
  out.push(...source.slice(at));
  return out.length ? `${out.join('\n')}\n` : '';
}

test('a diff applied to what was gives what is', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'd: 1', '  - e'), { maxLength: 30 })
    .map((lines) => (lines.length ? `${lines.join('\n')}\n` : ''));
  fc.assert(
    fc.property(text, text, (a, b) => {
      const diff = unifiedDiff(a, b, 'x');
      assert.equal(diff === '' ? a : patch(a, diff), b);
    }),
    { numRuns: 2000 },
  );
});

test('a diff of large texts stays quick and shows only what changed', () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
  const before = `${lines.join('\n')}\n`;
  lines[25_000] = 'changed';
  const diff = unifiedDiff(before, `${lines.join('\n')}\n`, 'x');
  assert.equal(diff.split('\n').filter((l) => /^[-+][^-+]/.test(l)).length, 2);
});
