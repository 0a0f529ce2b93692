// Something an operator asks for: under way, done, or refused; said where eyes are and where ears are.
import { useState } from "preact/hooks";
import { Refusal } from "../refusal";
import { useWords } from "../words/words";

export interface Doing {
  busy: boolean;
  done: string;
  refusal: Refusal | undefined;
  /** True where it was done. */
  run: (work: () => Promise<string | void>) => Promise<boolean>;
  /** Says no to what was not even asked. */
  refuse: (refusal: Refusal) => void;
}

export function useDoing(): Doing {
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState("");
  const [refusal, setRefusal] = useState<Refusal>();
  async function run(work: () => Promise<string | void>): Promise<boolean> {
    setBusy(true);
    setDone("");
    setRefusal(undefined);
    try {
      setDone((await work()) ?? "");
      return true;
    } catch (error) {
      setRefusal(error instanceof Refusal ? error : Refusal.noAnswer());
      return false;
    } finally {
      setBusy(false);
    }
  }
  return { busy, done, refusal, run, refuse: (no) => (setDone(""), setRefusal(no)) };
}

/** The outcome. Empty at first, so that a screen reader hears it arrive. */
export function Outcome({ doing }: { doing: Doing }) {
  const { t } = useWords();
  const { done, refusal } = doing;
  const said = refusal && (refusal.code === "NO_ANSWER" ? t.noAnswer : refusal.field ? t.form.check : t.failed(refusal.detail));
  return (
    <div class="outcome">
      <p role="status">{done}</p>
      <p role="alert">{said}</p>
    </div>
  );
}
