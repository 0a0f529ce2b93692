// A confirmation dialog for actions that cannot be undone.
import { useEffect, useRef } from "preact/hooks";
import { useI18n } from "../../i18n/admin";

interface ConfirmProps {
  title: string;
  lead: string;
  yes: string;
  answer: (yes: boolean) => void;
}

export function Confirm({ title, lead, yes, answer }: ConfirmProps) {
  const { t } = useI18n();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);

  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={(event) => (event.preventDefault(), answer(false))}>
      <h2 id="question">{title}</h2>
      <p>{lead}</p>
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => answer(false)}>
          {t.cancel}
        </button>
        <button type="button" class="danger" data-testid="confirm" onClick={() => answer(true)}>
          {yes}
        </button>
      </div>
    </dialog>
  );
}
