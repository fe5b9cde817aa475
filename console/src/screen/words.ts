// What every screen says: loading, failing, being empty, and the command that does the same.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  loading: ['Loading', '正在加载'],
  failed: ['This could not be read', '读取失败'],
  actFailed: ['That did not work', '操作失败'],
  retry: ['Try again', '重试'],
  code: ['Code {{code}}', '错误码 {{code}}'],
  notFound: ['Not here', '不存在'],
  notFoundBody: [
    'There is nothing at this address, or it is not yours to see.',
    '这个地址没有内容，或者您无权查看。',
  ],
  goHome: ['Go to the overview', '返回总览'],
  crashed: ['This screen stopped', '此页面出错'],
  crashedBody: [
    'A fault in the console, not in your cloud: protection goes on. Reload to continue.',
    '这是控制台的故障，不影响云的防护。请重新加载。',
  ],
  reload: ['Reload', '重新加载'],
  cli: ['Same in the terminal', '等效命令'],
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  cancel: ['Cancel', '取消'],
  close: ['Close', '关闭'],
  save: ['Save', '保存'],
  all: ['All', '全部'],
  none: ['none', '无'],
  yes: ['yes', '是'],
  no: ['no', '否'],
  noTenant: ['no tenant', '无租户'],
  undoHow: ['How to undo it', '如何撤销'],
  allTenants: ['All tenants', '全部租户'],
  unreachable: ['The platform does not answer', '平台无响应'],
});
