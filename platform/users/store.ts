// Users as rows, and the one way they become what the API shows: never with a password.
import type { User } from '@wocloud/protocol/views.ts';

export interface UserRow {
  id: string;
  name: string;
  password: string;
  roles: User['roles'];
  tenant: string | null;
  tenant_role: User['tenantRole'];
  disabled: boolean;
  failures: number;
  locked_until: Date | null;
  created_at: Date;
  last_sign_in: Date | null;
}

export const userView = (row: UserRow): User => ({
  id: row.id,
  name: row.name,
  roles: row.roles,
  tenant: row.tenant,
  tenantRole: row.tenant_role,
  disabled: row.disabled,
  createdAt: row.created_at.toISOString(),
  lastSignIn: row.last_sign_in?.toISOString() ?? null,
});
