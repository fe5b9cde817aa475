// Text that no editor holds: it is kept aside while the page stands, and a short stand-in takes its place in a document.

/** What still is a pleasure to edit, in characters. */
export const LONGEST = 32 * 1024;

const kept = new Map<string, string>();

/** The text itself when it is short, else what stands for it: the same for the same text, another for another. */
export function standIn(text: string): string {
  if (text.length <= LONGEST) return text;
  const name = `<file of ${lineCount(text)} lines, ${text.length} characters, ${digest(text)}>`;
  kept.set(name, text);
  return name;
}

/** What a stand-in stands for, any other text as it is; null for a stand-in whose text this page never had. */
export function whole(text: string): string | null {
  if (!/^<file of \d+ lines, \d+ characters, [0-9a-f]+>$/.test(text.trim())) return text;
  return kept.get(text.trim()) ?? null;
}

/** Lines that end, and a last one that does not. */
export function lineCount(text: string): number {
  let lines = text === '' || text.endsWith('\n') ? 0 : 1;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

/** Tells texts apart that people make (FNV-1a, twice); it need not stand against a forger. */
function digest(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (let i = 0; i < text.length; i += 1) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x01000193) ^ (b >>> 15);
  }
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');
  return hex(a) + hex(b);
}
