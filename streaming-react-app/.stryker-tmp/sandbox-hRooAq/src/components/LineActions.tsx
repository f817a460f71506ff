// @ts-nocheck
import { Ellipsis } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useStore } from '../state/store';
import { copyText } from '../transcript/save';
import { marks, toggleMark } from '../transcript/marks';
import type { ShownLine } from '../transcript/shown';
import { Menu, MenuItem } from '../ui/Menu';

/** What a reader can do with a sentence: find it again, say that it is wrong, copy it. */
export function LineActions({ line }: { line: ShownLine }) {
  const { t } = useTranslation();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const mark = useStore(marks, ({ byLine }) => byLine[line.key]);
  const closing = (action: () => void) => () => {
    setAnchor(null);
    anchor?.focus();
    action();
  };
  return (
    <span className="line-actions">
      <button
        type="button"
        aria-label={t('keep.line')}
        aria-haspopup="menu"
        aria-expanded={anchor !== null}
        onClick={(event) => setAnchor(anchor === null ? event.currentTarget : null)}
      >
        <Ellipsis size={20} aria-hidden="true" />
      </button>
      {anchor && (
        <Menu label={t('keep.line')} anchor={anchor} onClose={() => setAnchor(null)}>
          <MenuItem onClick={closing(() => toggleMark(line.key, 'bookmarked'))}>
            {t(mark?.bookmarked ? 'keep.unbookmark' : 'keep.bookmark')}
          </MenuItem>
          <MenuItem onClick={closing(() => toggleMark(line.key, 'wrong'))}>
            {t(mark?.wrong ? 'keep.notWrong' : 'keep.markWrong')}
          </MenuItem>
          <MenuItem onClick={closing(() => void copyText(line.text))}>
            {t('keep.copyLine')}
          </MenuItem>
        </Menu>
      )}
    </span>
  );
}
