// Words of the document editor.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  label: ['Document in YAML', 'YAML 文档'],
  help: [
    'Ctrl+Space completes, Esc then Tab leaves the editor, Ctrl+S saves.',
    'Ctrl+空格补全，先按 Esc 再按 Tab 离开编辑器，Ctrl+S 保存。',
  ],
  valid: ['The document is valid', '文档有效'],
  line: ['line {{line}}', '第 {{line}} 行'],
  diffSame: ['No difference', '没有差异'],
});
