// Words of API tokens.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['API tokens', 'API 令牌'],
  answer: [
    'Keys for your scripts and the CLI; each may do what you may',
    '供脚本和命令行使用的密钥；权限与您相同',
  ],
  name: ['Name', '名称'],
  created: ['Created', '创建时间'],
  expires: ['Expires', '到期时间'],
  lastUsed: ['Last used', '最近使用'],
  never: ['never', '从未'],
  neverExpires: ['never', '永不'],
  add: ['Make a token', '创建令牌'],
  days: ['Valid for days', '有效天数'],
  once: ['This is the only time the secret is shown. Keep it safe.', '密钥只显示这一次，请妥善保存。'],
  secret: ['Secret', '密钥'],
  revoke: ['Revoke', '吊销'],
  revokeTitle: ['Revoke {{name}}?', '吊销 {{name}}？'],
  revokeWhat: ['What uses it stops working at once.', '使用它的程序会立即失效。'],
  revokeUndo: ['Cannot be undone; make a new token instead.', '无法撤销，只能创建新令牌。'],
  empty: ['No token yet', '还没有令牌'],
  emptyBody: ['The CLI makes one when you sign in with it.', '使用命令行登录时会自动创建。'],
});
