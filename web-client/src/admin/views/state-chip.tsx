// A sale's state as a coloured label.
import { useI18n } from "../../i18n/admin";

export function StateChip({ state }: { state: string }) {
  const { t } = useI18n();
  return (
    <span class={`chip ${state}`} data-testid="state" data-state={state}>
      {t.states[state] ?? state}
    </span>
  );
}
