// Writes docs/openapi.json; `--check` fails instead when it is not what would be written.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openapi } from './openapi.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const OPENAPI_FILE = join(ROOT, 'docs', 'openapi.json');

/** The file's text as it should be. */
export async function openapiText(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return `${JSON.stringify(openapi(version), null, 1)}\n`;
}

if (import.meta.main) {
  const text = await openapiText();
  const check = process.argv.includes('--check');
  const fresh = (await readFile(OPENAPI_FILE, 'utf8').catch(() => '')) === text;
  if (!fresh && check) throw new Error('docs/openapi.json is stale: run ./wocloud gen');
  if (!fresh) await writeFile(OPENAPI_FILE, text);
  console.log(`docs/openapi.json: ${fresh ? 'fresh' : 'written'}`);
}
