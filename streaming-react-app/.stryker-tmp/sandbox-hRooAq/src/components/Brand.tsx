// @ts-nocheck
import { useTranslation } from '../i18n';

/** The mark and the name. */
export function Brand({ size = 28 }: { size?: number }) {
  const { t } = useTranslation();
  return (
    <span className="brand">
      <svg width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
        <rect width="64" height="64" rx="16" fill="var(--primary)" />
        <g fill="none" stroke="var(--onPrimary)" strokeWidth="5" strokeLinecap="round">
          <path d="M16 27v10M26 20v24" />
          <path d="M38 24v16" opacity=".75" />
          <path d="M48 29v6" opacity=".5" />
        </g>
      </svg>
      <span>{t('brand')}</span>
    </span>
  );
}
