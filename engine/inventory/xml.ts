// libvirt's XML as a plain tree: bounded in size and depth, no entities, no external files, nothing left in the parser.
import { ParseOption, XmlDocument, XmlElement, XmlText, type XmlTreeNode } from 'libxml2-wasm';

export interface Element {
  readonly name: string;
  /** Namespace URI, '' for none. */
  readonly space: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  /** Text of the element itself, its children's left out. */
  readonly text: string;
}

export class XmlError extends Error {
  readonly code = 'xml.malformed';
}

/** Far above any real domain; libvirt itself stops at 64 MiB a message. */
export const MAX_XML_BYTES = 4 * 1024 * 1024;
const MAX_ELEMENTS = 50_000;
const MAX_DEPTH = 64;

const OPTIONS =
  ParseOption.XML_PARSE_NONET |
  ParseOption.XML_PARSE_NO_XXE |
  ParseOption.XML_PARSE_NO_SYS_CATALOG |
  ParseOption.XML_PARSE_NOERROR |
  ParseOption.XML_PARSE_NOWARNING |
  ParseOption.XML_PARSE_NOCDATA;

/** Reads a document's root; throws XmlError on anything malformed, oversized, or with a document type. */
export function parseXml(text: string): Element {
  if (text.length > MAX_XML_BYTES)
    throw new XmlError(`${text.length} bytes of XML, at most ${MAX_XML_BYTES}`);
  if (text.includes('<!DOCTYPE')) throw new XmlError('a document type is not accepted');
  if (text.includes('\0')) throw new XmlError('a NUL character');
  let document: XmlDocument;
  try {
    document = XmlDocument.fromString(text, { option: OPTIONS });
  } catch (cause) {
    throw new XmlError('not well-formed XML', { cause });
  }
  try {
    const budget = { left: MAX_ELEMENTS };
    return read(document.root, budget, 0);
  } finally {
    document.dispose();
  }
}

function read(node: XmlElement, budget: { left: number }, depth: number): Element {
  if (--budget.left < 0) throw new XmlError(`more than ${MAX_ELEMENTS} elements`);
  if (depth > MAX_DEPTH) throw new XmlError(`nested deeper than ${MAX_DEPTH}`);
  const children: Element[] = [];
  let text = '';
  for (let child: XmlTreeNode | null = node.firstChild; child; child = child.next) {
    if (child instanceof XmlElement) children.push(read(child, budget, depth + 1));
    else if (child instanceof XmlText) text += child.content;
  }
  return {
    name: node.name,
    space: node.namespaceUri,
    attributes: new Map(node.attrs.map((a) => [a.name, a.value])),
    children,
    text: text.trim(),
  };
}

/** The first element along a path of local names; undefined when a step is missing. */
export function at(from: Element | undefined, ...path: string[]): Element | undefined {
  let here = from;
  for (const name of path) here = here?.children.find((c) => c.name === name);
  return here;
}

/** All children of one name. */
export const all = (from: Element | undefined, name: string): readonly Element[] =>
  from?.children.filter((c) => c.name === name) ?? [];

/** An attribute, or '' when it or the element is missing. */
export const attribute = (from: Element | undefined, name: string): string =>
  from?.attributes.get(name) ?? '';
