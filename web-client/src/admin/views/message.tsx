// What everyone in line is told.
import { useState } from "preact/hooks";
import type { Api } from "../api";
import { useWords } from "../words/words";
import { Outcome, useDoing } from "./doing";

const LONGEST = 500;

interface MessageProps {
  api: Api;
  id: string;
  /** In force; empty for none. */
  message: string;
  changed: () => void;
}

export function MessageToLine({ api, id, message, changed }: MessageProps) {
  const { t } = useWords();
  const doing = useDoing();
  const [draft, setDraft] = useState<string>();
  const text = draft ?? message;
  async function say(message: string): Promise<void> {
    const done = await doing.run(async () => (await api.run(id, { message }), t.applied));
    if (done) (setDraft(undefined), changed());
  }
  return (
    <form class="card" onSubmit={(event) => (event.preventDefault(), void say(text.trim()))} aria-labelledby="message-title">
      <h2 id="message-title">{t.message.title}</h2>
      <label>
        {t.message.label}
        <textarea rows={3} maxLength={LONGEST} value={text} data-testid="message" onInput={({ currentTarget }) => setDraft(currentTarget.value)} />
      </label>
      <div class="buttons">
        <button type="submit" disabled={doing.busy || text.trim() === message} data-testid="send">
          {t.message.send}
        </button>
        {message !== "" && (
          <button type="button" class="quiet" disabled={doing.busy} onClick={() => void say("")}>
            {t.message.remove}
          </button>
        )}
      </div>
      <Outcome doing={doing} />
    </form>
  );
}
