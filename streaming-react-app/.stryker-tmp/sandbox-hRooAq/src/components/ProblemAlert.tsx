// @ts-nocheck
import { useTranslation } from '../i18n';
import type { CaptureProblem } from '../audio/capture/problems';
import { Notice } from '../ui/Notice';

interface Props {
  problem: CaptureProblem;
  onClose: () => void;
}

/** What is wrong with the source of sound, and what to do. */
export function ProblemAlert({ problem, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Notice
      kind="error"
      title={t(`problem.${problem}.title`)}
      onClose={onClose}
      data-problem={problem}
    >
      {t(`problem.${problem}.cure`)}
    </Notice>
  );
}
