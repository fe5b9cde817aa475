/**
 * Secrets that libvirt keeps for disks and TLS. Values go in; getting them out is possible only where the secret
 * is not private, and is left out here on purpose.
 */
import { array, int, opaque, string, uint, uuid } from './codec.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import { LIST_MAX, secretRef, type SecretRef } from './wire.ts';

export const ConnectListAllSecrets = remote(
  287,
  'connect_list_all_secrets',
  { needResults: int, flags: uint },
  { secrets: array(secretRef, LIST_MAX), count: uint },
);
export const SecretLookupByUuid = remote(141, 'secret_lookup_by_uuid', { uuid }, { secret: secretRef });
export const SecretLookupByUsage = remote(
  147,
  'secret_lookup_by_usage',
  { usageType: int, usageId: string },
  { secret: secretRef },
);
export const SecretDefineXml = remote(
  142,
  'secret_define_xml',
  { xml: string, flags: uint },
  { secret: secretRef },
);
export const SecretGetXmlDesc = remote(
  143,
  'secret_get_xml_desc',
  { secret: secretRef, flags: uint },
  { xml: string },
);
export const SecretSetValue = remote(
  144,
  'secret_set_value',
  { secret: secretRef, value: opaque(65_536), flags: uint },
  {},
);
export const SecretUndefine = remote(146, 'secret_undefine', { secret: secretRef }, {});

export async function listSecrets(
  caller: Caller,
  flags = 0,
  options?: CallOptions,
): Promise<readonly SecretRef[]> {
  return (await caller.call(ConnectListAllSecrets, { needResults: 1, flags }, options)).secrets;
}

/** Rejects with RemoteError `noSecret` when there is none. */
export async function secretByUuid(caller: Caller, uuid: string, options?: CallOptions): Promise<SecretRef> {
  return (await caller.call(SecretLookupByUuid, { uuid }, options)).secret;
}

/** By what it is for: a type of SecretUsage and, for volumes, the path. */
export async function secretByUsage(
  caller: Caller,
  usageType: number,
  usageId: string,
  options?: CallOptions,
): Promise<SecretRef> {
  return (await caller.call(SecretLookupByUsage, { usageType, usageId }, options)).secret;
}

/** Defines a secret, yet without a value. `ephemeral='yes'` keeps it out of libvirt's files. */
export async function defineSecret(caller: Caller, xml: string, options?: CallOptions): Promise<SecretRef> {
  return (await caller.call(SecretDefineXml, { xml, flags: 0 }, options)).secret;
}

/** A secret's description; never its value. */
export async function secretXml(caller: Caller, secret: SecretRef, options?: CallOptions): Promise<string> {
  return (await caller.call(SecretGetXmlDesc, { secret, flags: 0 }, options)).xml;
}

/** Up to 64 KiB. */
export async function setSecretValue(
  caller: Caller,
  secret: SecretRef,
  value: Uint8Array,
  options?: CallOptions,
): Promise<void> {
  await caller.call(SecretSetValue, { secret, value, flags: 0 }, options);
}

export async function undefineSecret(
  caller: Caller,
  secret: SecretRef,
  options?: CallOptions,
): Promise<void> {
  await caller.call(SecretUndefine, { secret }, options);
}
