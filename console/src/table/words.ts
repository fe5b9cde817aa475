// Words of the table: columns, sorting, filtering by click.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  columns: ['Columns', '列'],
  columnsReset: ['Reset columns', '恢复默认列'],
  rows_one: ['{{shown}} row', '{{shown}} 行'],
  rows_other: ['{{shown}} rows', '{{shown}} 行'],
  rowsMore: ['first {{shown}} rows, more on scrolling', '前 {{shown}} 行，向下滚动加载更多'],
  include: [
    'Click: only {{value}}. Alt-click: without {{value}}',
    '点击：只看 {{value}}；按住 Alt 点击：排除 {{value}}',
  ],
  open: ['Open {{name}}', '打开 {{name}}'],
  keys: [
    'Arrow keys move, Enter filters or opens, Alt+Enter excludes, O opens the row',
    '方向键移动，回车筛选或打开，Alt+回车排除，O 打开该行',
  ],
});
