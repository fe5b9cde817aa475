// Words of services.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Services', '服务'],
  answer: ['Names for protocols and ports, usable in every rule', '协议与端口的命名，可用于任何规则'],
  ports: ['Ports', '端口'],
  empty: ['No service yet', '还没有服务'],
  emptyBody: [
    'A service names ports once, for all rules: postgres is tcp/5432.',
    '服务为端口命名一次，供所有规则使用，例如 postgres 即 tcp/5432。',
  ],
});
