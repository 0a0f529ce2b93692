// Where guests are not admitted: the user brings the token of the shop's login.
import { useWords } from "../i18n/words";
import { Heading } from "../shared/frame";
import { useTitle } from "../shared/title";
import type { Journey } from "../visitor/journey";

export function Identify({ journey, busy }: { journey: Journey; busy: boolean }) {
  const { t } = useWords();
  useTitle(t.identify.title);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    void journey.identify(String(new FormData(submitted.currentTarget as HTMLFormElement).get("token")));
  };
  return (
    <form class="card identify" onSubmit={submit}>
      <Heading>{t.identify.title}</Heading>
      <p>{t.identify.lead}</p>
      <label for="token">{t.identify.label}</label>
      <textarea id="token" name="token" data-testid="token" rows={4} required spellcheck={false} autocomplete="off" />
      <button type="submit" class="big" data-testid="identify" disabled={busy}>
        {t.identify.go}
      </button>
    </form>
  );
}
