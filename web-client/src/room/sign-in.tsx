// Sign-in with a token of the shop's own login, if the server does not admit guests.
import { useI18n } from "../i18n/visitor";
import { Heading } from "../shared/visitor-frame";
import { useTitle } from "../shared/title";
import type { Journey } from "../visitor/journey";

export function SignIn({ journey, busy }: { journey: Journey; busy: boolean }) {
  const { t } = useI18n();
  useTitle(t.signIn.title);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    void journey.signIn(String(new FormData(submitted.currentTarget as HTMLFormElement).get("token")));
  };

  return (
    <form class="card identify" onSubmit={submit}>
      <Heading>{t.signIn.title}</Heading>
      <p>{t.signIn.lead}</p>
      <label for="token">{t.signIn.label}</label>
      <textarea id="token" name="token" data-testid="token" rows={4} required spellcheck={false} autocomplete="off" />
      <button type="submit" class="big" data-testid="identify" disabled={busy}>
        {t.signIn.go}
      </button>
    </form>
  );
}
