// An operator's action: in progress, done, or failed; and its outcome for the eye and for screen readers.
import { useState } from "preact/hooks";
import { Problem } from "../../../sdk/problem";
import { useI18n } from "../../i18n/admin";
import { ChangedMeanwhile, isUnanswered } from "../problem";

/** An action without an answer for this long is reported as such. */
const SLOW_AFTER_MS = 3_000;

export interface Action {
  busy: boolean;
  /** In progress for so long that the operator should know. */
  slow: boolean;
  done: string;
  problem: Problem | undefined;
  /** Resolves to true if `work` succeeded. The string that `work` returns is shown. */
  run: (work: () => Promise<string | void>) => Promise<boolean>;
  /** Reports a problem that this page found before any request. */
  reject: (problem: Problem) => void;
  /** Removes the outcome. */
  clear: () => void;
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [slow, setSlow] = useState(false);
  const [done, setDone] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const clear = () => (setDone(""), setProblem(undefined));

  async function run(work: () => Promise<string | void>): Promise<boolean> {
    setBusy(true);
    clear();
    const timer = setTimeout(() => setSlow(true), SLOW_AFTER_MS);
    try {
      setDone((await work()) ?? "");
      return true;
    } catch (error) {
      setProblem(error instanceof Problem ? error : Problem.noAnswer());
      return false;
    } finally {
      clearTimeout(timer);
      setSlow(false);
      setBusy(false);
    }
  }

  return { busy, slow, done, problem, run, reject: (found) => (setDone(""), setProblem(found)), clear };
}

/** Renders empty live regions at first, because screen readers announce only changes. */
export function ActionOutcome({ action }: { action: Action }) {
  const { t } = useI18n();
  const { done, problem, slow } = action;
  // A view shows what another operator changed.
  const shown = problem instanceof ChangedMeanwhile ? undefined : problem;
  const message = shown && (isUnanswered(shown) ? t.noAnswer : shown.field ? t.form.check : t.failed(shown.detail));

  return (
    <div class="outcome">
      <p role="status" class={slow ? "notice" : ""} data-testid="outcome">
        {slow ? t.noAnswerYet : done}
      </p>
      <p role="alert">{message}</p>
    </div>
  );
}
