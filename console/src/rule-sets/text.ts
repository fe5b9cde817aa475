// The rules within the YAML text of a rule set: read, and replaced without touching what people wrote around them.
import { parseDocument } from 'yaml';
import { standIn } from '../documents/long.ts';

const PATH = ['spec', 'rules'];

/** What stands for the rules in the text; null while the text cannot be read. */
export function rulesIn(text: string): string | null {
  const document = parseDocument(text);
  const rules: unknown = document.errors.length > 0 ? null : document.getIn(PATH);
  return typeof rules === 'string' ? rules : null;
}

/** The text with other rules; with `name`, a document not yet named takes that. Null while it cannot be read. */
export function withRules(text: string, rules: string, name?: string): string | null {
  const document = parseDocument(text);
  if (document.errors.length > 0) return null;
  // A new scalar: the old one's style (a block of lines) is not the stand-in's.
  document.setIn(PATH, document.createNode(standIn(rules)));
  if (name !== undefined && document.getIn(['metadata', 'name']) === 'new-ruleset')
    document.setIn(['metadata', 'name'], name);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}
