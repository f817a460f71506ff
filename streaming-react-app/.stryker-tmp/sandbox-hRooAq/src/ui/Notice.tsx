// @ts-nocheck
import { Info, TriangleAlert, X } from 'lucide-react';
import type { HTMLAttributes, ReactNode } from 'react';
import { useTranslation } from '../i18n';
import { IconButton } from './Button';

interface Props extends Omit<HTMLAttributes<HTMLDivElement>, 'title'> {
  kind: 'info' | 'warning' | 'error';
  title?: ReactNode;
  action?: ReactNode;
  onClose?: () => void;
}

/** Something to know. What went wrong interrupts a screen reader, everything else waits. */
export function Notice({ kind, title, action, onClose, children, className, ...rest }: Props) {
  const { t } = useTranslation();
  const Icon = kind === 'info' ? Info : TriangleAlert;
  return (
    <div
      role={kind === 'info' ? 'status' : 'alert'}
      className={`notice ${kind} ${className ?? ''}`}
      {...rest}
    >
      <Icon size={20} aria-hidden="true" />
      <div className="notice-text">
        {title && <strong>{title}</strong>}
        {children && <div>{children}</div>}
        {action && <div className="notice-action">{action}</div>}
      </div>
      {onClose && (
        <IconButton label={t('problem.dismiss')} onClick={onClose}>
          <X size={18} />
        </IconButton>
      )}
    </div>
  );
}

/** Something goes on, for how long nobody knows. */
export function Progress({ label }: { label: string }) {
  return (
    <div className="progress" role="progressbar" aria-label={label}>
      <span />
    </div>
  );
}
