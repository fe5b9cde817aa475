// May this user do this? Answered by the Cedar policies in this folder, deny by default.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { User } from '@wocloud/protocol/views.ts';
import type { Caller, Scope } from '../handler.ts';
import { PlatformError, notFound } from '../errors.ts';
import { PERMISSIONS, cedarSchema } from './schema.ts';

/** What is acted on. `tenant` null: belongs to no tenant. */
export interface Thing {
  tenant: string | null;
  /** Tier of a policy. */
  tier?: string;
  /** Id of the user acted on. */
  user?: string;
  /** The write changes what that user may do. */
  roles?: boolean;
}

export type Principal = Pick<User, 'id' | 'roles' | 'tenant' | 'tenantRole'>;

export interface Authorize {
  allows(user: Principal, permission: string, thing: Thing): boolean;
  /** Throws forbidden when not allowed. */
  require(user: Principal, permission: string, thing: Thing): void;
  /** Permissions the user has within their own tenant (platform roles: anywhere). */
  permissions(user: Principal): string[];
}

const POLICY_SET = 'wocloud';
const SCHEMA = 'wocloud';

/** The policies as an auditor reads them: file name → text. */
export function policyFiles(folder: string = import.meta.dirname): Record<string, string> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.cedar'));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

const failure = (what: string, errors: readonly { message: string; help?: string | null }[]): Error =>
  new Error(`${what}: ${errors.map((e) => e.message).join('; ')}`);

/** Parses and type-checks the policies once; throws when they contain an error. */
export function loadAuthorize(): Authorize {
  const staticPolicies = Object.values(policyFiles()).join('\n');
  const schema = cedarSchema();
  const validated = cedar.validate({ schema, policies: { staticPolicies } });
  if (validated.type === 'failure') throw failure('Cedar', validated.errors);
  if (validated.validationErrors.length > 0)
    throw failure(
      'Cedar',
      validated.validationErrors.map((v) => v.error),
    );
  const parsed = cedar.preparsePolicySet(POLICY_SET, { staticPolicies });
  if (parsed.type === 'failure') throw failure('Cedar', parsed.errors);
  const parsedSchema = cedar.preparseSchema(SCHEMA, schema);
  if (parsedSchema.type === 'failure') throw failure('Cedar', parsedSchema.errors);

  const decide = (user: Principal, permission: string, thing: Thing): boolean => {
    const principal = { type: 'User', id: user.id };
    const resource = { type: 'Thing', id: 'it' };
    const answer = cedar.statefulIsAuthorized({
      principal,
      action: { type: 'Action', id: permission },
      resource,
      context: {},
      preparsedPolicySetId: POLICY_SET,
      preparsedSchemaName: SCHEMA,
      entities: [
        {
          uid: principal,
          attrs: {
            roles: [...user.roles],
            ...(user.tenant === null ? {} : { tenant: user.tenant, tenantRole: user.tenantRole ?? 'none' }),
          },
          parents: [],
        },
        {
          uid: resource,
          attrs: {
            ...(thing.tenant === null ? {} : { tenant: thing.tenant }),
            ...(thing.tier === undefined ? {} : { tier: thing.tier }),
            ...(thing.user === undefined ? {} : { user: { __entity: { type: 'User', id: thing.user } } }),
            ...(thing.roles === undefined ? {} : { roles: thing.roles }),
          },
          parents: [],
        },
      ],
    });
    if (answer.type === 'failure') throw failure(`Cedar, ${permission}`, answer.errors);
    // A policy that fails to evaluate decides nothing; a forbid that fails must not become a permit.
    return answer.response.decision === 'allow' && answer.response.diagnostics.errors.length === 0;
  };

  // The policies look at nothing else of a user, so the same question has the same answer.
  const known = new Map<string, boolean>();
  const allows: Authorize['allows'] = (user, permission, thing) => {
    const key = JSON.stringify([
      user.roles,
      user.tenantRole,
      user.tenant === null ? null : user.tenant === thing.tenant,
      thing.tenant === null,
      permission,
      thing.tier,
      thing.user === user.id,
      thing.user === undefined,
      thing.roles,
    ]);
    let answer = known.get(key);
    if (answer === undefined) {
      answer = decide(user, permission, thing);
      if (known.size > 10_000) known.clear();
      known.set(key, answer);
    }
    return answer;
  };
  return {
    allows,
    require(user, permission, thing) {
      if (!allows(user, permission, thing))
        throw new PlatformError('forbidden', `Your roles do not allow ${permission} here.`);
    },
    permissions: (user) => PERMISSIONS.filter((p) => allows(user, p, { tenant: user.tenant })),
  };
}

/** What a user may see at all; `vms`: ids a member was granted. */
export function scopeOf(user: User, vms: readonly string[]): Scope {
  if (user.roles.length > 0) return { all: true, tenant: null, vms: null };
  return { all: false, tenant: user.tenant, vms: user.tenantRole === 'owner' ? null : vms };
}

/**
 * The tenant a caller means: their own when they have one, `asked` otherwise (undefined: all or none).
 * Throws not-found for another's.
 */
export function tenantFor(caller: Caller, asked: string | undefined): string | undefined {
  const { scope } = caller;
  if (scope.all) return asked;
  if (scope.tenant === null || (asked !== undefined && asked !== scope.tenant))
    throw notFound('tenant', asked ?? '');
  return scope.tenant;
}
