// Each zone's seats, in numbers and as a bar.
import type { ZoneFigures } from "../resources";
import { useWords } from "../words/words";
import { quantitiesIn } from "./quantity";
import { Table } from "./table";

export function Zones({ zones }: { zones: ZoneFigures[] }) {
  const { t, f } = useWords();
  const q = quantitiesIn(f, t.unknown);
  const { zones: words } = t;
  return (
    <Table title={words.title} id="zones" head={[words.zone, words.sold, words.held, words.free, words.capacity, words.bar]}>
      {zones.map((zone) => (
        <tr key={zone.zone_id} data-testid="zone">
          <th scope="row">
            {zone.zone} <small>{zone.show}</small>
          </th>
          <td>{q.whole(zone.sold)}</td>
          <td>{q.whole(zone.held)}</td>
          <td>{q.whole(zone.free)}</td>
          <td>{q.whole(zone.capacity)}</td>
          <td class="wide">
            <Bar zone={zone} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** The numbers beside it say the same in words. */
function Bar({ zone }: { zone: ZoneFigures }) {
  const part = (seats: number | undefined) => ({ width: `${((seats ?? 0) / Math.max(zone.capacity, 1)) * 100}%` });
  return (
    <span class="bar" aria-hidden="true">
      <i class="sold" style={part(zone.sold)} />
      <i class="held" style={part(zone.held)} />
    </span>
  );
}
