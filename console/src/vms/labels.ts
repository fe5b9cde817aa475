// Labels as people write them, one key=value a line; what is no label is named.
import type { Labels } from '@wocloud/protocol/schema.ts';

const KEY = /^[a-zA-Z0-9]([-a-zA-Z0-9_./]{0,61}[a-zA-Z0-9])?$/;
const VALUE = /^([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?)?$/;

export function readLabels(text: string): { labels: Labels; wrong: string[] } {
  const labels: Labels = {};
  const wrong: string[] = [];
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (!line) continue;
    const at = line.indexOf('=');
    const key = at < 0 ? line : line.slice(0, at).trim();
    const value = at < 0 ? '' : line.slice(at + 1).trim();
    if (KEY.test(key) && VALUE.test(value)) labels[key] = value;
    else wrong.push(line);
  }
  return { labels, wrong };
}

export const writeLabels = (labels: Labels) =>
  Object.entries(labels)
    .map(([k, v]) => (v ? `${k}=${v}` : k))
    .join('\n');
