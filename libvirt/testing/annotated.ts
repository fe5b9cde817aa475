/**
 * Bytes with their meaning beside them: each row is hexadecimal (or text, quoted by a leading `'`) and what it is.
 */
export function annotated(...rows: readonly (readonly [bytes: string, meaning: string])[]): Buffer {
  return Buffer.concat(
    rows.map(([bytes, meaning]) => {
      if (bytes.startsWith("'")) return Buffer.from(bytes.slice(1).replaceAll('\\0', '\0'));
      const hex = bytes.replaceAll(' ', '');
      const out = Buffer.from(hex, 'hex');
      if (out.length * 2 !== hex.length) throw new Error(`${meaning}: not hexadecimal: ${bytes}`);
      return out;
    }),
  );
}
