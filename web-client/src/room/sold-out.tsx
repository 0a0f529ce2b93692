// Every seat is sold and paid for: there is nothing to wait for.
import { useI18n } from "../i18n/visitor";
import { Announcer } from "../shared/announcer";
import { Heading } from "../shared/visitor-frame";

export function SoldOut({ leave }: { leave: () => void }) {
  const { t } = useI18n();
  return (
    <section class="card" data-testid="sold-out">
      <Heading>{t.soldOut.title}</Heading>
      <p>{t.soldOut.lead}</p>
      <div class="actions">
        <a class="button" href="/">
          {t.allEvents}
        </a>
        <button type="button" class="quiet" data-testid="leave" onClick={leave}>
          {t.waiting.leave}
        </button>
      </div>
      <Announcer text={t.soldOut.title} urgent />
    </section>
  );
}
