// Words of signing in and out.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Sign in to Wocloud', '登录 Wocloud'],
  subtitle: ['See every flow between your VMs, and control it.', '看清虚拟机之间的每一条流量，并加以控制。'],
  name: ['User name', '用户名'],
  password: ['Password', '密码'],
  signIn: ['Sign in', '登录'],
  signOut: ['Sign out', '退出登录'],
  wrong: ['That name and password do not fit.', '用户名或密码不正确。'],
  tooMany: ['Too many attempts. Wait a moment and try again.', '尝试次数过多，请稍候再试。'],
  firstUser: [
    'The first administrator and password are printed by "wocloud up".',
    '首个管理员及其密码由 “wocloud up” 输出。',
  ],
  changePassword: ['Change password', '修改密码'],
  current: ['Current password', '当前密码'],
  next: ['New password', '新密码'],
  repeat: ['New password again', '再次输入新密码'],
  atLeast: ['At least 12 characters', '至少 12 个字符'],
  differ: ['The two are not the same', '两次输入不一致'],
});
