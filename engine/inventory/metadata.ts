// What a domain's own metadata says of tenant, labels and addresses (ours, or Nova's). Written by whoever may
// define domains on the host: bounded and checked, what is not valid is left out and told in `problems`.
import { isIP } from 'node:net';
import { normalAddress } from './address.ts';
import { all, at, attribute, type Element } from './xml.ts';

export const WOCLOUD_NAMESPACE = 'https://wocloud.org/xmlns/domain/1';
const NOVA_NAMESPACE = /^http:\/\/openstack\.org\/xmlns\/libvirt\/nova\/1\.\d+$/;

export interface DomainMetadata {
  tenant: string | null;
  labels: Record<string, string>;
  /** Addresses a NIC may use, by MAC. */
  addresses: { mac: string; ip: string }[];
  problems: string[];
}

const NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;
const LABEL_KEY = /^[a-zA-Z0-9]([-a-zA-Z0-9_./]{0,61}[a-zA-Z0-9])?$/;
const LABEL_VALUE = /^([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?)?$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const MAX_LABELS = 64;
const MAX_ADDRESSES = 256;
const MAX_PROBLEMS = 16;

/** Reads `<metadata>` of a domain; our own element wins over Nova's where both say something. */
export function readMetadata(metadata: Element | undefined): DomainMetadata {
  const result: DomainMetadata = { tenant: null, labels: {}, addresses: [], problems: [] };
  const nova = metadata?.children.find((c) => c.name === 'instance' && NOVA_NAMESPACE.test(c.space));
  if (nova) readNova(nova, result);
  const own = metadata?.children.find((c) => c.name === 'vm' && c.space === WOCLOUD_NAMESPACE);
  if (own) readOwn(own, result);
  result.problems.splice(MAX_PROBLEMS);
  return result;
}

function readOwn(vm: Element, into: DomainMetadata): void {
  const tenant = attribute(vm, 'tenant');
  if (NAME.test(tenant)) into.tenant = tenant;
  else if (tenant !== '') into.problems.push(`tenant "${clip(tenant)}" is not a valid name`);
  for (const label of all(vm, 'label')) addLabel(into, attribute(label, 'key'), attribute(label, 'value'));
  for (const address of all(vm, 'address')) {
    const mac = attribute(address, 'mac').toLowerCase();
    const ip = attribute(address, 'ip');
    if (!MAC.test(mac) || isIP(ip) === 0)
      into.problems.push(`address ip="${clip(ip)}" mac="${clip(mac)}" is not valid`);
    else if (into.addresses.length >= MAX_ADDRESSES)
      into.problems.push(`more than ${MAX_ADDRESSES} addresses`);
    else into.addresses.push({ mac, ip: normalAddress(ip) });
  }
}

/** Nova writes the project as tenant; what identifies the instance there becomes labels. */
function readNova(instance: Element, into: DomainMetadata): void {
  const project = at(instance, 'owner', 'project');
  const uuid = attribute(project, 'uuid');
  const name = (project?.text ?? '').toLowerCase();
  if (NAME.test(name)) into.tenant = name;
  else if (NAME.test(`project-${uuid}`)) into.tenant = `project-${uuid}`;
  addLabel(into, 'nova/project', uuid);
  addLabel(into, 'nova/name', at(instance, 'name')?.text ?? '');
  addLabel(into, 'nova/flavor', attribute(at(instance, 'flavor'), 'name'));
}

function addLabel(into: DomainMetadata, key: string, value: string): void {
  if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
    into.problems.push(`label "${clip(key)}" = "${clip(value)}" is not valid`);
  else if (Object.keys(into.labels).length >= MAX_LABELS)
    into.problems.push(`more than ${MAX_LABELS} labels`);
  // A label named __proto__ must be a label.
  else
    Object.defineProperty(into.labels, key, { value, enumerable: true, configurable: true, writable: true });
}

const clip = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
