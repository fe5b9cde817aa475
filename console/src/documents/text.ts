// Documents as YAML text: what fits on a line stays on a line, as people write rules.
import { Document as YamlDocument, isCollection, isMap, isPair, isScalar, visit } from 'yaml';
import { asWritten } from '@wocloud/protocol/documents.ts';
import { API_VERSION } from '@wocloud/protocol/schema.ts';
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import { standIn, whole } from './long.ts';

const LINE = 120;

/** A stored document as people write it, without what the platform adds, and what is too long to edit kept aside. */
export function documentText(stored: unknown): string {
  const document = new YamlDocument(withStandIn(asWritten(stored)));
  const root = document.contents;
  visit(document, {
    Collection(_, node, path) {
      const parent = path.at(-1);
      const isTop =
        node === root ||
        (isPair(parent) && isScalar(parent.key) && parent.key.value === 'spec' && path.length === 3);
      const flat = JSON.stringify(node.toJSON()).length;
      if (!isTop && flat <= LINE && (isMap(node) || !node.items.some(isCollectionInside))) node.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

const rulesOf = (document: unknown): string | null => {
  const { kind, spec } = document as { kind?: unknown; spec?: { rules?: unknown } };
  return kind === 'RuleSet' && typeof spec?.rules === 'string' ? spec.rules : null;
};

/** Only a rule set can be so long. */
function withStandIn(document: unknown): unknown {
  const rules = rulesOf(document);
  if (rules === null) return document;
  const { spec } = document as { spec: object };
  return { ...(document as object), spec: { ...spec, rules: standIn(rules) } };
}

/** The document with what was kept aside in its place again; null when that is not here any more. */
export function completed(document: Document): Document | null {
  const rules = rulesOf(document);
  if (rules === null) return document;
  const text = whole(rules);
  return text === null ? null : ({ ...document, spec: { ...document.spec, rules: text } } as Document);
}

/** A list of mappings reads better one item a line. */
const isCollectionInside = (item: unknown) => isCollection(item) && isMap(item) && item.items.length > 1;

/** What a new document of a kind starts as. */
export function templateText(kind: Kind, tenant: string | null): string {
  const owner = tenant ? `, tenant: ${tenant}` : '';
  const head = `apiVersion: ${API_VERSION}\nkind: ${kind}\nmetadata: { name: new-${kind.toLowerCase()}${owner} }\nspec:\n`;
  const bodies: Record<Kind, string> = {
    Policy:
      '  tier: tenant\n  priority: 100\n  mode: staged\n  appliesTo: { selector: "app=web" }\n  rules:\n    - { name: https-in, direction: in, action: allow, from: [any], services: [tcp/443] }\n    - { name: rest, direction: in, action: drop, log: true }\n',
    Group: '  selector: "app=web"\n',
    Service: '  ports: [tcp/80, tcp/443]\n',
    Tenant: '  title: New tenant\n  defaults: { within: allow, ingress: drop, egress: allow }\n',
    Network: '  members:\n    - { host: kvm-1, bridge: br0 }\n',
    VM: '  addresses: []\n',
    Insertion:
      '  appliesTo: { selector: "app=web" }\n  mode: inline\n  failure: open\n  services: [tcp/80, tcp/443]\n',
    Gateway: '  host: kvm-1\n  form: vm\n  instances: 1\n  vcpus: 1\n  memoryMiB: 768\n',
    RuleSet:
      '  rules: |\n    alert http any any -> any any (msg:"LOCAL admin page asked for"; flow:established,to_server; http.uri; content:"/admin"; classtype:web-application-activity; sid:9000001; rev:1;)\n',
    Limit: '  appliesTo: { selector: "app=web" }\n  connections: 10000\n  connectionsPerSecond: 500\n',
  };
  return head + bodies[kind];
}
