// Every phrase is there in both languages, with the same values to fill in and the same parts to render.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOMS } from './rooms.ts';
import type { Phrases } from './bilingual.ts';

const rooms: [string, Phrases][] = Object.entries(ROOMS);
const phrases = rooms.flatMap(([room, p]) =>
  Object.entries(p).map(([key, pair]) => [`${room}.${key}`, pair[0], pair[1]] as const),
);
const values = (text: string) => [...text.matchAll(/\{\{\s*(\w+)[^}]*\}\}/g)].map((m) => m[1]).sort();
const parts = (text: string) => [...text.matchAll(/<\/?(\w+)\/?>/g)].map((m) => m[0]).sort();
/** What stays as it is in Chinese text: names, codes, commands. */
const UNTRANSLATED = /^[\s\w{}·:./%+→–-]*$/;

await test('no phrase is empty in either language', () => {
  assert.ok(phrases.length > 200);
  for (const [key, en, zh] of phrases) assert.ok(en.trim() && zh.trim(), key);
});

await test('both languages fill in the same values and render the same parts', () => {
  for (const [key, en, zh] of phrases) {
    if (key.endsWith('_one')) continue;
    assert.deepEqual(values(zh), values(en), key);
    assert.deepEqual(parts(zh), parts(en), key);
  }
});

await test('English has no Chinese, and Chinese phrases are Chinese', () => {
  for (const [key, en, zh] of phrases) {
    assert.doesNotMatch(en, /\p{Script=Han}/u, key);
    const said = zh.replaceAll(/\{\{[^}]*\}\}/g, '');
    if (zh !== en && /\p{L}/u.test(said)) assert.match(zh, /\p{Script=Han}/u, `${key}: ${zh}`);
    else if (zh === en) assert.match(zh, UNTRANSLATED, key);
  }
});

await test('a counted phrase has both its forms', () => {
  const keys = new Set<string>(phrases.map(([key]) => key));
  for (const key of keys) {
    if (key.endsWith('_one')) assert.ok(keys.has(key.replace(/_one$/, '_other')), key);
    if (key.endsWith('_other')) assert.ok(keys.has(key.replace(/_other$/, '_one')), key);
  }
});

await test('Chinese text has full-width punctuation between Chinese words', () => {
  for (const [key, , zh] of phrases) assert.doesNotMatch(zh, /\p{Script=Han}[,;?!]/u, `${key}: ${zh}`);
});
